"""What a loss keeps to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from aidn_pipeline.core.signature import Signature, Task
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.judged import SIGNATURES, TASKS, judged, perfect, wrong
from aidn_pipeline.training.step import bound

CLOSE = 1e-5


class LossSuite(ComponentSuite):
    """A loss is a scalar, the mean over the batch, small where outputs are right.

        class TestFocal(LossSuite):
            make = staticmethod(lambda: partial(focal, gamma=1.0))
            tasks = ("multiclass",)

    Attributes:
        tasks: it is for.
    """

    group = "loss"
    tasks: ClassVar[Sequence[Task]] = TASKS

    def test_it_is_a_finite_scalar(self) -> None:
        """Of a floating dtype, for any outputs."""
        for loss, signature, where in self._losses():
            found = loss(*judged(signature))
            hold(
                isinstance(found, Tensor) and found.shape == () and found.is_floating_point(),
                f"{signature.task}: a loss of shape {list(getattr(found, 'shape', ['none']))} is "
                "no scalar",
                where=where,
                remedy="end in `.mean()`",
            )
            hold(bool(found.isfinite()), f"{signature.task}: it is {found.item()}", where=where)

    def test_its_gradient_reaches_the_outputs(self) -> None:
        """Finite, and not zero where outputs are wrong."""
        for loss, signature, where in self._losses():
            _, targets = judged(signature)
            outputs = wrong(signature, targets).requires_grad_()
            found = loss(outputs, targets)
            grad = None
            if isinstance(found, Tensor) and found.requires_grad:
                (grad,) = torch.autograd.grad(found.sum(), outputs, allow_unused=True)
            hold(
                grad is not None and bool(grad.isfinite().all()) and bool(grad.any()),
                f"{signature.task}: no gradient, or none that is finite, reaches the outputs",
                where=where,
                remedy="compute in torch without `.item()`, `.detach()` or `argmax`",
            )

    def test_it_is_the_mean_over_the_batch(self) -> None:
        """Twice the same examples cost the same: the learning rate means the same in any batch."""
        for loss, signature, where in self._losses():
            outputs, targets = judged(signature)
            once = loss(outputs, targets).mean()
            twice = loss(torch.cat([outputs, outputs]), torch.cat([targets, targets])).mean()
            hold(
                torch.allclose(once, twice, rtol=CLOSE, atol=CLOSE),
                f"{signature.task}: {once.item():.6g} becomes {twice.item():.6g} for a batch that "
                "holds everything twice",
                where=where,
                remedy="take the mean over the batch, not the sum",
            )

    def test_the_order_of_examples_changes_nothing(self) -> None:
        """An output is compared with its own target."""
        for loss, signature, where in self._losses():
            outputs, targets = judged(signature)
            hold(
                torch.allclose(
                    loss(outputs, targets).mean(),
                    loss(outputs.flip(0), targets.flip(0)).mean(),
                    rtol=CLOSE,
                    atol=CLOSE,
                ),
                f"{signature.task}: it depends on the order of the examples",
                where=where,
                remedy="check the shapes: (batch, 1) minus (batch,) is (batch, batch)",
            )

    def test_right_outputs_cost_less_than_wrong_ones(self) -> None:
        """It can be minimised."""
        for loss, signature, where in self._losses():
            _, targets = judged(signature)
            right, bad = (
                loss(perfect(signature, targets), targets),
                loss(wrong(signature, targets), targets),
            )
            hold(
                right.mean().item() < bad.mean().item(),
                f"{signature.task}: right outputs cost {right.mean().item():.6g}, wrong ones "
                f"{bad.mean().item():.6g}",
                where=where,
                remedy="turn the sign around",
            )

    def test_it_leaves_outputs_and_targets_as_they_are(self) -> None:
        """Targets are those of the whole split."""
        for loss, signature, where in self._losses():
            outputs, targets = judged(signature)
            kept = outputs.clone(), targets.clone()
            loss(outputs, targets)
            hold(
                torch.equal(outputs, kept[0]) and torch.equal(targets, kept[1]),
                f"{signature.task}: it changes outputs or targets in place",
                where=where,
                remedy="use the operation that gives a new tensor",
            )

    def _losses(self) -> Iterator[tuple[Callable[..., Any], Signature, str]]:
        subject = self.subject
        for task in self.tasks:
            signature = SIGNATURES[task]
            loss = bound(subject.build(), signature)
            if isinstance(loss, nn.Module):
                loss.train()
            yield loss, signature, subject.where
