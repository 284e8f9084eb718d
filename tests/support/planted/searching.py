"""Samplers, trial schedulers and listeners with one fault each."""

import random
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aidn_pipeline.core.component import component
from aidn_pipeline.core.events import Event, Notice, Progress, RunStarted, StageStarted
from aidn_pipeline.sweep.protocols import Continue, Decision, NewTrial, Stop
from aidn_pipeline.sweep.space import Float, Space
from aidn_pipeline.sweep.trial import History, Trial
from aidn_pipeline.testing.listener import ListenerSuite
from aidn_pipeline.testing.sampler import SamplerSuite
from aidn_pipeline.testing.trial_scheduler import TrialSchedulerSuite
from support.planted.fault import planted


@component("sampler", "planted_own_dice")
@dataclass(frozen=True, kw_only=True)
class OwnDice:
    """Draws from the global generator."""

    def propose(self, space: Space, history: History, rng: Any) -> Mapping[str, Any]:
        return space.sample(random)  # type: ignore[arg-type]


@component("sampler", "planted_extra")
@dataclass(frozen=True, kw_only=True)
class Extra:
    """Proposes a key that is not searched."""

    def propose(self, space: Space, history: History, rng: Any) -> Mapping[str, Any]:
        return {**space.sample(rng), "extra": 1}


@component("sampler", "planted_numpy")
@dataclass(frozen=True, kw_only=True)
class Numpy:
    """Leaves numpy's numbers in."""

    def propose(self, space: Space, history: History, rng: Any) -> Mapping[str, Any]:
        params = space.sample(rng)
        real = {k for k, domain in space.domains.items() if isinstance(domain, Float)}
        return {k: np.float64(v) if k in real else v for k, v in params.items()}


@component("sampler", "planted_marking")
@dataclass(frozen=True, kw_only=True)
class Marking:
    """Marks the trials it has seen."""

    def propose(self, space: Space, history: History, rng: Any) -> Mapping[str, Any]:
        for trial in history.trials:
            trial.params["seen"] = True  # type: ignore[index]
        return space.sample(rng)


@component("sampler", "planted_seven")
@dataclass(frozen=True, kw_only=True)
class Seven:
    """Cannot tell what comes after seven trials."""

    def propose(self, space: Space, history: History, rng: Any) -> Mapping[str, Any]:
        if len(history.trials) == 7:
            raise ZeroDivisionError
        return space.sample(rng)


class Going:
    """A scheduler without a fault."""

    def first(self, history: History, rng: Any) -> NewTrial:
        return NewTrial(1)

    def decide(self, trial: Trial, history: History, rng: Any) -> Decision:
        return Continue(trial.epochs + 1)


@component("trial_scheduler", "planted_coin")
@dataclass(frozen=True, kw_only=True)
class Coin(Going):
    """Tosses a coin of its own."""

    def decide(self, trial: Trial, history: History, rng: Any) -> Decision:
        return Continue(trial.epochs + random.randint(1, 2))


@component("trial_scheduler", "planted_zero")
@dataclass(frozen=True, kw_only=True)
class Zero(Going):
    """Starts trials of no epoch."""

    def first(self, history: History, rng: Any) -> NewTrial:
        return NewTrial(0)


@component("trial_scheduler", "planted_standing")
@dataclass(frozen=True, kw_only=True)
class Standing(Going):
    """Does not move on."""

    def decide(self, trial: Trial, history: History, rng: Any) -> Decision:
        return Continue(trial.epochs)


@component("trial_scheduler", "planted_harsh")
@dataclass(frozen=True, kw_only=True)
class Harsh(Going):
    """Stops everything."""

    def decide(self, trial: Trial, history: History, rng: Any) -> Decision:
        return Stop("enough")


@component("trial_scheduler", "planted_noting")
@dataclass(frozen=True, kw_only=True)
class Noting(Going):
    """Notes in the trial that it was judged."""

    def decide(self, trial: Trial, history: History, rng: Any) -> Decision:
        trial.params["judged"] = True  # type: ignore[index]
        return Continue(trial.epochs + 1)


class Strict:
    """Raises at a kind of event that it does not know."""

    def on_event(self, event: Event) -> None:
        if type(event).__name__ == "Unheard":
            raise TypeError(event)


class Rounding:
    """Rounds the figures it is shown."""

    def on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            for name in event.values:
                event.values[name] = 0.0  # type: ignore[index]


class Stopping:
    """Ends a run that it does not like."""

    def on_event(self, event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage == "snapshot":
            signal.raise_signal(signal.SIGTERM)


class Once:
    """Hears one run in its life."""

    def __init__(self) -> None:
        self.runs = 0

    def on_event(self, event: Event) -> None:
        self.runs += isinstance(event, RunStarted)
        if self.runs > 1 and not isinstance(event, Notice):
            raise RuntimeError("a run was heard already")


FAULTS = [
    planted(SamplerSuite, "test_equal_arguments_give_equal_params", OwnDice()),
    planted(SamplerSuite, "test_params_lie_in_the_space", Extra()),
    planted(SamplerSuite, "test_params_are_plain_values", Numpy()),
    planted(SamplerSuite, "test_it_changes_neither_history_nor_space_nor_itself", Marking()),
    planted(SamplerSuite, "test_a_sweep_of_it_ends_or_goes_on", Seven()),
    planted(TrialSchedulerSuite, "test_equal_arguments_give_equal_decisions", Coin()),
    planted(TrialSchedulerSuite, "test_a_free_lane_gets_a_trial", Zero()),
    planted(TrialSchedulerSuite, "test_a_trial_goes_forward_or_ends", Standing()),
    planted(TrialSchedulerSuite, "test_the_best_trial_is_not_stopped", Harsh()),
    planted(TrialSchedulerSuite, "test_it_changes_neither_history_nor_trial_nor_itself", Noting()),
    planted(ListenerSuite, "test_it_takes_every_kind_of_event", Strict),
    planted(ListenerSuite, "test_it_changes_no_event", Rounding),
    planted(ListenerSuite, "test_a_run_ends_the_same_with_it", Stopping),
    planted(ListenerSuite, "test_it_hears_a_run_again_from_its_first_event", Once),
]
