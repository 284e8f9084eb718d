"""Losses: functions `(outputs, targets) -> scalar`, the mean over the batch."""

from torch import Tensor
from torch.nn import functional

from aidn_pipeline.core.component import component


@component("loss", "cross_entropy")
def cross_entropy(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy of a multi-class head, in nats.

    Args:
        outputs: logits, shape (batch, classes).
        targets: int64 class indices, shape (batch,).
        label_smoothing: share of the target that is spread over all classes, in [0, 1].
    """
    return functional.cross_entropy(outputs, targets, label_smoothing=label_smoothing)


@component("loss", "binary_cross_entropy")
def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of a binary head, in nats.

    Args:
        outputs: logits, shape (batch, 1).
        targets: float 0 or 1, shape (batch,).
    """
    return functional.binary_cross_entropy_with_logits(outputs.squeeze(-1), targets)


@component("loss", "mse")
def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error.

    Args:
        outputs: shape (batch, k).
        targets: shape (batch, k).
    """
    return functional.mse_loss(outputs, targets)


@component("loss", "huber")
def huber(outputs: Tensor, targets: Tensor, *, delta: float = 1.0) -> Tensor:
    """Squared error up to `delta`, absolute beyond: less moved by outliers than `mse`.

    Args:
        outputs: shape (batch, k).
        targets: shape (batch, k).
        delta: where the two meet, in units of the target.

    Source: P. J. Huber, "Robust estimation of a location parameter" (1964).
    """
    return functional.huber_loss(outputs, targets, delta=delta)
