"""Channels of images to mean 0 and deviation 1, fitted on the training images alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.component import component
from aidn_pipeline.core.events import Notice
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import TRAIN, DatasetView, redescribed
from aidn_pipeline.data.labels import balance
from aidn_pipeline.errors import DataError
from aidn_pipeline.training.inference import ROWS, preprocessing


@dataclass(frozen=True)
class NormalizeInputs:
    """A split data set of images."""

    dataset: Dataset


@dataclass(frozen=True)
class NormalizeOutputs:
    """The same rows and splits; the transform rides inside and travels with the model."""

    dataset: Dataset


@component("stage", "normalize", packages=("torch",))
@dataclass(frozen=True, kw_only=True)
class NormalizeStage(Stage[NormalizeInputs, NormalizeOutputs]):
    """Moves each channel of images to mean 0 and deviation 1, as the training images have them."""

    seeded = False

    def run(self, inputs: NormalizeInputs, ctx: StageContext) -> NormalizeOutputs:
        """Fits, and says what it found.

        Raises:
            DataError: if the data set is not split or holds no images.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        if len(view.signature.shape) != 3:
            raise DataError(
                f"examples of shape {list(view.signature.shape)} are no images",
                where=f"data set {view.name}",
                remedy="remove the stage (`~stages.prepare`), or take `pipeline=tabular` for a "
                "table, `pipeline=text` for texts",
            )
        raw = torch.from_numpy(view.arrays(TRAIN)[0])
        transforms = preprocessing(ctx.index, view.preprocess)
        mean, std = moments([transforms(part) for part in torch.split(raw, ROWS)])
        signature, said = (
            view.signature,
            f"channels: mean {_listed(mean)}, deviation {_listed(std)}",
        )
        for sentence in (said, *balance(signature.classes, signature.counts)):
            ctx.emit(Notice(text=sentence))
        fitted = {"use": "normalize", "mean": mean, "std": std}
        files = redescribed(
            view, ctx.refs(inputs.dataset), {"preprocess": [*view.preprocess, fitted]}
        )
        return NormalizeOutputs(ctx.save(Dataset, files))


def moments(parts: list[Tensor]) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel; 1 for a channel that never changes.

    Args:
        parts: images, shape (n, channels, height, width).
    """
    count = sum(part[:, 0].numel() for part in parts)
    mean = torch.stack([p.double().sum(dim=(0, 2, 3)) for p in parts]).sum(dim=0) / count
    centred = [(p.double() - mean[:, None, None]) ** 2 for p in parts]
    variance = torch.stack([c.sum(dim=(0, 2, 3)) for c in centred]).sum(dim=0) / count
    std = [value or 1.0 for value in variance.sqrt().tolist()]
    return mean.tolist(), std


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
