"""Optimisers, learning-rate schedulers, early stopping and policies with one fault each."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from aidn_pipeline.core.component import component
from aidn_pipeline.testing.checkpoint import CheckpointSuite
from aidn_pipeline.testing.early_stop import EarlyStopSuite
from aidn_pipeline.testing.lr_scheduler import LrSchedulerSuite
from aidn_pipeline.testing.optimizer import OptimizerSuite
from aidn_pipeline.training.early_stop import Patience, better
from support.planted.fault import planted


class Descent(Optimizer):
    """Gradient descent without a fault."""

    def __init__(self, params: Any, *, lr: float = 0.05) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                self.move(parameter, group["lr"])

    @torch.no_grad()
    def move(self, parameter: Any, lr: float) -> None:
        if parameter.grad is not None:
            parameter.add_(parameter.grad, alpha=-lr)


@component("optimizer", "planted_ascent")
class Ascent(Descent):
    """Goes uphill."""

    def __init__(self, params: Any, *, lr: float = 0.05) -> None:
        super().__init__(params, lr=-lr)


@component("optimizer", "planted_counting")
class Counting(Descent):
    """Keeps a counter that nobody saves."""

    def __init__(self, params: Any, *, lr: float = 0.05) -> None:
        super().__init__(params, lr=lr)
        self.count = 0

    def move(self, parameter: Any, lr: float) -> None:
        self.count += 1
        super().move(parameter, lr / self.count)


@component("optimizer", "planted_closure")
class Closure(Descent):
    """Keeps a function in its settings."""

    def __init__(self, params: Any, *, lr: float = 0.05) -> None:
        super().__init__(params, lr=lr)
        self.param_groups[0]["schedule"] = abs


@component("optimizer", "planted_decay")
class Decay(Descent):
    """Shrinks what took no part."""

    @torch.no_grad()
    def move(self, parameter: Any, lr: float) -> None:
        super().move(parameter, lr)
        parameter.mul_(0.999)


@component("lr_scheduler", "planted_below")
@dataclass(frozen=True, kw_only=True)
class Below:
    """Falls below 0."""

    def factor(self, step: int, total: int) -> float:
        return 1 - step / 40


@component("lr_scheduler", "planted_looking_back")
@dataclass(frozen=True, kw_only=True)
class LookingBack:
    """Remembers what it was asked last."""

    def factor(self, step: int, total: int) -> float:
        before = vars(self).get("before", -1)
        vars(self)["before"] = step
        return 1.0 if step > before else 0.5


@component("lr_scheduler", "planted_unsaid")
@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """Depends on the total, and does not say so."""

    def factor(self, step: int, total: int) -> float:
        return 1 - 0.5 * step / total


@component("lr_scheduler", "planted_nested")
class Nested(LRScheduler):
    """Counts where nothing is saved."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.seen = {"epochs": 0}
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        self.seen["epochs"] += 1
        return [lr / self.seen["epochs"] for lr in self.base_lrs]


@component("early_stop", "planted_impatient")
@dataclass(frozen=True, kw_only=True)
class Impatient:
    """Stops after a hundred epochs, however good."""

    def update(self, state: Patience, value: float, mode: str) -> bool:
        state.waited += 1
        return state.waited > 100


@component("early_stop", "planted_blind")
@dataclass(frozen=True, kw_only=True)
class Blind:
    """Does not count what is no number."""

    def update(self, state: Patience, value: float, mode: str) -> bool:
        if better(value, state.best, mode):
            state.best, state.waited = value, 0
        elif not math.isnan(value):
            state.waited += 1
        return state.waited > 5


@component("early_stop", "planted_lopsided")
@dataclass(frozen=True, kw_only=True)
class Lopsided:
    """Asks more of large values than of small ones."""

    def update(self, state: Patience, value: float, mode: str) -> bool:
        if better(value, state.best, mode, 0.4 if mode == "max" else 0.0):
            state.best, state.waited = value, 0
        else:
            state.waited += 1
        return state.waited > 5


@component("early_stop", "planted_forgetful")
@dataclass(frozen=True, kw_only=True)
class Forgetful:
    """Counts in itself."""

    def update(self, state: Patience, value: float, mode: str) -> bool:
        waited = vars(self).get("waited", 0) + 1
        if better(value, state.best, mode):
            state.best, waited = value, 0
        vars(self)["waited"] = waited
        return waited > 5


@component("checkpoint", "planted_seventh")
@dataclass(frozen=True, kw_only=True)
class Seventh:
    """Saves every seventh time it is asked."""

    keep: int = 2

    def due(self, **position: Any) -> bool:
        vars(self)["asked"] = vars(self).get("asked", 0) + 1
        return vars(self)["asked"] % 7 == 0


@component("checkpoint", "planted_never")
@dataclass(frozen=True, kw_only=True)
class Never:
    """Never saves."""

    keep: int = 2

    def due(self, **position: Any) -> bool:
        return False


@component("checkpoint", "planted_hoarding_none")
@dataclass(frozen=True, kw_only=True)
class HoardingNone:
    """Keeps nothing."""

    keep: int = 0

    def due(self, **position: Any) -> bool:
        return True


FAULTS = [
    planted(OptimizerSuite, "test_steps_make_the_loss_smaller", Ascent),
    planted(OptimizerSuite, "test_its_state_continues_to_the_same_bytes", Counting),
    # What JSON cannot hold, no checkpoint brings back.
    planted(
        OptimizerSuite,
        "test_its_settings_are_plain",
        Closure,
        ("test_its_state_continues_to_the_same_bytes",),
    ),
    planted(OptimizerSuite, "test_parameters_without_a_gradient_stay", Decay),
    planted(LrSchedulerSuite, "test_its_rates_are_finite_and_not_negative", Below()),
    planted(LrSchedulerSuite, "test_a_factor_does_not_depend_on_those_before_it", LookingBack()),
    planted(LrSchedulerSuite, "test_it_says_whether_it_depends_on_the_total", Unsaid()),
    planted(LrSchedulerSuite, "test_its_counters_continue_to_the_same_rates", Nested),
    planted(EarlyStopSuite, "test_it_goes_on_while_it_gets_better", Impatient()),
    planted(EarlyStopSuite, "test_it_stops_when_nothing_gets_better", Blind()),
    planted(EarlyStopSuite, "test_the_modes_mirror_each_other", Lopsided()),
    planted(EarlyStopSuite, "test_its_state_continues_to_the_same_decision", Forgetful()),
    planted(CheckpointSuite, "test_equal_positions_give_equal_decisions", Seventh()),
    planted(CheckpointSuite, "test_it_saves_within_an_hour", Never()),
    planted(CheckpointSuite, "test_it_keeps_at_least_one", HoardingNone()),
]
