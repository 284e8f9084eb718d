"""What a model's outputs on a whole split are worth: numbers, tables, probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.signature import Signature, Task
from aidn_pipeline.training.metrics import accuracy, class_scores, confusion, mae, r2, rmse


def usual_metrics(task: Task, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Accuracy, precision, recall and F1 (means over the classes), or errors of a regression."""
    if task == "regression":
        return {
            "mae": mae(outputs, targets),
            "rmse": rmse(outputs, targets),
            "r2": r2(outputs, targets),
        }
    means = [float(s.mean()) for s in class_scores(confusion(outputs, targets))]
    names = ("precision_macro", "recall_macro", "f1_macro")
    return {"accuracy": accuracy(outputs, targets), **dict(zip(names, means, strict=True))}


def baseline_metrics(signature: Signature, targets: Tensor) -> dict[str, float]:
    """What one answer for every row reaches: the commonest class, or the mean, of training.

    Args:
        signature: of the data the model was trained on.
        targets: of the rows that are judged.
    """
    if signature.task == "regression":
        constant = torch.full_like(targets, signature.target_center)
        return {
            "baseline_mae": mae(constant, targets),
            "baseline_rmse": rmse(constant, targets),
        }
    commonest = max(range(len(signature.counts)), key=lambda i: signature.counts[i])
    return {"baseline_accuracy": float((targets == commonest).double().mean())}


def confusion_matrix(outputs: Tensor, targets: Tensor) -> list[list[int]]:
    """Counts: row true class, column predicted class."""
    counts: list[list[int]] = confusion(outputs, targets).tolist()
    return counts


def scores(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> list[JSON]:
    """Precision, recall, F1 and number of examples of each class."""
    matrix = torch.tensor(counts)
    columns = [column.tolist() for column in class_scores(matrix)]
    support = matrix.sum(dim=1).tolist()
    return [
        {"class": name, "precision": p, "recall": r, "f1": f, "rows": n}
        for name, p, r, f, n in zip(classes, *columns, support, strict=True)
    ]


def probabilities(outputs: Tensor) -> Tensor:
    """Shares of each class, shape (n, classes), rows sum to 1; from either kind of head."""
    if outputs.shape[-1] == 1:
        positive = torch.sigmoid(outputs)
        return torch.cat([1 - positive, positive], dim=-1)
    return torch.softmax(outputs, dim=-1)
