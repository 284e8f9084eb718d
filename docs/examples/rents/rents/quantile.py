"""A quantile instead of the mean: the loss that finds it, and the metric that checks it."""

import torch
from torch import Tensor

from aidn_pipeline import component


@component("loss", "pinball")
def pinball(outputs: Tensor, targets: Tensor, *, quantile: float = 0.9) -> Tensor:
    """Pinball loss: least where a share `quantile` of the targets lies below the output.

    Args:
        outputs: shape (batch, 1).
        targets: of the same shape.
        quantile: in (0, 1); 0.5 gives the median.

    Source: R. Koenker, G. Bassett, "Regression Quantiles" (1978).
    """
    miss = targets - outputs
    return torch.maximum(quantile * miss, (quantile - 1) * miss).mean()


@component("metric", "coverage", mode="max")
def coverage(outputs: Tensor, targets: Tensor) -> float:
    """Share of the targets that are not above the output, in [0, 1]."""
    return float((targets <= outputs).double().mean())
