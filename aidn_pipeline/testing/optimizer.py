"""What an optimiser keeps to."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.training.optimizer import (
    build_optimizer,
    load_optimizer,
    names_of,
    optimizer_state,
)

STEPS = 4


class OptimizerSuite(ComponentSuite):
    """An optimiser learns, and its whole state is tensors by parameter and plain values.

    class TestLion(OptimizerSuite):
        make = staticmethod(lambda: partial(Lion, lr=1e-3))
    """

    group = "optimizer"

    def test_steps_make_the_loss_smaller(self) -> None:
        """Of a convex problem, with its settings as they are."""
        task = Task()
        optimizer = self._over(task)
        first = task.loss().item()
        task.train(optimizer, 10 * STEPS)
        hold(
            task.loss().item() < first,
            f"the loss goes from {first:.6g} to {task.loss().item():.6g}",
            where=self.subject.where,
            remedy="subtract the step from the parameters in `step()`",
        )

    def test_its_state_continues_to_the_same_bytes(self) -> None:
        """Saved in the middle as tensors and JSON, and loaded into another instance."""
        straight, broken = Task(), Task()
        straight.train(self._over(straight), 2 * STEPS)
        optimizer = self._over(broken)
        broken.train(optimizer, STEPS)
        names = names_of(broken.groups)
        tensors, plain = optimizer_state(optimizer, names)
        saved = save({name: tensor.contiguous().clone() for name, tensor in tensors.items()})
        again = Task(broken)
        other = self._over(again)
        load_optimizer(other, names, load(saved), json.loads(canonical_json(plain)))
        again.train(other, STEPS)
        odd = [n for n, p in straight.named.items() if not torch.equal(p, again.named[n])]
        hold(
            not odd,
            f"{', '.join(odd)} end elsewhere when training is continued from the saved state",
            where=self.subject.where,
            remedy="keep what changes in `self.state[parameter]` or `self.param_groups`",
        )

    def test_its_settings_are_plain(self) -> None:
        """What a parameter group holds beside its parameters is written into checkpoints."""
        task = Task()
        optimizer = self._over(task)
        task.train(optimizer, 1)
        _, plain = optimizer_state(optimizer, names_of(task.groups))
        try:
            canonical_json(plain)
        except (TypeError, ValueError) as error:
            hold(
                False,
                f"its parameter groups or its state hold what JSON cannot: {error}",
                where=self.subject.where,
                remedy="keep numbers, text and tensors",
            )

    def test_parameters_without_a_gradient_stay(self) -> None:
        """A part of the network that took no part in the loss is not moved."""
        task = Task()
        task.idle = nn.Parameter(torch.ones(3))
        optimizer = build_optimizer(
            self.subject.build(), [{"params": {**task.named, "idle": task.idle}}]
        )
        task.train(optimizer, STEPS)
        hold(
            torch.equal(task.idle, torch.ones(3)),
            "it moves a parameter that has no gradient",
            where=self.subject.where,
            remedy="pass over parameters whose `grad` is None",
        )

    def _over(self, task: "Task") -> Optimizer:
        return build_optimizer(self.subject.build(), task.groups)


class Task:
    """Least squares with a matrix and a vector.

    Attributes:
        named: parameters by name.
        groups: as the trainer hands them over.
        idle: a parameter that takes no part.
    """

    def __init__(self, like: "Task | None" = None) -> None:
        generator = torch.Generator().manual_seed(8)
        self._inputs = torch.randn(32, 3, generator=generator)
        self._targets = torch.randn(32, 2, generator=generator)
        start: Mapping[str, Tensor] = (
            {"weight": torch.randn(3, 2, generator=generator), "bias": torch.zeros(2)}
            if like is None
            else {name: parameter.detach() for name, parameter in like.named.items()}
        )
        self.named: dict[str, nn.Parameter] = {
            name: nn.Parameter(value.clone()) for name, value in start.items()
        }
        self.groups: list[Mapping[str, Any]] = [{"params": self.named}]
        self.idle: nn.Parameter | None = None

    def loss(self) -> Tensor:
        """The mean square."""
        found = self._inputs @ self.named["weight"] + self.named["bias"]
        return (found - self._targets).square().mean()

    def train(self, optimizer: Optimizer, steps: int) -> None:
        """Some optimiser steps."""
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(self.loss())
            optimizer.step()
