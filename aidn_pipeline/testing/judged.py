"""Outputs and targets of a split, as a loss and a metric get them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from aidn_pipeline.core.signature import Signature, Task
from aidn_pipeline.testing.examples import example_signature

TASKS: Sequence[Task] = ("multiclass", "binary", "regression")
SIGNATURES: Mapping[Task, Signature] = {task: example_signature(task) for task in TASKS}
EXAMPLES = 24
SURE = 6.0
"""Logit of a class that is right beyond doubt."""


def judged(signature: Signature) -> tuple[Tensor, Tensor]:
    """Outputs (n, signature.outputs) that are neither right nor wrong, and targets.

    Targets are int64 classes (n,), float32 0 or 1 (n,) for a binary task, float32 (n, k) for a
    regression.
    """
    generator = torch.Generator().manual_seed(5)
    outputs = torch.randn(EXAMPLES, signature.outputs, generator=generator)
    if signature.task == "regression":
        return outputs, torch.randn(EXAMPLES, signature.outputs, generator=generator)
    classes = torch.arange(EXAMPLES) % max(2, len(signature.classes))
    return outputs, classes.float() if signature.task == "binary" else classes


def perfect(signature: Signature, targets: Tensor) -> Tensor:
    """Outputs that are right for every target."""
    if signature.task == "regression":
        return targets.clone()
    if signature.task == "binary":
        return ((targets * 2 - 1) * SURE)[:, None]
    return torch.nn.functional.one_hot(targets, signature.outputs).float() * SURE


def wrong(signature: Signature, targets: Tensor) -> Tensor:
    """Outputs that are wrong for every target."""
    if signature.task == "regression":
        return -3.0 * targets - 1.0
    return -perfect(signature, targets)
