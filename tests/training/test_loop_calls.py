"""The cost of a step as a count of function calls: no busy machine can change it."""

import sys
from types import FrameType
from typing import Any

import torch
from torch import nn

from aidn_pipeline.training.loop import Loop, Pace
from aidn_pipeline.training.order import Order
from aidn_pipeline.training.step import Position

ROWS, BATCH = 1280, 32


class Plain:
    """A step of a network of one layer."""

    def __init__(self) -> None:
        self.model = nn.Linear(4, 2)

    def step(self, batch: Any, position: Position) -> torch.Tensor:
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])


class Never:
    stop_requested = False


def counted(call: Any) -> int:
    calls = 0

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def bare(step: Plain, optimizer: Any, x: torch.Tensor, y: torch.Tensor) -> None:
    parameters = list(step.model.parameters())
    order = torch.randperm(ROWS)
    for inputs, targets in zip(x[order].split(BATCH), y[order].split(BATCH), strict=True):
        loss = nn.functional.cross_entropy(step.model(inputs), targets)
        loss.backward()
        optimizer.step()
        for parameter in parameters:
            parameter.grad = None


def test_a_step_costs_few_calls_more_than_a_bare_one():
    x, y = torch.rand(ROWS, 4), torch.randint(0, 2, (ROWS,))
    step = Plain()
    optimizer = torch.optim.AdamW(step.model.parameters(), fused=True)
    loop = Loop(
        step=step,
        optimizer=optimizer,
        advance=None,
        data=(x, y),
        order=Order(1, ROWS),
        pace=Pace(batch_size=BATCH),
        stop=Never(),
    )
    bare(step, optimizer, x, y)
    steps = ROWS // BATCH
    extra = counted(lambda: list(loop.epoch())) - counted(lambda: bare(step, optimizer, x, y))
    # The step itself, `detach` and `append` of the loss, and a share of the stretch.
    assert extra / steps <= 6
