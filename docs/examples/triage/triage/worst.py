"""A desk that never gets its tickets is not made up for by three that do."""

from torch import Tensor

from aidn_pipeline import component


@component("metric", "worst_recall", mode="max")
def worst_recall(outputs: Tensor, targets: Tensor) -> float:
    """Least recall of the classes, in [0, 1]."""
    predicted = outputs.argmax(dim=-1)
    return min(float((predicted[targets == c] == c).double().mean()) for c in targets.unique())
