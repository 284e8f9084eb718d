"""A small transformer encoder for texts whose order of words matters."""

import torch
from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import WrongType
from aidn_pipeline.training.models.embedding_bag import mean_of
from aidn_pipeline.training.models.units import TargetUnits, check_texts, word_embedding


@component("model", "transformer_encoder", version=2)
class TransformerEncoder(nn.Module):
    """Word and position embeddings, layers of self-attention, the mean over the words, the head.

    Source: A. Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), with the normalisation
    before each sublayer (R. Xiong et al., ICML 2020).
    """

    def __init__(
        self,
        signature: Signature,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        """Builds the layers.

        Args:
            signature: of the data; gives the vocabulary, the longest text and the head's width.
            width: numbers that stand for a word; the feed-forward layers have four times as many.
            layers: of attention.
            heads: of each layer; they divide `width`.
            dropout: share of what each sublayer gives that is dropped in training, in [0, 1).

        Raises:
            DataError: if the data is no texts.
            WrongType: if a value is out of its range.
        """
        super().__init__()
        check_texts(signature, "transformer_encoder")
        if layers < 1 or heads < 1 or width < 1 or width % heads or not 0 <= dropout < 1:
            raise WrongType(
                f"width {width}, layers {layers}, heads {heads}, dropout {dropout} describe no "
                "network",
                where="model",
                remedy="layers >= 1, `heads` divides `width`, 0 <= dropout < 1",
            )
        self.embedding = word_embedding(signature, width)
        self.positions = nn.Parameter(torch.randn(signature.shape[0], width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        parts: list[nn.Module] = [nn.Linear(width, signature.outputs)]
        if signature.task == "regression":
            parts.append(TargetUnits(signature))
        self.head = nn.Sequential(*parts)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits or values (batch, outputs), from token ids and what is real of them."""
        states = self.embedding(tokens) + self.positions
        # Attention over no place at all is not a number: an empty text attends to its padding.
        hidden = ~mask & mask.any(dim=1, keepdim=True)
        found: Tensor = self.head(mean_of(self.encoder(states, src_key_padding_mask=hidden), mask))
        return found
