"""The optimiser and its learning-rate schedule: built from components, stored by parameter name."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from aidn_pipeline.core.component import Factory
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.training.schedules import Constant, Schedule

PREFIX = "opt/"
UNBOUNDED = ("inf", "-inf", "nan")


def build_optimizer(factory: Factory, groups: Sequence[Mapping[str, Any]]) -> Optimizer:
    """The optimiser over named groups.

    Where a recipe leaves `fused` open and the class has it, the fused kernel is taken: one call for
    all parameters instead of a dozen for each (0.65x the time of a step of a small network).
    """
    chosen = factory.arguments
    settable = "fused" in inspect.signature(factory.target).parameters
    open_choice = not any(
        chosen.get(k) for k in ("foreach", "fused", "differentiable", "capturable")
    )
    more = {"fused": True} if settable and open_choice and chosen.get("fused") is None else {}
    arguments = {k: v for k, v in chosen.items() if k not in more}
    params = [{**group, "params": list(group["params"].values())} for group in groups]
    optimizer: Optimizer = factory.target(params, **arguments, **more)
    return optimizer


def names_of(groups: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Parameter names of each group, in the optimiser's order."""
    return [list(group["params"]) for group in groups]


def optimizer_state(
    optimizer: Optimizer, names: Sequence[Sequence[str]]
) -> tuple[dict[str, Tensor], dict[str, JSON]]:
    """Tensors named `opt/<parameter>/<key>`, and the groups' settings as JSON."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, JSON] = {}
    groups: list[JSON] = []
    for group, group_names in zip(optimizer.param_groups, names, strict=True):
        settings = {k: _plain(v) for k, v in group.items() if k != "params"}
        groups.append({"params": list(group_names), **settings})
        for name, parameter in zip(group_names, group["params"], strict=True):
            for key, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"{PREFIX}{name}/{key}"] = value
                else:
                    plain[f"{name}/{key}"] = _plain(value)
    return tensors, {"type": type(optimizer).__qualname__, "groups": groups, "values": plain}


def load_optimizer(
    optimizer: Optimizer,
    names: Sequence[Sequence[str]],
    tensors: Mapping[str, Tensor],
    plain: Mapping[str, Any],
) -> None:
    """Puts back what `optimizer_state` gave, by parameter name.

    Raises:
        CorruptObject: if the type, the names, a shape or a dtype differ from what was saved:
            moments of another parameter would be loaded without a word otherwise.
    """
    saved = [group["params"] for group in plain["groups"]]
    if plain["type"] != type(optimizer).__qualname__ or saved != [list(n) for n in names]:
        raise _foreign(f"its optimiser is {plain['type']} over {sum(map(len, saved))} parameters")
    for group, group_names, settings in zip(
        optimizer.param_groups, names, plain["groups"], strict=True
    ):
        for key, value in settings.items():
            if key != "params":
                group[key] = tuple(value) if isinstance(group.get(key), tuple) else value
        for name, parameter in zip(group_names, group["params"], strict=True):
            start = f"{PREFIX}{name}/"
            state: dict[str, Any] = {
                key.removeprefix(start): _placed(key, value, parameter)
                for key, value in tensors.items()
                if key.startswith(start) and "/" not in key.removeprefix(start)
            }
            for key, value in plain["values"].items():
                owner, _, entry = key.rpartition("/")
                if owner == name:
                    state[entry] = value
            if state:
                optimizer.state[parameter] = state


def _placed(key: str, value: Tensor, parameter: nn.Parameter) -> Tensor:
    if value.ndim and value.shape != parameter.shape:
        raise _foreign(
            f"{key} has shape {tuple(value.shape)}, the parameter {tuple(parameter.shape)}"
        )
    # A step counter is a scalar that stays where the optimiser wants it: with its parameter for
    # the fused kernels, which is also where the others accept it.
    return value.to(parameter.device) if value.ndim or parameter.is_cuda else value


def _plain(value: Any) -> JSON:
    if isinstance(value, Tensor):
        number: JSON = value.item()
        return number
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def _foreign(problem: str) -> CorruptObject:
    return CorruptObject(
        f"the checkpoint does not fit this training: {problem}",
        where="checkpoint.json",
        remedy="run the stage again with `--force`; nothing of the checkpoint is used",
    )


class Rates:
    """The learning rates of the groups, moved once an optimiser step or once an epoch.

    Attributes:
        advance: sets the rates for an optimiser step; None if they do not change by step.
    """

    def __init__(self, schedule: Schedule | Factory | None, optimizer: Optimizer) -> None:
        self._groups = optimizer.param_groups
        self._torch: LRScheduler | None = None
        self._schedule: Schedule | None = None
        self.advance: Callable[[int], None] | None = None
        self.total = 0
        if isinstance(schedule, Factory):
            self._torch = schedule.target(optimizer, **schedule.arguments)
        elif schedule is not None and schedule != Constant():
            self._schedule = schedule
            self._bases = [group["lr"] for group in self._groups]
            self.advance = self._set

    def _set(self, step: int) -> None:
        assert self._schedule is not None
        factor = self._schedule.factor(step, self.total)
        for group, base in zip(self._groups, self._bases, strict=True):
            group["lr"] = base * factor

    def epoch_done(self, monitored: float) -> None:
        """Moves torch's schedules, which count in epochs."""
        if isinstance(self._torch, ReduceLROnPlateau):
            self._torch.step(monitored)
        elif self._torch is not None:
            self._torch.step()

    def state(self) -> dict[str, JSON]:
        """Counters of torch's schedule; what is configured is built anew from the recipe."""
        if self._torch is None:
            return {}
        return {k: _text(v) for k, v in self._torch.state_dict().items() if _is_json(v)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` gave."""
        if self._torch is not None:
            counters = {k: float(v) if v in UNBOUNDED else v for k, v in state.items()}
            self._torch.load_state_dict({**self._torch.state_dict(), **counters})

    @property
    def lr(self) -> float:
        """The first group's rate."""
        rate = self._groups[0]["lr"]
        return float(rate.item() if isinstance(rate, torch.Tensor) else rate)


def _text(value: Any) -> JSON:
    # JSON has no infinity; a plateau starts from one.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_json(v) for v in value)
    return value is None or isinstance(value, (bool, int, float, str))
