"""Metrics: functions of a whole split's outputs and targets; `mode` says what is better."""

import torch
from torch import Tensor
from torch.nn import functional

from aidn_pipeline.core.component import component
from aidn_pipeline.errors import DataError


def predicted(outputs: Tensor) -> Tensor:
    """int64 classes, shape (n,), from logits of shape (n, classes), or (n, 1) of a binary head."""
    if outputs.shape[-1] == 1:
        return (outputs.squeeze(-1) > 0).to(torch.int64)
    return outputs.argmax(dim=-1)


def confusion(outputs: Tensor, targets: Tensor) -> Tensor:
    """Counts, int64, shape (classes, classes): row true class, column predicted class."""
    classes = max(outputs.shape[-1], 2)
    pairs = targets.to(torch.int64) * classes + predicted(outputs)
    return torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _classes_only(targets: Tensor) -> None:
    if targets.ndim != 1:
        raise DataError(
            "accuracy and f1 are for classes, the task is a regression",
            where="trainer.metrics",
            remedy="use `mae`, `rmse` or `r2`",
        )


@component("metric", "accuracy", mode="max")
def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Share of examples whose class is predicted right, in [0, 1].

    Args:
        outputs: logits, shape (n, classes), or (n, 1) for a binary head.
        targets: classes, shape (n,).

    Raises:
        DataError: if the task is a regression.
    """
    _classes_only(targets)
    return float((predicted(outputs) == targets).double().mean())


@component("metric", "top_k", mode="max")
def top_k(outputs: Tensor, targets: Tensor, *, k: int = 5) -> float:
    """Share of examples whose class is among the `k` largest logits, in [0, 1].

    Args:
        outputs: logits, shape (n, classes).
        targets: classes, shape (n,).
        k: candidates for each example.
    """
    _classes_only(targets)
    best = outputs.topk(min(k, outputs.shape[-1]), dim=-1).indices
    return float((best == targets[:, None]).any(dim=-1).double().mean())


def class_scores(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Precision, recall and F1 of each class, float64; 0 where a class is absent.

    Args:
        counts: what `confusion` gives.
    """
    right = counts.diagonal().double()
    precision = right / counts.sum(dim=0).clamp(min=1)
    recall = right / counts.sum(dim=1).clamp(min=1)
    f1 = 2 * right / (counts.sum(dim=0) + counts.sum(dim=1)).clamp(min=1)
    return precision, recall, f1


@component("metric", "f1", mode="max")
def f1(outputs: Tensor, targets: Tensor) -> float:
    """F1 in [0, 1], the plain mean over the classes (macro).

    Args:
        outputs: logits, shape (n, classes), or (n, 1) for a binary head.
        targets: classes, shape (n,).

    Source: C. J. van Rijsbergen, "Information Retrieval" (1979), chapter 7.
    """
    _classes_only(targets)
    return float(class_scores(confusion(outputs, targets))[2].mean())


@component("metric", "mae", mode="min")
def mae(outputs: Tensor, targets: Tensor) -> float:
    """Mean absolute error, in units of the target.

    Args:
        outputs: shape (n, k).
        targets: shape (n, k).
    """
    return float(functional.l1_loss(outputs.double(), targets.double()))


@component("metric", "rmse", mode="min")
def rmse(outputs: Tensor, targets: Tensor) -> float:
    """Root of the mean squared error, in units of the target.

    Args:
        outputs: shape (n, k).
        targets: shape (n, k).
    """
    return float(functional.mse_loss(outputs.double(), targets.double()).sqrt())


@component("metric", "r2", mode="max")
def r2(outputs: Tensor, targets: Tensor) -> float:
    """Share of the variance that is explained; 1 is perfect, 0 as good as the mean.

    Args:
        outputs: shape (n, k).
        targets: shape (n, k).
    """
    wanted = targets.double()
    residual = ((outputs.double() - wanted) ** 2).sum()
    spread = ((wanted - wanted.mean(dim=0)) ** 2).sum()
    return float(1 - residual / spread.clamp(min=torch.finfo(torch.float64).tiny))
