"""Trials and what a decision may know of them; all immutable."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from aidn_pipeline.core.fingerprint import JSON, canonical_json

TrialState: TypeAlias = Literal["running", "complete", "stopped", "failed"]
Mode: TypeAlias = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Segment:
    """One reported piece of a trial's training.

    Attributes:
        epoch: the trial's epochs at its end.
        end: the lane's logical clock at its end, in epochs.
        value: of the objective; None if the segment failed or the value was not finite.
        outputs: artifacts by port, in their JSON form.
        error: what went wrong; empty if nothing did.
    """

    epoch: int
    end: int
    value: float | None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a trial raised in this process.

    Attributes:
        trial: its number.
        error: with its frames.
    """

    trial: int
    error: BaseException

    @property
    def where(self) -> str:
        """The trial as people count them."""
        return f"trial {self.trial + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One set of params and what became of it.

    Attributes:
        number: from 0, in the order of the proposals.
        params: values by dotted path.
        lane: on which it runs.
        start: the lane's logical clock when it was proposed, in epochs.
        budget: epochs of the whole trial.
        to: epochs at which the segment that was issued last ends.
        state: `running` until a decision ends it.
        segments: reported so far.
    """

    number: int
    params: Mapping[str, JSON]
    lane: int
    start: int
    budget: int
    to: int
    state: TrialState = "running"
    segments: tuple[Segment, ...] = ()

    @property
    def epochs(self) -> int:
        """Trained and reported so far."""
        return self.segments[-1].epoch if self.segments else 0

    @property
    def end(self) -> int:
        """The lane's logical clock when the issued segment ends."""
        return self.start + self.to

    @property
    def reported(self) -> bool:
        """Whether the issued segment has ended."""
        return bool(self.segments) and self.segments[-1].epoch == self.to

    @property
    def ended(self) -> bool:
        """Whether no decision can make it go on; one that is `running` may still be stopped."""
        return self.state != "running" or (
            self.reported and (self.value is None or self.epochs >= self.budget)
        )

    @property
    def value(self) -> float | None:
        """The newest value of the objective; None before the first, and for a failed trial."""
        return self.segments[-1].value if self.segments else None

    @property
    def error(self) -> str:
        """What went wrong; empty if nothing did."""
        return self.segments[-1].error if self.segments else ""

    def value_at(self, epoch: int) -> float | None:
        """The value reported at exactly that epoch."""
        return next((s.value for s in self.segments if s.epoch == epoch), None)


def params_key(params: Mapping[str, JSON]) -> bytes:
    """Equal for equal params, types included: 1, 1.0 and true differ."""
    return canonical_json(dict(params))


def loss_of(value: float | None, mode: Mode) -> float:
    """The value as something to make small; infinite for none and for NaN."""
    if value is None or math.isnan(value):
        return math.inf
    return value if mode == "min" else -value


def best_of(trials: Sequence[Trial], mode: Mode) -> Trial | None:
    """The best complete trial; of equal ones that with the lower number; None if there is none."""
    complete = [t for t in trials if t.state == "complete" and t.value is not None]
    return min(complete, key=lambda t: (loss_of(t.value, mode), t.number), default=None)


@dataclass(frozen=True)
class History:
    """What the decision at hand may know; a trial that is visible in part is shown in that part.

    Attributes:
        mode: whether small or large values of the objective are good.
        trials: by number; those that have not reported their end yet are `running`.
    """

    mode: Mode
    trials: tuple[Trial, ...] = ()

    @cached_property
    def complete(self) -> tuple[Trial, ...]:
        """Trials with their final value."""
        return tuple(t for t in self.trials if t.state == "complete")

    @cached_property
    def failed(self) -> tuple[Trial, ...]:
        """Trials that raised, or whose value was not finite."""
        return tuple(t for t in self.trials if t.state == "failed")

    @cached_property
    def stopped(self) -> tuple[Trial, ...]:
        """Trials that a scheduler ended early."""
        return tuple(t for t in self.trials if t.state == "stopped")

    @cached_property
    def pending(self) -> tuple[Trial, ...]:
        """Trials without an end."""
        return tuple(t for t in self.trials if t.state == "running")

    @cached_property
    def best(self) -> Trial | None:
        """The best complete trial."""
        return best_of(self.trials, self.mode)

    @cached_property
    def worst_value(self) -> float | None:
        """The worst final value, which stands in for those of failed trials; None without any."""
        values = [t.value for t in (*self.complete, *self.stopped) if t.value is not None]
        return max(values, key=lambda v: loss_of(v, self.mode), default=None)

    @cached_property
    def keys(self) -> frozenset[bytes]:
        """`params_key` of every trial."""
        return frozenset(params_key(t.params) for t in self.trials)

    def seen(self, params: Mapping[str, JSON]) -> bool:
        """Whether a trial has had these params."""
        return params_key(params) in self.keys
