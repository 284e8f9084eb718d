"""The inner loop: batches by index, no reading of the device, nothing looked up per step.

What must happen now and then (a checkpoint, the end of an epoch) ends a *stretch*; where a stretch
ends is computed before it starts, so that the steps in it test nothing but the wish to stop.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from aidn_pipeline.errors import StageFailed
from aidn_pipeline.training.order import Order
from aidn_pipeline.training.step import Position, Step

STRETCH = 64
"""The most optimiser steps in a stretch: their examples are gathered at once, and the clock is
looked at after them."""


class StopWish(Protocol):
    """What tells that an end was asked for."""

    @property
    def stop_requested(self) -> bool:
        """True once a checkpoint should be saved and training should end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How batches become optimiser steps.

    Attributes:
        batch_size: examples in a micro-batch.
        accumulate: micro-batches in an optimiser step.
        clip: largest norm of the gradient; 0 leaves it.
        every_steps: optimiser steps after which a stretch ends; 0 for none of its own.
    """

    batch_size: int
    accumulate: int = 1
    clip: float = 0.0
    every_steps: int = 0

    def batches(self, rows: int) -> int:
        """Micro-batches in an epoch; the last may be smaller."""
        return -(-rows // self.batch_size)

    def steps(self, rows: int) -> int:
        """Optimiser steps in an epoch."""
        return -(-self.batches(rows) // self.accumulate)


class Loop:
    """Drives a `Step` through epochs.

    Attributes:
        position: where it stands; set it before going on from a checkpoint.
        losses: of this epoch's micro-batches so far, scalars on the device.
    """

    def __init__(
        self,
        *,
        step: Step,
        optimizer: Optimizer,
        advance: Callable[[int], None] | None,
        data: tuple[Tensor, Tensor],
        order: Order,
        pace: Pace,
        stop: StopWish,
    ) -> None:
        self.position = Position()
        self.losses: list[Tensor] = []
        self.pace = pace
        self._step = step.step
        self._optimizer = optimizer
        self._advance = advance
        self._inputs, self._targets = data
        self._order = order
        self._permutation: tuple[int, Tensor] | None = None
        self._stop = stop
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.batches = pace.batches(order.n)
        self.steps = pace.steps(order.n)

    def epoch(self) -> Iterator[bool]:
        """Trains to the end of the epoch, a stretch at a time.

        Yields:
            after each stretch: whether the epoch is over. The caller may save or end there: always
            at the boundary of an optimiser step.
        """
        position, pace = self.position, self.pace
        over = False
        while not over:
            done = position.batch // pace.accumulate
            steps = min(STRETCH, self.steps - done)
            if pace.every_steps:
                steps = min(steps, pace.every_steps - position.step % pace.every_steps)
            last = min(position.batch + steps * pace.accumulate, self.batches)
            self._stretch(last)
            # Read before the caller acts: ending the epoch sets the position to the next one.
            over = position.batch == self.batches
            yield over

    def end_epoch(self) -> float:
        """Moves to the next epoch; returns the mean loss over the examples of this one."""
        losses = self.read_losses()
        sizes = torch.full((self.batches,), float(self.pace.batch_size), dtype=torch.float64)
        sizes[-1] = self._order.n - (self.batches - 1) * self.pace.batch_size
        self.position.epoch += 1
        self.position.batch = 0
        self.losses = []
        return float((losses.double() * sizes).sum() / self._order.n)

    def read_losses(self) -> Tensor:
        """This epoch's losses, float32 on the CPU: the one time the device is read.

        Raises:
            StageFailed: if one is not finite; says at which step.
        """
        if not self.losses:
            return torch.empty(0)
        losses = torch.stack(self.losses).float().cpu()
        wrong = (~torch.isfinite(losses)).nonzero()
        if len(wrong):
            batch = int(wrong[0])
            step = self.position.epoch * self.steps + batch // self.pace.accumulate
            rate = self._optimizer.param_groups[0]["lr"]
            raise StageFailed(
                f"the loss became {losses[batch].item()} in epoch {self.position.epoch + 1}, "
                f"step {step + 1} (lr {float(rate):.3g})",
                where="trainer.optimizer.lr",
                remedy="lower `optimizer.lr`, set `trainer.clip: 1.0`, or rescale the features",
            )
        return losses

    def _indices(self) -> Tensor:
        epoch = self.position.epoch
        if self._permutation is None or self._permutation[0] != epoch:
            order = self._order.permutation(epoch).to(self._inputs.device)
            self._permutation = (epoch, order)
        return self._permutation[1]

    def _stretch(self, last: int) -> None:
        position, size = self.position, self.pace.batch_size
        chosen = self._indices()[position.batch * size : last * size]
        inputs = torch.split(self._inputs.index_select(0, chosen), size)
        targets = torch.split(self._targets.index_select(0, chosen), size)
        if self.pace.accumulate > 1:
            self._accumulated(inputs, targets, torch.split(chosen, size))
        else:
            self._single(inputs, targets, torch.split(chosen, size))

    def _single(
        self, inputs: Sequence[Tensor], targets: Sequence[Tensor], samples: Sequence[Tensor]
    ) -> None:
        position, stop, parameters = self.position, self._stop, self._parameters
        take, optimize, keep = self._step, self._optimizer.step, self.losses.append
        advance, clip = self._advance, self.pace.clip
        for x, y, position.samples in zip(inputs, targets, samples, strict=True):
            if advance is not None:
                advance(position.step)
            loss = take((x, y), position)
            loss.backward()  # type: ignore[no-untyped-call]
            if clip:
                nn.utils.clip_grad_norm_(parameters, clip)
            optimize()
            for parameter in parameters:
                parameter.grad = None
            keep(loss.detach())
            position.batch += 1
            position.step += 1
            if stop.stop_requested:
                return

    def _accumulated(
        self, inputs: Sequence[Tensor], targets: Sequence[Tensor], samples: Sequence[Tensor]
    ) -> None:
        position, accumulate = self.position, self.pace.accumulate
        for first in range(0, len(inputs), accumulate):
            if self._advance is not None:
                self._advance(position.step)
            group = range(first, min(first + accumulate, len(inputs)))
            for i in group:
                position.samples = samples[i]
                loss = self._step((inputs[i], targets[i]), position)
                (loss / len(group)).backward()  # type: ignore[no-untyped-call]
                self.losses.append(loss.detach())
            if self.pace.clip:
                nn.utils.clip_grad_norm_(self._parameters, self.pace.clip)
            self._optimizer.step()
            for parameter in self._parameters:
                parameter.grad = None
            position.batch += len(group)
            position.step += 1
            if self._stop.stop_requested:
                return


def finite(values: dict[str, float]) -> dict[str, float]:
    """The values that are finite numbers."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
