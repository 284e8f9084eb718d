"""A small convolutional network for images."""

from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError
from aidn_pipeline.training.models.units import TargetUnits, refuse_texts


@component("model", "cnn", version=2)
class CNN(nn.Module):
    """Blocks of convolution, batch norm, ReLU and 2x2 pooling, then the mean over the image.

    Each block doubles the channels and halves the image.
    """

    def __init__(
        self, signature: Signature, *, channels: int = 16, blocks: int = 2, dropout: float = 0.0
    ) -> None:
        """Builds the blocks.

        Args:
            signature: of the data; its shape is (channels, height, width).
            channels: of the first block.
            blocks: number of blocks.
            dropout: share of the features before the head that are dropped, in [0, 1).

        Raises:
            DataError: if the data is no images, or they are too small for the blocks.
        """
        super().__init__()
        refuse_texts(signature, "cnn")
        if len(signature.shape) != 3 or min(signature.shape[1:]) < 2**blocks:
            raise DataError(
                f"examples of shape {list(signature.shape)} are no images for {blocks} blocks",
                where="model",
                remedy=f"use (channels, height, width) of at least {2**blocks} pixels a side, "
                "fewer blocks, or model=mlp",
            )
        width = signature.shape[0]
        parts: list[nn.Module] = []
        for block in range(blocks):
            wider = channels * 2**block
            parts += [
                nn.Conv2d(width, wider, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(wider),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            width = wider
        self.features = nn.Sequential(*parts)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, signature.outputs)
        regression = signature.task == "regression"
        self.units = TargetUnits(signature) if regression else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Logits or values (batch, outputs), from images (batch, channels, height, width)."""
        pooled = self.features(images).mean(dim=(-2, -1))
        found: Tensor = self.units(self.head(self.dropout(pooled)))
        return found
