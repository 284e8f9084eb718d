"""A trained model opened for inference, and outputs of a whole split."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aidn_pipeline.core.describe import build
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import Description
from aidn_pipeline.errors import CorruptObject, NewerFormat
from aidn_pipeline.inputs.forward import arguments_of
from aidn_pipeline.training.tensorfile import read_tensors

FORMAT = 1
MODEL = "model/"
ROWS = 8192
"""Examples in a batch of inference."""


def preprocessing(index: Index, descriptions: Sequence[Description]) -> nn.Sequential:
    """The transforms from raw features to the model's input, in order."""
    return nn.Sequential(*(build(index, "transform", d)() for d in descriptions))


def outputs_of(model: nn.Module, inputs: Tensor, signature: Signature) -> Tensor:
    """The model's outputs in evaluation mode; it is left in the mode it was in."""
    training, arguments = model.training, arguments_of(model, signature)
    model.eval()
    found = []
    with torch.no_grad():
        for part in torch.split(inputs, ROWS):
            first, named = arguments(part)
            found.append(model(first, **named))
    model.train(training)
    return torch.cat(found)


def all_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; tied ones once, buffers outside the state dict included."""
    named: dict[str, Tensor] = dict([*module.named_parameters(), *module.named_buffers()])
    return {name: tensor.detach() for name, tensor in named.items()}


def load_tensors(module: nn.Module, saved: Mapping[str, Tensor], where: str) -> None:
    """Copies saved parameters and buffers into a module.

    Raises:
        CorruptObject: if names, shapes or dtypes differ.
    """
    own = all_tensors(module)
    if own.keys() != saved.keys():
        odd = sorted(own.keys() ^ saved.keys())
        raise _foreign(f"the model's tensors differ in {', '.join(odd[:5])}", where)
    with torch.no_grad():
        for name, tensor in own.items():
            if tensor.shape != saved[name].shape or tensor.dtype != saved[name].dtype:
                raise _foreign(
                    f"{name} is {tuple(saved[name].shape)} {saved[name].dtype}, "
                    f"the model wants {tuple(tensor.shape)} {tensor.dtype}",
                    where,
                )
            tensor.copy_(saved[name])


def _foreign(problem: str, where: str) -> CorruptObject:
    return CorruptObject(
        f"the checkpoint does not fit the model: {problem}",
        where=where,
        remedy="the model's code changed since: train again with `--force`",
    )


@dataclass(frozen=True, slots=True)
class Trained:
    """A model ready for inference on the CPU.

    Attributes:
        model: in evaluation mode.
        preprocess: from raw features to its input.
        signature: of the data it was trained on.
        description: the whole of `checkpoint.json`.
    """

    model: nn.Module
    preprocess: nn.Module
    signature: Signature
    description: Mapping[str, Any]

    def outputs(self, raw: Tensor) -> Tensor:
        """Outputs for raw examples, shape (n, *signature.raw_shape)."""
        with torch.no_grad():
            return outputs_of(self.model, self.preprocess(raw), self.signature)


def read_description(path: Path) -> dict[str, Any]:
    """The content of a `checkpoint.json`.

    Raises:
        CorruptObject: if it is no JSON object.
        NewerFormat: if a later release wrote it.
    """
    try:
        value = json.loads(path.read_bytes())
        number = value["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptObject("checkpoint.json is damaged", where=str(path)) from error
    if type(number) is not int:
        raise CorruptObject("checkpoint.json names no format", where=str(path))
    if number > FORMAT:
        raise NewerFormat(
            f"the checkpoint has format {number}, this release reads up to {FORMAT}",
            where=str(path),
            remedy="upgrade aidn-pipeline",
        )
    found: dict[str, Any] = value
    return found


def open_trained(files: Mapping[str, Path], index: Index) -> Trained:
    """Builds the model of a checkpoint and loads its weights.

    Args:
        files: of a checkpoint artifact, verified.
        index: where the model's component is found.

    Raises:
        CorruptObject: if the tensors do not fit the model.
        UnknownComponent: if the model's component is not known here.
    """
    description = read_description(files["checkpoint.json"])
    signature = Signature.from_json(description["signature"])
    model: nn.Module = build(index, "model", description["model"])(signature=signature)
    path = files["state.safetensors"]
    saved = {
        name.removeprefix(MODEL): tensor
        for name, tensor in read_tensors(path).items()
        if name.startswith(MODEL)
    }
    load_tensors(model, saved, str(path))
    model.eval()
    return Trained(model, preprocessing(index, description["preprocess"]), signature, description)
