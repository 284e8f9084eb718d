"""What a model's `forward` asks for, by the names of its parameters.

The first parameter gets the features. `mask` gets, for texts, which token ids are real.
`categories` gets, for tables, a code for each categorical column, int64 (batch, columns): 0 is none
of its known categories. The features are the numbers alone then; without it they hold one-hot
numbers for the categories too.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.text import PADDING

Arguments: TypeAlias = tuple[Tensor, Mapping[str, Tensor]]


def arguments_of(model: nn.Module, signature: Signature) -> Callable[[Tensor], Arguments]:
    """From prepared inputs to the arguments of `forward`: the first, and others by name.

    Raises:
        DataError: if the model asks for what the data has not.
    """
    asked = inspect.signature(model.forward).parameters
    if "mask" in asked and signature.text:
        return _masked
    if "mask" in asked and asked["mask"].default is inspect.Parameter.empty:
        raise DataError(
            f"{type(model).__name__} takes texts, the examples are "
            f"{signature.dtype} of shape {list(signature.shape)}",
            where="model",
            remedy="take texts (`pipeline=text`), or another model, such as model=mlp",
        )
    if "categories" in asked and signature.cardinalities:
        return partial(_coded, signature.numbers)
    if signature.cardinalities:
        return OneHot(signature.cardinalities).arguments
    if "categories" in asked and asked["categories"].default is inspect.Parameter.empty:
        return _uncoded
    return _plain


class OneHot:
    """Codes of categories into numbers, 1 in the place of the code and 0 elsewhere."""

    def __init__(self, cardinalities: Sequence[int]) -> None:
        """Takes the codes of each column, code 0, which becomes no number, included."""
        counts = torch.tensor([count - 1 for count in cardinalities])
        self._columns = len(cardinalities)
        self._column = torch.repeat_interleave(torch.arange(len(counts)), counts)
        self._code = torch.cat([torch.arange(1, count) for count in cardinalities])

    def __call__(self, codes: Tensor) -> Tensor:
        """float32 (batch, all categories) from codes (batch, columns) of any number type."""
        if self._code.device != codes.device:
            self._column = self._column.to(codes.device)
            self._code = self._code.to(codes.device)
        return (codes.index_select(1, self._column) == self._code).to(torch.float32)

    def arguments(self, inputs: Tensor) -> Arguments:
        """Numbers and one-hot numbers from numbers and codes."""
        numbers = inputs[:, : -self._columns]
        return torch.cat([numbers, self(inputs[:, -self._columns :])], dim=1), {}


def _coded(numbers: int, inputs: Tensor) -> Arguments:
    return inputs[:, :numbers], {"categories": inputs[:, numbers:].long()}


def _uncoded(inputs: Tensor) -> Arguments:
    return inputs, {"categories": inputs.flatten(1)[:, :0].long()}


def _plain(inputs: Tensor) -> Arguments:
    return inputs, {}


def _masked(tokens: Tensor) -> Arguments:
    return tokens, {"mask": tokens != PADDING}
