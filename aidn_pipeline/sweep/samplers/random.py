"""Independent draws."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

from aidn_pipeline.core.component import component
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import History


@component("sampler", "random")
@dataclass(frozen=True, kw_only=True, slots=True)
class RandomSampler:
    """Draws every param independently and uniformly, in the logarithm where the domain says so.

    Source: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization" (JMLR 2012).
    """

    def propose(self, space: Space, history: History, rng: Generator) -> Mapping[str, JSON]:
        """A draw; looks at nothing else."""
        return space.sample(rng)
