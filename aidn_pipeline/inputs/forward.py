"""What a model's `forward` asks for, by the names of its parameters.

The first parameter gets the features. `mask` gets, for texts, which token ids are real.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import TypeAlias

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
    return _plain


def _plain(inputs: Tensor) -> Arguments:
    return inputs, {}


def _masked(tokens: Tensor) -> Arguments:
    return tokens, {"mask": tokens != PADDING}
