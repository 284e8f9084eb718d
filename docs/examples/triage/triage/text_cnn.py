"""Convolutions over words."""

import torch
from torch import Tensor, nn

from aidn_pipeline import Signature, component


@component("model", "text_cnn")
class TextCNN(nn.Module):
    """Filters of several widths over word embeddings, the maximum of each, one linear layer.

    Source: Y. Kim, "Convolutional Neural Networks for Sentence Classification" (EMNLP 2014).
    """

    def __init__(
        self,
        signature: Signature,
        *,
        embedding: int = 32,
        filters: int = 32,
        widths: tuple[int, ...] = (2, 3),
        dropout: float = 0.0,
    ) -> None:
        """Builds the layers.

        Args:
            signature: of the tokenized data.
            embedding: numbers that stand for a word.
            filters: of each width.
            widths: words that a filter sees at once.
            dropout: share of the filters that are dropped in training, in [0, 1).
        """
        super().__init__()
        self.embedding = nn.Embedding(signature.vocabulary, embedding, padding_idx=0)
        self.filters = nn.ModuleList(
            nn.Conv1d(embedding, filters, width, padding=width - 1) for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(widths), signature.outputs)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits, shape (batch, classes).

        Args:
            tokens: ids, shape (batch, length).
            mask: true on words, of the same shape.
        """
        words = (self.embedding(tokens) * mask.unsqueeze(-1)).transpose(1, 2)
        strongest = [f(words).relu().amax(dim=-1) for f in self.filters]
        return self.head(self.dropout(torch.cat(strongest, dim=-1)))
