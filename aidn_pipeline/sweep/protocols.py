"""What a sampler and a trial scheduler are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from numpy.random import Generator

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import History, Trial


class Sampler(Protocol):
    """Proposes params. Pure: equal arguments give equal params, and no attribute changes."""

    def propose(self, space: Space, history: History, rng: Generator) -> Mapping[str, JSON] | None:
        """Params for the next trial; None when the sampler has none left.

        Args:
            space: what is searched.
            history: what may be known now, unfinished trials included.
            rng: of this proposal alone.
        """
        ...


@dataclass(frozen=True, slots=True)
class NewTrial:
    """A new trial starts, up to an epoch; None for its whole budget."""

    to: int | None = None


@dataclass(frozen=True, slots=True)
class Continue:
    """The trial goes on up to an epoch; None for its whole budget."""

    to: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The trial ends before its budget is used up."""

    reason: str


Decision: TypeAlias = Continue | Stop


class TrialScheduler(Protocol):
    """Decides how far trials go. Pure, like a sampler."""

    def first(self, history: History, rng: Generator) -> NewTrial:
        """A lane is free."""
        ...

    def decide(self, trial: Trial, history: History, rng: Generator) -> Decision:
        """A segment of the trial ended below its budget."""
        ...
