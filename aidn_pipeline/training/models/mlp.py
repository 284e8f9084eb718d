"""A multi-layer perceptron for tables and small images."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import WrongType
from aidn_pipeline.inputs.forward import OneHot
from aidn_pipeline.training.models.units import TargetUnits, refuse_texts

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


@component("model", "mlp", version=4)
class MLP(nn.Module):
    """Linear layers with an activation between; features of any shape are flattened.

    Categories of a table are one-hot numbers, or learned embeddings.

    Source of the embeddings: C. Guo, F. Berkhahn, "Entity Embeddings of Categorical Variables"
    (2016).
    """

    def __init__(
        self,
        signature: Signature,
        *,
        hidden: int = 64,
        layers: int = 1,
        dropout: float = 0.0,
        batch_norm: bool = False,
        activation: Literal["relu", "gelu", "silu", "tanh"] = "relu",
        embedding: int = 0,
    ) -> None:
        """Builds the layers with torch's default initialisation.

        Args:
            signature: of the data; gives the number of features and the head's width.
            hidden: width of each hidden layer.
            layers: number of hidden layers; 0 is a linear model.
            dropout: share of hidden units that are dropped in training, in [0, 1).
            batch_norm: whether hidden layers are normalised over the batch.
            activation: `relu`, `gelu`, `silu` or `tanh`.
            embedding: learned numbers that stand for a category; 0 takes one-hot numbers.

        Raises:
            DataError: if the data is texts.
            WrongType: if a value is out of its range.
        """
        super().__init__()
        refuse_texts(signature, "mlp")
        if activation not in ACTIVATIONS:
            raise WrongType(
                f"unknown activation {activation!r}",
                where="model.activation",
                remedy=f"one of {', '.join(ACTIVATIONS)}",
            )
        if hidden < 1 or layers < 0 or embedding < 0 or not 0 <= dropout < 1:
            raise WrongType(
                f"hidden {hidden}, layers {layers}, dropout {dropout}, embedding {embedding} "
                "describe no network",
                where="model",
                remedy="hidden >= 1, layers >= 0, embedding >= 0, 0 <= dropout < 1",
            )
        coded = signature.cardinalities
        self.embedding = CategoryEmbedding(coded, embedding) if coded and embedding else None
        self._one_hot = OneHot(coded) if coded and not embedding else None
        width = signature.numbers + len(coded) * embedding if embedding else signature.width
        parts: list[nn.Module] = [nn.Flatten()] if len(signature.shape) > 1 else []
        for _ in range(layers):
            parts.append(nn.Linear(width, hidden))
            if batch_norm:
                parts.append(nn.BatchNorm1d(hidden))
            parts.append(ACTIVATIONS[activation]())
            if dropout:
                parts.append(nn.Dropout(dropout))
            width = hidden
        parts.append(nn.Linear(width, signature.outputs))
        if signature.task == "regression":
            parts.append(TargetUnits(signature))
        self.net = nn.Sequential(*parts)

    def forward(self, rows: Tensor, categories: Tensor | None = None) -> Tensor:
        """Logits or values, shape (batch, outputs).

        Args:
            rows: features, shape (batch, ...).
            categories: codes of a table's categorical columns, int64 (batch, columns).
        """
        if categories is not None:
            spread = self.embedding if self.embedding is not None else self._one_hot
            assert spread is not None
            rows = torch.cat([rows, spread(categories)], dim=1)
        found: Tensor = self.net(rows)
        return found


class CategoryEmbedding(nn.Module):
    """A vector for each code of each column, side by side.

    Code 0, a category that training did not show, starts at zero: nothing else would ever teach it
    to say nothing.
    """

    first: Tensor

    def __init__(self, cardinalities: Sequence[int], width: int) -> None:
        """Builds one table for all columns.

        Args:
            cardinalities: codes of each column.
            width: numbers that stand for a code.
        """
        super().__init__()
        self.table = nn.Embedding(sum(cardinalities), width)
        before = [sum(cardinalities[:i]) for i in range(len(cardinalities))]
        self.register_buffer("first", torch.tensor(before))
        with torch.no_grad():
            self.table.weight[self.first] = 0.0

    def forward(self, categories: Tensor) -> Tensor:
        """float32 (batch, columns * width) from codes, int64 (batch, columns)."""
        found: Tensor = self.table(categories + self.first)
        return found.flatten(1)
