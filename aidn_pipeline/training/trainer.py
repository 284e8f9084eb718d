"""The trainer's settings: everything a training run is told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from aidn_pipeline.core.component import Factory, check_ranges, component, setting
from aidn_pipeline.core.objective import check_objective
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import WrongType
from aidn_pipeline.training.early_stop import EarlyStop
from aidn_pipeline.training.losses import binary_cross_entropy, cross_entropy, mse
from aidn_pipeline.training.metrics import accuracy, mae, rmse
from aidn_pipeline.training.policy import CheckpointPolicy
from aidn_pipeline.training.schedules import Constant

LOSSES = {
    "multiclass": Factory("loss", "cross_entropy", cross_entropy, {}),
    "binary": Factory("loss", "binary_cross_entropy", binary_cross_entropy, {}),
    "regression": Factory("loss", "mse", mse, {}),
}
ACCURACY = {"accuracy": Factory("metric", "accuracy", accuracy, {})}
METRICS: dict[str, Mapping[str, Factory]] = {
    "multiclass": ACCURACY,
    "binary": ACCURACY,
    "regression": {
        "mae": Factory("metric", "mae", mae, {}),
        "rmse": Factory("metric", "rmse", rmse, {}),
    },
}


@component("trainer", "trainer", packages=("torch",))
@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Trains one model on the training split and judges it on the validation split each epoch.

    Equal settings, data and thread count on the same kind of machine give the same bytes, with any
    number of interruptions between.

    Attributes:
        model: the network.
        optimizer: any torch optimiser by its usual name.
        lr_scheduler: moves the learning rate; null keeps it.
        loss: what is minimised; null takes the task's usual one.
        metrics: judged on the validation split by name; null takes the task's usual ones.
        monitor: `metric` and `mode` (min or max) that pick the best epoch and stop early.
        augment: changes training inputs, keyed by (seed, epoch, example); null for none.
        epochs: passes over the training split; more continue from a shorter result.
        limit_batches: take only the first so many micro-batches of each split; 0 takes all rows.
        batch_size: examples in a micro-batch.
        accumulate: micro-batches in an optimiser step.
        clip: largest norm of the gradient; 0 leaves it.
        early_stop: ends training when nothing gets better; null trains to the end.
        seed: of initial weights, order, dropout and augmentation.
        threads: of torch on the CPU; another number gives other bytes.
        deterministic: refuse operations whose result varies from run to run.
        device: `auto` takes a GPU where there is one; else `cpu`, `cuda`, `cuda:1`.
        checkpoint: when to save; never changes a result.
    """

    model: Any = setting(group="model")
    optimizer: Any = setting(group="optimizer")
    lr_scheduler: Any | None = setting(default_factory=Constant, group="lr_scheduler")
    loss: Any | None = setting(None, group="loss")
    metrics: Mapping[str, Any] | None = setting(None, group="metric")
    monitor: Mapping[str, str] = setting(
        default_factory=lambda: {"metric": "val_loss", "mode": "min"}
    )
    augment: Any | None = setting(None, group="augmentation")
    epochs: int = setting(20, extends=True, least=1, smoke=1)
    limit_batches: int = setting(0, since=2, least=0, smoke=2)
    batch_size: int = setting(32, least=1)
    accumulate: int = setting(1, least=1)
    clip: float = setting(0.0, least=0)
    early_stop: EarlyStop | None = setting(None, group="early_stop")
    seed: int = 0
    threads: int = setting(1, least=1)
    deterministic: bool = True
    device: str = setting("auto", semantic=False)
    checkpoint: CheckpointPolicy = setting(
        default_factory=CheckpointPolicy, group="checkpoint", semantic=False
    )

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            WrongType: if a number is out of its range or `monitor` is incomplete.
        """
        check_ranges(self)
        check_objective(self.monitor, where="monitor")

    def loss_for(self, signature: Signature) -> Factory:
        """The loss, or the task's usual one."""
        found: Factory = self.loss if self.loss is not None else LOSSES[signature.task]
        return found

    def metrics_for(self, signature: Signature) -> Mapping[str, Factory]:
        """The metrics, or the task's usual ones."""
        return METRICS[signature.task] if self.metrics is None else self.metrics


def resolve_device(name: str, *, deterministic: bool) -> torch.device:
    """The device that a name means here.

    Raises:
        WrongType: if this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device("cpu")
    try:
        device = torch.device(name)
        usable = device.type == "cpu" or (
            device.type == "cuda" and (device.index or 0) < torch.cuda.device_count()
        )
    except RuntimeError:
        usable = False
    if not usable:
        raise WrongType(
            f"this machine has no device {name!r}",
            where="trainer.device",
            remedy="write `trainer.device=auto` or `trainer.device=cpu`",
        )
    if device.type == "cuda" and deterministic:
        # cuBLAS reads it when its first handle is made; without it torch refuses to multiply.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return device
