"""A checkpoint judged on one split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from aidn_pipeline.core.artifact import Checkpoint, Dataset, Metrics, Report
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.errors import DataError, StageFailed
from aidn_pipeline.training.inference import Trained, open_trained
from aidn_pipeline.training.judging import (
    baseline_metrics,
    confusion_matrix,
    probabilities,
    scores,
    usual_metrics,
)
from aidn_pipeline.training.loop import finite
from aidn_pipeline.training.step import bound
from aidn_pipeline.training.trainer import LOSSES

INPUTS = ("task", "features", "shape", "dtype", "classes", "columns", "text", "image")
"""What of a signature decides on a model's inputs and on what its outputs mean."""


@dataclass(frozen=True)
class EvaluateInputs:
    """A split data set and the checkpoint of a model."""

    dataset: Dataset
    checkpoint: Checkpoint


@dataclass(frozen=True)
class EvaluateOutputs:
    """Numbers, the tables behind them, and every prediction."""

    metrics: Metrics
    report: Report
    predictions: Report


@component("stage", "evaluate", version=3, packages=("torch",))
@dataclass(frozen=True, kw_only=True)
class Evaluate(Stage[EvaluateInputs, EvaluateOutputs]):
    """Judges a model on rows it was not trained on.

    Beside the task's usual metrics stand those of a baseline that gives every row one answer, the
    commonest class or the mean of training: a model that does no better has learned nothing.

    Attributes:
        split: the rows.
        metrics: more of them by name, beside the task's usual ones.
        threads: of torch on the CPU.
    """

    seeded = False
    split: str = "test"
    metrics: Mapping[str, Any] = setting(default_factory=dict, group="metric")
    threads: int = 1

    def run(self, inputs: EvaluateInputs, ctx: StageContext) -> EvaluateOutputs:
        """Predicts every row of the split on the CPU.

        Raises:
            DataError: if there is no such split, it is empty, or its features or classes are not
                those the model was trained on.
            CorruptObject: if the checkpoint is damaged.
            StageFailed: if a metric is not a finite number.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        trained = open_trained(ctx.files(inputs.checkpoint), ctx.index)
        check_same_data(view.signature, trained.signature, self.split)
        features, targets = (torch.from_numpy(a) for a in view.arrays(self.split))
        if len(features) == 0:
            raise DataError(f"split {self.split!r} is empty", where="evaluate.split")
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            outputs = trained.outputs(features)
        finally:
            torch.set_num_threads(before)
        judged = Judged(trained, outputs, targets)
        more = {name: bound(m, trained.signature) for name, m in self.metrics.items()}
        values = judged.values | {name: float(m(outputs, targets)) for name, m in more.items()}
        if wrong := sorted(values.keys() - finite(values).keys()):
            raise StageFailed(
                f"{', '.join(wrong)} on split {self.split!r} is not a finite number",
                where="evaluate",
                remedy="look at the features of the split; they may lie far outside the training's",
            )
        return EvaluateOutputs(
            metrics=ctx.save(Metrics, values),
            report=ctx.save(Report, {"split": self.split, "metrics": values, **judged.tables}),
            predictions=ctx.save(Report, judged.predictions),
        )


@dataclass(frozen=True)
class Judged:
    """Outputs against targets: numbers, tables, predictions.

    Attributes:
        trained: the model.
        outputs: shape (n, outputs).
        targets: of the same rows.
    """

    trained: Trained
    outputs: Tensor
    targets: Tensor
    values: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Computes the usual metrics of the task once."""
        signature = self.trained.signature
        loss = bound(LOSSES[signature.task], signature)
        values = {
            "loss": float(loss(self.outputs, self.targets)),
            **usual_metrics(signature.task, self.outputs, self.targets),
            **baseline_metrics(signature, self.targets),
        }
        object.__setattr__(self, "values", values)

    @property
    def tables(self) -> dict[str, JSON]:
        """Confusion matrix (row true class, column predicted) and figures of each class."""
        signature = self.trained.signature
        facts: dict[str, JSON] = {"rows": len(self.targets), "task": signature.task}
        if signature.task == "regression":
            return facts
        counts = confusion_matrix(self.outputs, self.targets)
        facts["classes"] = list(signature.classes)
        facts["confusion"] = counts
        facts["per_class"] = scores(counts, signature.classes)
        return facts

    @property
    def predictions(self) -> dict[str, JSON]:
        """For each row the target and the prediction; for classes their probabilities too."""
        signature = self.trained.signature
        if signature.task == "regression":
            return {"targets": self.targets.tolist(), "predicted": self.outputs.tolist()}
        shares = probabilities(self.outputs)
        return {
            "classes": list(signature.classes),
            "targets": [signature.classes[i] for i in self.targets.long().tolist()],
            "predicted": [signature.classes[i] for i in shares.argmax(dim=1).tolist()],
            "probabilities": [[round(p, 6) for p in row] for row in shares.double().tolist()],
        }


def check_same_data(found: Signature, trained: Signature, split: str) -> None:
    """Refuses data of another kind than the model was trained on.

    Raises:
        DataError: naming the first difference.
    """
    for name in INPUTS:
        if getattr(found, name) != getattr(trained, name):
            raise DataError(
                f"the model was trained with another {name} than that of split {split!r} here",
                where="evaluate.dataset",
                remedy="wire both ports to one stage: one split, one preparation",
            )
