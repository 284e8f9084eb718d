"""The whole state of a training run, to and from the files of a checkpoint.

`state.safetensors`: `<module>/<name>` parameters and buffers (the served network's module is
`model`), `opt/<module>/<name>/<key>` moments, `best/<name>` the network at its best epoch,
`rng/...` generators, `loop/losses` of the unfinished epoch. `checkpoint.json`: everything else.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from aidn_pipeline.core.fingerprint import JSON, canonical_json
from aidn_pipeline.errors import CorruptObject, StageFailed
from aidn_pipeline.training import randomness
from aidn_pipeline.training.early_stop import Patience
from aidn_pipeline.training.inference import (
    FORMAT,
    MODEL,
    all_tensors,
    load_tensors,
    read_description,
)
from aidn_pipeline.training.loop import Loop
from aidn_pipeline.training.optimizer import Rates, load_optimizer, names_of, optimizer_state
from aidn_pipeline.training.step import Step
from aidn_pipeline.training.tensorfile import read_tensors, tensor_blocks

BEST = "best/"
LOSSES = "loop/losses"


@dataclass(slots=True)
class Best:
    """The best epoch so far.

    Attributes:
        tensors: of the served network, on the CPU; empty before the first.
        value: the monitored one.
        metrics: all of that epoch, with `epoch` counted from 1.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    value: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class TrainState:
    """Everything that changes while training, in one place.

    Attributes:
        step: holds the modules.
        optimizer: over the step's parameter groups.
        rates: of the optimiser.
        loop: holds the position and the losses of the unfinished epoch.
        device: where it runs.
        dataset: id of the data set.
        seed: of the training.
        best: the best epoch so far.
        patience: of early stopping.
        stopped: whether early stopping ended it.
    """

    step: Step
    optimizer: Optimizer
    rates: Rates
    loop: Loop
    device: torch.device
    dataset: str
    seed: int
    best: Best = field(default_factory=Best)
    patience: Patience = field(default_factory=Patience)
    stopped: bool = False


def environment(device: torch.device, *, threads: int, deterministic: bool) -> dict[str, JSON]:
    """What must be equal for a resume to be exact to the byte."""
    cuda = device.type == "cuda"
    return {
        "torch": torch.__version__.partition("+")[0],
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "threads": threads,
        "deterministic": deterministic,
        "matmul": torch.get_float32_matmul_precision(),
    }


def state_files(
    state: TrainState, head: Mapping[str, JSON], env: Mapping[str, JSON]
) -> dict[str, list[bytes | memoryview]]:
    """The files of a checkpoint; write them before the next step: blocks alias the live tensors.

    Args:
        state: at the boundary of an optimiser step.
        head: what inference needs: model, signature, preprocessing.
        env: what `environment` gave.

    Raises:
        StageFailed: if a loss of the unfinished epoch is not finite, or a module keeps state
            outside its parameters and buffers.
    """
    losses = state.loop.read_losses()
    tensors: dict[str, Tensor] = {}
    for key, module in state.step.modules().items():
        for name in module.state_dict():
            if name.endswith("_extra_state"):
                raise StageFailed(
                    f"module {name.removesuffix('_extra_state') or key} keeps extra state, which a "
                    "checkpoint of tensors cannot hold",
                    where=f"trainer.{key}",
                    remedy="keep it in a buffer (`register_buffer`)",
                )
        tensors |= {f"{key}/{name}": tensor for name, tensor in all_tensors(module).items()}
    moments, optimizer = optimizer_state(state.optimizer, names_of(state.step.param_groups()))
    generators, rng = randomness.capture(state.device)
    tensors |= moments | generators
    tensors |= {BEST + name: tensor for name, tensor in state.best.tensors.items()}
    if len(losses):
        tensors[LOSSES] = losses
    position = state.loop.position
    description: dict[str, Any] = {
        **head,
        "format": FORMAT,
        "position": {
            "seed": state.seed,
            "dataset": state.dataset,
            "epoch": position.epoch,
            "batch": position.batch,
            "step": position.step,
        },
        "optimizer": optimizer,
        "lr_scheduler": state.rates.state(),
        "early_stop": {
            "best": state.patience.best,
            "waited": state.patience.waited,
            "stopped": state.stopped,
        },
        "best": {"value": state.best.value, "metrics": dict(state.best.metrics)},
        "extra": state.step.extra_state(),
        "rng": rng,
        "environment": dict(env),
    }
    return {
        "checkpoint.json": [canonical_json(description)],
        "state.safetensors": tensor_blocks(tensors),
    }


def restore_state(state: TrainState, files: Mapping[str, Path]) -> None:
    """Puts a checkpoint's state into freshly built objects.

    Generators come last, because building draws numbers.

    Raises:
        CorruptObject: if it does not fit this training. `state` is unusable then: build it anew.
    """
    description = read_description(files["checkpoint.json"])
    path = files["state.safetensors"]
    tensors = read_tensors(path)
    try:
        _restore(state, description, tensors, str(path))
    except (KeyError, TypeError, RuntimeError) as error:
        raise CorruptObject(
            f"the checkpoint lacks {error}",
            where=str(path),
            remedy="an earlier one is used instead",
        ) from error


def _restore(
    state: TrainState, description: Mapping[str, Any], tensors: Mapping[str, Tensor], where: str
) -> None:
    where_from = description["position"]
    if where_from["dataset"] != state.dataset or where_from["seed"] != state.seed:
        raise CorruptObject("the checkpoint was made with other data or another seed", where=where)
    for key, module in state.step.modules().items():
        start = f"{key}/"
        own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
        load_tensors(module, own, where)
    names = names_of(state.step.param_groups())
    load_optimizer(state.optimizer, names, tensors, description["optimizer"])
    state.rates.load(description["lr_scheduler"])
    state.step.load_extra_state(description["extra"])
    position = state.loop.position
    position.epoch, position.batch = where_from["epoch"], where_from["batch"]
    position.step = where_from["step"]
    losses = tensors.get(LOSSES, torch.empty(0)).to(state.device)
    state.loop.losses = list(losses.unbind())
    stopping, best = description["early_stop"], description["best"]
    state.patience = Patience(stopping["best"], stopping["waited"])
    state.stopped = stopping["stopped"]
    weights = {n.removeprefix(BEST): t for n, t in tensors.items() if n.startswith(BEST)}
    state.best = Best(weights, best["value"], dict(best["metrics"]))
    randomness.restore(tensors, description["rng"], state.device)


def best_files(state: TrainState, head: Mapping[str, JSON]) -> dict[str, bytes]:
    """The files of a checkpoint for inference: the network at its best epoch and nothing else."""
    tensors = {MODEL + name: tensor for name, tensor in state.best.tensors.items()}
    return {
        "checkpoint.json": canonical_json({**head, "format": FORMAT}),
        "state.safetensors": b"".join(tensor_blocks(tensors)),
    }
