"""A multi-layer perceptron for tables and small images."""

from typing import Literal

from torch import Tensor, nn

from aidn_pipeline.core.component import component
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import WrongType
from aidn_pipeline.training.models.units import TargetUnits, refuse_texts

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


@component("model", "mlp", version=2)
class MLP(nn.Module):
    """Linear layers with an activation between; features of any shape are flattened."""

    def __init__(
        self,
        signature: Signature,
        *,
        hidden: int = 64,
        layers: int = 1,
        dropout: float = 0.0,
        batch_norm: bool = False,
        activation: Literal["relu", "gelu", "silu", "tanh"] = "relu",
    ) -> None:
        """Builds the layers with torch's default initialisation.

        Args:
            signature: of the data; gives the number of features and the head's width.
            hidden: width of each hidden layer.
            layers: number of hidden layers; 0 is a linear model.
            dropout: share of hidden units that are dropped in training, in [0, 1).
            batch_norm: whether hidden layers are normalised over the batch.
            activation: `relu`, `gelu`, `silu` or `tanh`.

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
        if hidden < 1 or layers < 0 or not 0 <= dropout < 1:
            raise WrongType(
                f"hidden {hidden}, layers {layers}, dropout {dropout} describe no network",
                where="model",
                remedy="hidden >= 1, layers >= 0, 0 <= dropout < 1",
            )
        width = signature.width
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

    def forward(self, rows: Tensor) -> Tensor:
        """Logits or values, shape (batch, outputs), from features of shape (batch, ...)."""
        found: Tensor = self.net(rows)
        return found
