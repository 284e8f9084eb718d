"""What models share: the units of a regression's outputs, and whether the data suits them."""

import torch
from torch import Tensor, nn

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.text import PADDING, UNKNOWN


def check_texts(signature: Signature, model: str) -> None:
    """Refuses data that is no texts.

    Raises:
        DataError: with what to take instead.
    """
    if not signature.text:
        raise DataError(
            f"model {model!r} takes texts as token ids, the examples are {signature.dtype} of "
            f"shape {list(signature.shape)}",
            where="model",
            remedy="prepare texts with `pipeline=text`, or take another model, such as model=mlp",
        )


def word_embedding(signature: Signature, width: int) -> nn.Embedding:
    """A vector for each token id; padding is zero, and an unknown word starts there.

    Where every training word has an id, no gradient would teach an unknown one to say nothing.
    """
    table = nn.Embedding(signature.vocabulary, width, padding_idx=PADDING)
    with torch.no_grad():
        table.weight[UNKNOWN] = 0.0
    return table


def refuse_texts(signature: Signature, model: str) -> None:
    """Refuses texts, for models that calculate with their inputs.

    Raises:
        DataError: with what to take instead.
    """
    if signature.text:
        raise DataError(
            f"model {model!r} takes numbers, the examples are token ids of texts",
            where="model",
            remedy="take a model of texts: model=embedding_bag or model=transformer_encoder",
        )


class TargetUnits(nn.Module):
    """outputs * scale + center, both of the training targets.

    An optimiser moves weights by about its learning rate; without this a target far from 0 would
    take thousands of steps to reach.
    """

    def __init__(self, signature: Signature) -> None:
        """Takes center and scale from the signature; they are part of the model's state."""
        super().__init__()
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.tensor(signature.target_center))
        self.register_buffer("scale", torch.tensor(signature.target_scale))

    def forward(self, outputs: Tensor) -> Tensor:
        """Values in the units of the targets, of the same shape."""
        return outputs * self.scale + self.center
