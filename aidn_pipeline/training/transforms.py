"""Transforms: torch modules from raw features to the model's input.

They travel with a checkpoint and a bundle as descriptions, so that what serves a model cannot
forget them.
"""

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
