"""Every trial gets its whole budget."""

from dataclasses import dataclass

from numpy.random import Generator

from aidn_pipeline.core.component import component
from aidn_pipeline.sweep.protocols import Continue, Decision, NewTrial
from aidn_pipeline.sweep.trial import History, Trial


@component("trial_scheduler", "none")
@dataclass(frozen=True, kw_only=True, slots=True)
class NoScheduler:
    """Every trial gets its whole budget."""

    def first(self, history: History, rng: Generator) -> NewTrial:
        """A trial with its whole budget."""
        return NewTrial()

    def decide(self, trial: Trial, history: History, rng: Generator) -> Decision:
        """Always goes on."""
        return Continue()
