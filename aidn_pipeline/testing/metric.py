"""What a metric keeps to."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch

from aidn_pipeline.core.component import mark_of
from aidn_pipeline.core.signature import Signature, Task
from aidn_pipeline.testing.clauses import does_not_concern, hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.judged import SIGNATURES, TASKS, judged, perfect, wrong
from aidn_pipeline.training.step import bound

CLOSE = 1e-6


class MetricSuite(ComponentSuite):
    """A metric is one number of a whole split's outputs and targets, and says what is better.

        class TestSureness(MetricSuite):
            make = staticmethod(lambda: partial(sureness, at=0.6))
            tasks = ("multiclass",)

    Attributes:
        tasks: it is for.
        order_matters: whether it looks at the order of the rows, as one of a time series does.
    """

    group = "metric"
    tasks: ClassVar[Sequence[Task]] = TASKS
    order_matters: ClassVar[bool] = False

    def test_it_says_which_direction_is_better(self) -> None:
        """`mode` is `min` or `max`."""
        subject = self.subject
        mark = mark_of(subject.build().target)
        hold(
            mark is not None and mark.mode in ("min", "max"),
            f"{subject.spec.key} does not say whether small or large values are good",
            where=subject.where,
            remedy='write `@component("metric", name, mode="max")`',
        )

    def test_it_is_a_finite_number(self) -> None:
        """A Python float, an int, or a tensor with one element that becomes one."""
        for metric, signature, where in self._metrics():
            found = metric(*judged(signature))
            one = isinstance(found, (int, float)) or (
                isinstance(found, torch.Tensor) and found.numel() == 1
            )
            hold(
                one and not isinstance(found, bool) and math.isfinite(float(found)),
                f"{signature.task}: {found!r} is no finite number",
                where=where,
                remedy="return `float(...)` of one value for the whole split",
            )

    def test_calling_it_again_gives_the_same_number(self) -> None:
        """It is called once with the whole split: nothing adds up from call to call."""
        for metric, signature, where in self._metrics():
            other = judged(signature)
            first = float(metric(*other))
            metric(perfect(signature, other[1]), other[1])
            again = float(metric(*other))
            hold(
                first == again,
                f"{signature.task}: {first:.6g} becomes {again:.6g} at a later call",
                where=where,
                remedy="compute from the arguments alone; a metric with state is reset first",
            )

    def test_the_order_of_rows_changes_nothing(self) -> None:
        """Outputs and targets in another order are the same split."""
        if self.order_matters:
            raise does_not_concern("the order of rows matters to it")
        for metric, signature, where in self._metrics():
            outputs, targets = judged(signature)
            order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1))
            first, turned = metric(outputs, targets), metric(outputs[order], targets[order])
            hold(
                math.isclose(float(first), float(turned), rel_tol=CLOSE, abs_tol=CLOSE),
                f"{signature.task}: {float(first):.6g} becomes {float(turned):.6g} in another "
                "order of the rows",
                where=where,
                remedy="set `order_matters = True` if that is meant",
            )

    def test_right_outputs_are_better_than_wrong_ones(self) -> None:
        """In the direction of its mode."""
        mark = mark_of(self.subject.build().target)
        if mark is None or mark.mode not in ("min", "max"):
            raise does_not_concern("it has no mode")
        for metric, signature, where in self._metrics():
            _, targets = judged(signature)
            right = float(metric(perfect(signature, targets), targets))
            bad = float(metric(wrong(signature, targets), targets))
            hold(
                right > bad if mark.mode == "max" else right < bad,
                f"{signature.task}: {right:.6g} for right outputs, {bad:.6g} for wrong ones, and "
                f"`mode` is {mark.mode}",
                where=where,
                remedy="correct `mode`, or the sign",
            )

    def test_it_leaves_outputs_and_targets_as_they_are(self) -> None:
        """Other metrics get the same tensors."""
        for metric, signature, where in self._metrics():
            outputs, targets = judged(signature)
            kept = outputs.clone(), targets.clone()
            metric(outputs, targets)
            hold(
                torch.equal(outputs, kept[0]) and torch.equal(targets, kept[1]),
                f"{signature.task}: it changes outputs or targets in place",
                where=where,
                remedy="use the operation that gives a new tensor",
            )

    def _metrics(self) -> Iterator[tuple[Callable[..., Any], Signature, str]]:
        subject = self.subject
        for task in self.tasks:
            yield bound(subject.build(), SIGNATURES[task]), SIGNATURES[task], subject.where
