"""A servable folder: `model.json` and `weights.safetensors`.

`model.json` is canonical JSON with a `digest` over everything else in it: it names the model's
component with every field, the signature, the transforms, the classes, the hash of the weights, and
golden rows with the outputs that they must give. So a flipped bit anywhere is found when the bundle
is loaded, and so is a model whose code has changed since.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from aidn_pipeline.core.describe import build
from aidn_pipeline.core.fingerprint import JSON, canonical_json, digest_bytes
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import FileRef
from aidn_pipeline.errors import AidnError, CorruptObject, ModelNotFound, NewerFormat, StageFailed
from aidn_pipeline.export.document import oddities, oddities_of
from aidn_pipeline.export.rows import tensor_of
from aidn_pipeline.inputs.forward import arguments_of
from aidn_pipeline.store.objects import hash_file

FORMAT = 1
MODEL = "model/"
DOCUMENT = "model.json"
WEIGHTS = "weights.safetensors"
TOLERANCE = {"absolute": 1e-4, "relative": 1e-3}
"""How far outputs may lie from the golden ones: kernels of another machine add in another order."""
ROWS = 8192
LONGEST = 64 * 2**20
"""Bytes of the longest `model.json` that is read: images of golden rows may be many."""
SPARE = 8
"""How many times as much as the file holds a model may have registered while it is built."""
SPARE_NUMBERS = 2**20
"""Numbers that may be registered beyond that."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one row.

    Attributes:
        label: class name; None for a regression.
        probabilities: by class name, in the model's order; empty for a regression.
        values: the raw outputs.
    """

    label: str | None
    probabilities: Mapping[str, float]
    values: tuple[float, ...]

    def to_json(self) -> dict[str, JSON]:
        """`{"label", "probabilities"}`, or `{"values"}` for a regression."""
        if self.label is None:
            return {"values": list(self.values)}
        return {"label": self.label, "probabilities": dict(self.probabilities)}


@dataclass(frozen=True, slots=True)
class Predictor:
    """A loaded bundle: raw rows in, answers out.

    Attributes:
        signature: of the data the model was trained on.
        document: the content of `model.json`.
        model: the network in evaluation mode, on the CPU.
        preprocess: from raw features to its input.
    """

    signature: Signature
    document: Mapping[str, Any]
    model: nn.Module
    preprocess: nn.Module

    def predict(self, rows: Any, *, first: int = 1) -> list[Prediction]:
        """Answers for raw rows, in their order.

        Args:
            rows: as in `aidn_pipeline.export.rows.tensor_of`.
            first: number of the first row in messages.

        Raises:
            DataError: if a column is missing or unknown, a row has another width, or a value is no
                finite number.
        """
        outputs = self.outputs(tensor_of(rows, self.signature, first=first))
        if self.signature.task == "regression":
            return [Prediction(None, {}, tuple(row)) for row in outputs.tolist()]
        shares = self._shares(outputs)
        classes = self.signature.classes
        return [
            Prediction(classes[best], dict(zip(classes, row, strict=True)), tuple(raw))
            for best, row, raw in zip(
                shares.argmax(dim=1).tolist(), shares.tolist(), outputs.tolist(), strict=True
            )
        ]

    def raw(self, rows: Any) -> Tensor:
        """Raw features of rows or of an array; as `aidn_pipeline.export.rows.tensor_of`."""
        return tensor_of(rows, self.signature)

    def arrays(self, raw: Any) -> dict[str, Any]:
        """Answers in columns, for raw features of shape (n, *signature.raw_shape).

        Returns:
            `values`: the outputs, float32 (n, outputs). Of classes also `labels`, text (n,), and
            `probabilities`, float32 (n, classes).
        """
        outputs = self.outputs(torch.as_tensor(raw).reshape(-1, *self.signature.raw_shape))
        if self.signature.task == "regression":
            return {"values": outputs.numpy()}
        shares = self._shares(outputs)
        names = np.array(self.signature.classes)
        return {
            "values": outputs.numpy(),
            "probabilities": shares.numpy(),
            "labels": names[shares.argmax(dim=1).numpy()],
        }

    def outputs(self, raw: Tensor) -> Tensor:
        """The network's outputs, shape (n, outputs), for raw examples (n, *signature.raw_shape)."""
        if len(raw) == 0:
            return torch.empty(0, self.signature.outputs)
        arguments, found = arguments_of(self.model, self.signature), []
        with torch.no_grad():
            for part in torch.split(raw, ROWS):
                first, named = arguments(self.preprocess(part))
                found.append(self.model(first, **named))
        return torch.cat(found)

    def _shares(self, outputs: Tensor) -> Tensor:
        if self.signature.task == "binary":
            positive = torch.sigmoid(outputs)
            return torch.cat([1 - positive, positive], dim=-1)
        return torch.softmax(outputs, dim=-1)


def bundle_document(
    description: Mapping[str, Any], weights: FileRef, model: Mapping[str, JSON]
) -> bytes:
    """The bytes of `model.json`.

    Args:
        description: the checkpoint's `checkpoint.json`.
        weights: id and size of its tensors.
        model: the registered `name` and `version`.

    Raises:
        StageFailed: if the checkpoint is not one for inference.
    """
    lacking = [
        k for k in ("model", "code", "signature", "preprocess", "golden") if k not in description
    ]
    if lacking:
        raise StageFailed(
            f"the checkpoint says nothing of {', '.join(lacking)}",
            where="checkpoint.json",
            remedy="register `train.best`, the checkpoint for inference",
        )
    value: dict[str, JSON] = {
        "format": FORMAT,
        "name": model["name"],
        "version": model["version"],
        "model": description["model"],
        "code": description["code"],
        "signature": description["signature"],
        "preprocess": description["preprocess"],
        "classes": description["signature"]["classes"],
        "files": {WEIGHTS: {"digest": weights.digest, "size": weights.size}},
        "golden": {**description["golden"], "tolerance": TOLERANCE},
    }
    return canonical_json({**value, "digest": digest_bytes(canonical_json(value))})


def load_bundle(folder: Path, index: Index) -> Predictor:
    """Opens a bundle, verifying every byte and the golden rows.

    Args:
        folder: of `model.json` and `weights.safetensors`.
        index: where the model's component is found.

    Raises:
        ModelNotFound: if there is no bundle.
        CorruptObject: if a byte differs from what was exported, or the golden rows give other
            outputs than they did.
        NewerFormat: if a later release wrote it.
        UnknownComponent: if the model's component is not known here.
    """
    missing = [name for name in (DOCUMENT, WEIGHTS) if not _is_inside(folder, name)]
    if missing:
        raise ModelNotFound(
            f"no bundle: {missing[0]} is missing",
            where=str(folder),
            remedy="name the folder that an export stage printed, or a registered model",
        )
    return open_bundle({name: folder / name for name in (DOCUMENT, WEIGHTS)}, index)


def _is_inside(folder: Path, name: str) -> bool:
    # A link may stand for a file of the folder, as those of Kubernetes do, and for no other.
    place = (folder / name).resolve()
    return place.is_file() and place.is_relative_to(folder.resolve())


def open_bundle(files: Mapping[str, Path], index: Index) -> Predictor:
    """As `load_bundle`, from the paths of its files.

    Raises:
        CorruptObject: as in `load_bundle`.
    """
    document = read_document(files[DOCUMENT])
    weights = files[WEIGHTS]
    recorded = document["files"][WEIGHTS]
    if hash_file(weights) != recorded["digest"]:
        raise _corrupt(f"{WEIGHTS} is not what was exported", weights)
    try:
        predictor = build_predictor(document, read_weights(weights), index)
        check_golden(predictor, str(files[DOCUMENT]))
    except AidnError:
        raise
    except Exception as error:
        # A document may say anything: what no model can be built of raises anything.
        raise _corrupt(
            f"{DOCUMENT} describes no model: {type(error).__name__}: {error}", files[DOCUMENT]
        ) from error
    return predictor


def read_document(path: Path) -> dict[str, Any]:
    """The content of `model.json`, verified against its own digest.

    Raises:
        CorruptObject: if a byte differs from what was exported, or it is no such document.
        NewerFormat: if a later release wrote it.
    """
    with path.open("rb") as file:
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise _corrupt(f"{DOCUMENT} has more than {LONGEST:,} bytes", path)
    try:
        value: dict[str, Any] = json.loads(data)
        digest = value.pop("digest")
        sound = digest == digest_bytes(canonical_json(value))
        # The canonical form leaves no byte free: what was not hashed is compared.
        sound = sound and data == canonical_json({**value, "digest": digest})
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise _corrupt(f"{DOCUMENT} is damaged", path) from error
    if not sound:
        raise _corrupt(f"{DOCUMENT} is not what was exported", path)
    if type(value.get("format")) is int and value["format"] > FORMAT:
        raise NewerFormat(
            f"the bundle has format {value['format']}, this release reads up to {FORMAT}",
            where=str(path),
            remedy="upgrade aidn-pipeline",
        )
    odd = next(oddities(value, WEIGHTS), None)
    if odd is not None:
        raise _corrupt(f"{DOCUMENT} describes no model: {odd}", path)
    return value


def read_weights(path: Path) -> dict[str, Tensor]:
    """The network's tensors by name.

    Raises:
        CorruptObject: if the file does not follow the safetensors layout.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _corrupt(f"{path.name} cannot be read: {error}", path) from error
    return {n.removeprefix(MODEL): t for n, t in tensors.items() if n.startswith(MODEL)}


def build_predictor(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor], index: Index
) -> Predictor:
    """The predictor of a `model.json` or `checkpoint.json` with its tensors.

    Raises:
        CorruptObject: if the tensors do not fit the model, or its signature is none.
    """
    signature = Signature.from_json(description["signature"])
    if (odd := next(oddities_of(signature), None)) is not None:
        raise CorruptObject(
            f"the model's signature is damaged: {odd}",
            where=DOCUMENT,
            remedy="train and export it again",
        )
    transforms: Sequence[Any] = description["preprocess"]
    # Building draws initial weights; the caller's generator is left as it was.
    with torch.random.fork_rng(devices=[]):
        make = build(index, "model", description["model"])
        # Sizes are compared before memory is taken for them: they may be anybody's.
        with no_larger_than(tensors):
            if (outline := _outline(make, signature)) is not None:
                _refuse_other_sizes(_tensors(outline), tensors, description)
            model: nn.Module = make(signature=signature)
        preprocess = nn.Sequential(*(build(index, "transform", d)() for d in transforms))
    own = _tensors(model)
    _refuse_other_sizes(own, tensors, description)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
    model.eval()
    return Predictor(signature, description, model, preprocess)


def _outline(make: Callable[..., nn.Module], signature: Signature) -> nn.Module | None:
    """The model without the memory of its tensors; None if its code looks at their values."""
    try:
        with torch.device("meta"):
            return make(signature=signature)
    except RuntimeError:
        return None


@contextmanager
def no_larger_than(tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Ends the building of a model that has far more parameters than the file has tensors.

    A description may ask for any number of layers, which would be built until memory is full.

    Raises:
        CorruptObject: once it is clear that they cannot be the ones of the file.
    """
    most, left = SPARE * len(tensors) + SPARE, SPARE * sum(t.numel() for t in tensors.values())
    left += SPARE_NUMBERS

    def count(_: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal most, left
        most -= 1
        left -= 0 if parameter is None else parameter.numel()
        if min(most, left) < 0:
            raise CorruptObject(
                "the model that is described is larger than its weights",
                where=f"{WEIGHTS} ({name})",
                remedy="train and export it again",
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters()) | dict(model.named_buffers())


def _refuse_other_sizes(
    own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], description: Mapping[str, Any]
) -> None:
    fits = own.keys() == tensors.keys() and all(
        (t.shape, t.dtype) == (tensors[n].shape, tensors[n].dtype) for n, t in own.items()
    )
    if not fits:
        raise CorruptObject(
            f"the weights do not fit the model {description['model']['use']!r}",
            where=WEIGHTS,
            remedy="its code has changed since: train and export it again",
        )


def check_golden(predictor: Predictor, where: str) -> None:
    """Compares the outputs of the golden rows with the recorded ones.

    Raises:
        CorruptObject: if one lies farther away than the tolerance.
    """
    golden = predictor.document["golden"]
    given = golden.get("tolerance", TOLERANCE)
    # A document cannot allow itself more.
    tolerance = {name: min(given[name], most) for name, most in TOLERANCE.items()}
    rows = torch.tensor(golden["rows"], dtype=getattr(torch, predictor.signature.raw_dtype))
    wanted = torch.tensor(golden["outputs"], dtype=torch.float32)
    found = predictor.outputs(rows.reshape(-1, *predictor.signature.raw_shape))
    close = found.shape == wanted.shape and torch.allclose(
        found, wanted, rtol=tolerance["relative"], atol=tolerance["absolute"]
    )
    if not close:
        raise CorruptObject(
            "the model does not give the outputs it gave when it was trained",
            where=where,
            remedy="its code or torch has changed since: train and export it again",
        )


def _corrupt(problem: str, path: Path) -> CorruptObject:
    return CorruptObject(
        problem, where=str(path), remedy="export it again: `aidn-run recipe=... --force export`"
    )
