"""Augmentations: functions of a batch and the keys of its examples."""

import torch
from torch import Tensor

from aidn_pipeline.core.component import component
from aidn_pipeline.training.keyed import Keys


@component("augmentation", "noise")
def noise(inputs: Tensor, keys: Keys, *, std: float = 0.05) -> Tensor:
    """Adds Gaussian noise to every feature.

    Args:
        inputs: preprocessed features, shape (batch, ...).
        keys: of the batch's examples.
        std: standard deviation, in units of the preprocessed features.
    """
    drawn = keys.normal(inputs[0].numel())
    return inputs + std * drawn.to(inputs.dtype).reshape(inputs.shape)


@component("augmentation", "shift")
def shift(inputs: Tensor, keys: Keys, *, pixels: int = 1) -> Tensor:
    """Moves each image by up to `pixels` in both directions; the border is filled with zeros.

    Args:
        inputs: images, shape (batch, channels, height, width).
        keys: of the batch's examples.
        pixels: the farthest move, in pixels.
    """
    batch, _, height, width = inputs.shape
    moves = (keys.uniform(2) * (2 * pixels + 1)).to(torch.int64)
    padded = torch.nn.functional.pad(inputs, (pixels, pixels, pixels, pixels))
    rows = moves[:, :1] + torch.arange(height, device=inputs.device)
    columns = moves[:, 1:] + torch.arange(width, device=inputs.device)
    examples = torch.arange(batch, device=inputs.device)
    return padded[examples[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
