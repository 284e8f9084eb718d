"""Training as a stage: a data set in, two checkpoints and the best epoch's metrics out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aidn_pipeline.core.artifact import Checkpoint, Dataset, Metrics, Params
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.stage import Stage, StageContext, port
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.training.fit import TrainingData, fit
from aidn_pipeline.training.trainer import Trainer

GOLDEN = 8
"""Held-out examples whose outputs travel with the model."""
GOLDEN_NUMBERS = 65_536
"""Numbers that they are made of, at most; one example travels always."""


@dataclass(frozen=True)
class TrainInputs:
    """A split data set; params are written into the trainer before the stage is fingerprinted."""

    dataset: Dataset
    params: Params | None = port(into="trainer")


@dataclass(frozen=True)
class TrainOutputs:
    """`best` holds the weights of the best epoch, `last` the whole state at the end."""

    best: Checkpoint
    last: Checkpoint
    metrics: Metrics


@component("stage", "train")
@dataclass(frozen=True, kw_only=True)
class Train(Stage[TrainInputs, TrainOutputs]):
    """Trains a model; continues in the middle of an epoch after a kill.

    Attributes:
        trainer: model, optimiser, epochs and everything else of the training.
    """

    seeded = False
    trainer: Trainer = setting(group="trainer")

    def run(self, inputs: TrainInputs, ctx: StageContext) -> TrainOutputs:
        """Trains to the end.

        Raises:
            DataError: if the data set is not split or a feature is no number.
            StageFailed: if the loss stops being finite.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        held_out = next((s for s in ("test", "validation", "train") if s in view.splits), "train")
        data = TrainingData(
            dataset=inputs.dataset.digest,
            signature=view.signature,
            preprocess=view.preprocess,
            train=tensors(view, "train"),
            validation=tensors(view, "validation") if "validation" in view.splits else None,
            golden=golden(tensors(view, held_out, limit=GOLDEN)[0]),
        )
        fitted = fit(self.trainer, data, ctx)
        return TrainOutputs(fitted.best, fitted.last, ctx.save(Metrics, dict(fitted.metrics)))


def tensors(view: DatasetView, split: str, *, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """Raw features and targets of a split, or of its first `limit` rows."""
    features, targets = view.arrays(split, limit=limit)
    return torch.from_numpy(features), torch.from_numpy(targets)


def golden(features: Tensor) -> Tensor:
    """The first few raw examples, fewer of large ones."""
    return features[: max(1, min(GOLDEN, GOLDEN_NUMBERS // max(1, features[:1].numel())))]
