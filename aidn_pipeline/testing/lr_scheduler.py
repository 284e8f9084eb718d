"""What a learning-rate scheduler keeps to."""

import json
import math
from typing import Any

from torch.optim import SGD

from aidn_pipeline.core.component import Factory
from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.testing.clauses import does_not_concern, hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.optimizer import Task
from aidn_pipeline.training.optimizer import Rates

EPOCHS, STEPS = 12, 5
"""Of a training, and optimiser steps in an epoch."""


class LrSchedulerSuite(ComponentSuite):
    """A schedule is a pure function of the step; torch's own carry their counters.

    class TestTriangle(LrSchedulerSuite):
        make = staticmethod(lambda: Triangle(period=100))
    """

    group = "lr_scheduler"

    def test_its_rates_are_finite_and_not_negative(self) -> None:
        """At every step of a training."""
        wrong = [r for r in self._rates(EPOCHS) if not math.isfinite(r) or r < 0]
        hold(
            not wrong,
            f"it gives the rate {wrong[0] if wrong else 0}",
            where=self.subject.where,
            remedy="give a factor of at least 0",
        )

    def test_a_factor_does_not_depend_on_those_before_it(self) -> None:
        """Asked backwards, and by another instance, it answers the same: a resume asks once."""
        built = self._schedule()
        steps = list(range(EPOCHS * STEPS))
        forwards = [built.factor(step, len(steps)) for step in steps]
        other = self._schedule()
        backwards = [other.factor(step, len(steps)) for step in reversed(steps)]
        hold(
            forwards == backwards[::-1],
            "its factors depend on the order in which they are asked for",
            where=self.subject.where,
            remedy="compute the factor from `step` and `total` alone",
        )

    def test_it_says_whether_it_depends_on_the_total(self) -> None:
        """`bounded = True`: then more epochs start again instead of continuing."""
        steps = range(EPOCHS * STEPS)
        one, other = self._schedule(), self._schedule()
        short = [one.factor(step, len(steps)) for step in steps]
        long = [other.factor(step, 2 * len(steps)) for step in steps]
        hold(
            short == long or self.subject.spec.bounded,
            "its factors depend on the number of all steps, and it does not say so",
            where=self.subject.where,
            remedy="write `bounded: ClassVar[bool] = True` into the class",
        )

    def test_its_counters_continue_to_the_same_rates(self) -> None:
        """Saved as JSON in the middle of a training, and loaded into another instance."""
        straight = self._rates(EPOCHS)
        for middle in (1, EPOCHS // 2):
            broken = self._rates(EPOCHS, broken_at=middle)
            pairs = enumerate(zip(straight, broken, strict=True))
            odd = next((i for i, (a, b) in pairs if a != b), None)
            hold(
                odd is None,
                f"after a resume at epoch {middle} the rate of step {odd} is "
                f"{broken[odd or 0]:.6g} instead of {straight[odd or 0]:.6g}",
                where=self.subject.where,
                remedy="keep counters in attributes that are plain values: `state_dict()` is saved",
            )

    def _schedule(self) -> Any:
        built = self.subject.build()
        if isinstance(built, Factory):
            raise does_not_concern("it is one of torch's, which count")
        return built

    def _rates(self, epochs: int, *, broken_at: int | None = None) -> list[float]:
        """The rate of every step; the monitored value stops getting better half-way."""
        rates, optimizer = self._started()
        found = []
        for epoch in range(epochs):
            for step in range(epoch * STEPS, (epoch + 1) * STEPS):
                if rates.advance is not None:
                    rates.advance(step)
                found.append(rates.lr)
                optimizer.step()
            rates.epoch_done(max(1.0 / (epoch + 1), 0.3))
            if epoch + 1 == broken_at:
                rates, optimizer = self._resumed(rates, optimizer)
        return found

    def _resumed(self, rates: Rates, optimizer: SGD) -> tuple[Rates, SGD]:
        state = json.loads(canonical_json(rates.state()))
        fresh, other = self._started()
        # An optimiser's checkpoint brings the settings of its groups back, the rate among them.
        for group, kept in zip(other.param_groups, optimizer.param_groups, strict=True):
            group.update({k: v for k, v in kept.items() if k != "params"})
        fresh.load(state)
        return fresh, other

    def _started(self) -> tuple[Rates, SGD]:
        task = Task()
        optimizer = SGD(list(task.named.values()), lr=0.1, momentum=0.9)
        rates = Rates(self.subject.build(), optimizer)
        rates.total = EPOCHS * STEPS
        return rates, optimizer
