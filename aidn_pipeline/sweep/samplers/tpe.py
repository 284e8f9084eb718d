"""Tree-structured Parzen estimator."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.sweep.optuna_bridge import ask_tpe
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import History


@component("sampler", "tpe", packages=("optuna",))
@dataclass(frozen=True, kw_only=True, slots=True)
class TPESampler:
    """Models good and bad trials with two densities and proposes where they differ most.

    Unfinished trials count as bad ones, so that parallel proposals stay apart.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NeurIPS 2011); the
    multivariate form of Falkner et al. (ICML 2018), as implemented in Optuna.

    Attributes:
        num_startup: ended trials before the densities are used; random draws until then.
        num_candidates: draws from the density of good trials, of which the best is proposed.
        multivariate: one density over all params instead of one for each.
    """

    num_startup: int = setting(10, least=1)
    num_candidates: int = setting(24, least=1)
    multivariate: bool = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def propose(self, space: Space, history: History, rng: Generator) -> Mapping[str, JSON]:
        """A random draw at first, then the most promising candidate."""
        ended = len(history.trials) - len(history.pending)
        if ended < self.num_startup or history.worst_value is None or not space.domains:
            return space.sample(rng)
        return ask_tpe(
            space,
            history,
            seed=int(rng.integers(2**32)),
            num_candidates=self.num_candidates,
            multivariate=self.multivariate,
        )
