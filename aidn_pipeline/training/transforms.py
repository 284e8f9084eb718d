"""Transforms: torch modules from raw features to the model's input.

They travel with a checkpoint and a bundle as descriptions, so that what serves a model cannot
forget them.
"""

import torch
from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.errors import WrongType


@component("transform", "rescale")
class Rescale(nn.Module):
    """Divides features by a constant."""

    def __init__(self, *, divisor: float = 1.0, offset: float = 0.0) -> None:
        """Checks the divisor.

        Args:
            divisor: what a feature is divided by; not 0.
            offset: subtracted before the division.

        Raises:
            WrongType: if `divisor` is 0.
        """
        super().__init__()
        if divisor == 0:
            raise WrongType(
                "cannot divide by 0",
                where="transform.divisor",
                remedy="use 1 to leave features as they are",
            )
        self.divisor = divisor
        self.offset = offset

    def forward(self, rows: Tensor) -> Tensor:
        """(rows - offset) / divisor, element by element."""
        return (rows - self.offset) / self.divisor


@component("transform", "normalize")
class Normalize(nn.Module):
    """Moves each channel of an image to mean 0 and deviation 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, *, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()) -> None:
        """Takes one of each for every channel.

        Args:
            mean: subtracted from a channel.
            std: what it is then divided by; not 0.

        Raises:
            WrongType: if the lengths differ or a deviation is 0.
        """
        super().__init__()
        if len(mean) != len(std) or 0 in std:
            raise WrongType(
                "mean and std have an entry for each channel; no std is 0",
                where="transform.normalize",
                remedy="leave it to the `normalize` stage, which fits them",
            )
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(images - mean) / std, channel by channel; shape (batch, channels, height, width)."""
        return (images - self.mean) / self.std


@component("transform", "tabular", version=2)
class Tabular(nn.Module):
    """Standardises numbers; they come first, then the codes of categories.

    What a model makes of the codes is its own affair: they become one-hot numbers for one that
    takes a single tensor, integers for one that asks for `categories`.
    """

    numbers: Tensor
    coded: Tensor
    center: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        center: tuple[float, ...] = (),
        scale: tuple[float, ...] = (),
        categories: tuple[int, ...] = (),
    ) -> None:
        """Takes one entry of each for every number of a raw row.

        Args:
            center: subtracted from a number.
            scale: what a number is then divided by; not 0.
            categories: how many categories the number is a code of, 0 for a number as it is. Code 0
                is none of them, k is the k-th.

        Raises:
            WrongType: if the lengths differ or a scale is 0.
        """
        super().__init__()
        if not len(center) == len(scale) == len(categories) or 0 in scale:
            raise WrongType(
                "center, scale and categories have an entry for each number; no scale is 0",
                where="transform.tabular",
                remedy="leave it to the `prepare` stage, which fits them",
            )
        numbers = [i for i, count in enumerate(categories) if not count]
        coded = [i for i, count in enumerate(categories) if count]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.int64))
        self.register_buffer("coded", torch.tensor(coded, dtype=torch.int64))
        self.register_buffer("center", torch.tensor([center[i] for i in numbers]))
        self.register_buffer("scale", torch.tensor([scale[i] for i in numbers]))

    def forward(self, rows: Tensor) -> Tensor:
        """Numbers and codes (batch, columns) from raw rows (batch, columns)."""
        scaled = (rows[:, self.numbers] - self.center) / self.scale
        return torch.cat([scaled, rows[:, self.coded]], dim=1)
