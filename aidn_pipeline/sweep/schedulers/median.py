"""Stops trials that are worse than the median of the others."""

from dataclasses import dataclass
from statistics import median

from numpy.random import Generator

from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.sweep.protocols import Continue, Decision, NewTrial, Stop
from aidn_pipeline.sweep.trial import History, Trial, loss_of


@component("trial_scheduler", "median")
@dataclass(frozen=True, kw_only=True, slots=True)
class MedianScheduler:
    """Stops a trial whose value is worse than the median of other trials at the same epoch.

    A value is the best of a trial so far. Only trials that reported exactly that epoch count.
    Not for learning-rate schedules over a trial's total: a shorter segment has another schedule.

    Source: Golovin et al., "Google Vizier" (KDD 2017), section 3.2.2.

    Attributes:
        warmup: epochs before the first decision.
        interval: epochs between decisions.
        min_trials: other trials that must have reached the epoch before one is stopped.
    """

    warmup: int = setting(1, least=1)
    interval: int = setting(1, least=1)
    min_trials: int = setting(5, least=1)

    def __post_init__(self) -> None:
        check_ranges(self)

    def first(self, history: History, rng: Generator) -> NewTrial:
        """A trial up to the end of the warm-up."""
        return NewTrial(self.warmup)

    def decide(self, trial: Trial, history: History, rng: Generator) -> Decision:
        """`Stop` below the median, else `Continue` to the next interval."""
        epoch = trial.epochs
        others = [
            loss_of(value, history.mode)
            for other in history.trials
            if other.number != trial.number and (value := other.value_at(epoch)) is not None
        ]
        if len(others) >= self.min_trials and loss_of(trial.value, history.mode) > median(others):
            return Stop(f"worse than the median of {len(others)} trials at epoch {epoch}")
        return Continue(epoch + self.interval)
