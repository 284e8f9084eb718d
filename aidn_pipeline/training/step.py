"""A training step: what the loop drives. Every method that returns a loss is one of these."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from aidn_pipeline.core.component import Factory
from aidn_pipeline.core.fingerprint import JSON, derive_seed
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.inputs.forward import arguments_of
from aidn_pipeline.training.keyed import Keys

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Inputs and targets, on the training device."""
Named: TypeAlias = Mapping[str, nn.Parameter]


class Position:
    """Where training stands; one object, moved by the loop before each step.

    Attributes:
        epoch: counted from 0.
        batch: micro-batches consumed in this epoch.
        step: optimiser steps done since the beginning.
        samples: int64 positions of the batch's examples in the training split.
    """

    __slots__ = ("batch", "epoch", "samples", "step")

    def __init__(self) -> None:
        self.epoch = 0
        self.batch = 0
        self.step = 0
        self.samples = torch.empty(0, dtype=torch.int64)


class Step(Protocol):
    """One way of learning: supervised, distillation, adapters, meta-learning, ..."""

    def setup(self, signature: Signature, device: torch.device) -> None:
        """Builds the modules; called once, with every global generator seeded."""
        ...

    def modules(self) -> Mapping[str, nn.Module]:
        """What holds parameters and buffers of the state; `model` is what is served."""
        ...

    def param_groups(self) -> Sequence[Mapping[str, Any]]:
        """Optimiser groups: `params` maps names to parameters, other keys go to the optimiser."""
        ...

    def step(self, batch: Batch, position: Position) -> Tensor:
        """The loss of one batch, a scalar with its graph."""
        ...

    def extra_state(self) -> dict[str, JSON]:
        """What else changes in training; exact, as JSON."""
        ...

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Puts back what `extra_state` gave."""
        ...


def bound(factory: Factory, signature: Signature) -> Callable[..., Any]:
    """The callable of a loss, metric or augmentation, with nothing of the factory in a call's way.

    A class is built; a function gets its configured arguments.
    """
    if isinstance(factory.target, type):
        built: Callable[..., Any] = factory(signature=signature)
        return built
    handed = dict.fromkeys(factory.wants_signature, signature)
    arguments = {**handed, **factory.arguments}
    return partial(factory.target, **arguments) if arguments else factory.target


def trainable(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Parameters that learn, by `module/name`; tied ones once."""
    return {
        f"{key}/{name}": parameter
        for key, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


class SupervisedStep:
    """The loss of the model's outputs against the targets."""

    def __init__(self, model: Factory, loss: Factory, augment: Factory | None, seed: int) -> None:
        """Keeps what `setup` builds from.

        Args:
            model: gives the network.
            loss: `(outputs, targets) -> scalar`.
            augment: `(inputs, keys) -> inputs`, applied in training only.
            seed: of the augmentation.
        """
        self._factories = (model, loss, augment)
        self._seed = derive_seed(seed, "augment")

    def setup(self, signature: Signature, device: torch.device) -> None:
        """Builds the network, the loss and the augmentation."""
        model, loss, augment = self._factories
        self._model: nn.Module = model(signature=signature).to(device)
        self._arguments = arguments_of(self._model, signature)
        self._loss = bound(loss, signature)
        if isinstance(self._loss, nn.Module):
            self._loss.to(device)
        self._augment = bound(augment, signature) if augment is not None else None

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"model": self._model}

    def param_groups(self) -> Sequence[Mapping[str, Any]]:
        """One group of all parameters that learn."""
        return [{"params": trainable(self.modules())}]

    def step(self, batch: Batch, position: Position) -> Tensor:
        """The loss of one batch."""
        inputs, named = self._arguments(batch[0])
        if self._augment is not None:
            inputs = self._augment(inputs, Keys(self._seed, position.epoch, position.samples))
        loss: Tensor = self._loss(self._model(inputs, **named), batch[1])
        return loss

    def extra_state(self) -> dict[str, JSON]:
        """Nothing: the network is all there is."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Nothing to put back."""
