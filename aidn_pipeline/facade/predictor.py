"""Inference from a bundle. Torch and pyarrow are imported here, when something is predicted."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import ModelNotFound
from aidn_pipeline.facade.models import find_bundle
from aidn_pipeline.facade.workspace import Workspace


class Predictor(Protocol):
    """An opened bundle."""

    @property
    def signature(self) -> Signature:
        """Of the data it was trained on."""
        ...

    @property
    def document(self) -> Mapping[str, Any]:
        """The content of `model.json`."""
        ...

    def predict(self, rows: Any, *, first: int = 1) -> Sequence[Any]:
        """Answers for raw rows, in their order; the first has the number `first` in messages."""
        ...

    def raw(self, rows: Any) -> Any:
        """Raw features of rows or of an array, checked."""
        ...

    def arrays(self, raw: Any) -> dict[str, Any]:
        """Answers in columns, for raw features."""
        ...


def open_folder(folder: Path, workspace: Workspace) -> Predictor:
    """Opens a bundle's folder; every byte and its golden rows are verified.

    Args:
        folder: with `model.json` and `weights.safetensors`.
        workspace: whose components the model may be one of.

    Raises:
        ModelNotFound: if there is no bundle.
        CorruptObject: if a byte differs from what was exported.
    """
    predictor: Predictor = _bundle().load_bundle(folder, workspace.index)
    return predictor


def open_model(reference: str, workspace: Workspace) -> Predictor:
    """Opens `name`, `name@3` or a bundle's folder; a name is looked up in the store.

    A project has a folder of the name of its package, so that a folder is one only if it holds a
    bundle, or is written with a `/`.

    Raises:
        ModelNotFound: if there is no such model or folder.
        CorruptObject: if a byte differs from what was exported.
    """
    folder = Path(reference)
    if "/" in reference or (folder / "model.json").is_file():
        return open_folder(folder, workspace)
    if not workspace.has_store:
        raise ModelNotFound(
            f"there is no model {reference!r}: nothing was run in this project yet",
            where=str(workspace.project.root),
            remedy="run a recipe that registers one, or name a bundle's folder",
        )
    with workspace.open_store() as store:
        _, bundle = find_bundle(reference, store)
        predictor: Predictor = _bundle().open_bundle(store.files(bundle), workspace.index)
    return predictor


def answers(predictor: Predictor, rows: Any, *, first: int = 1) -> list[dict[str, Any]]:
    """Predictions as JSON, one object for each row; of an image's file with its path."""
    given = with_files(rows, predictor.signature)
    found = [item.to_json() for item in predictor.predict(given, first=first)]
    if predictor.signature.image is None:
        return found
    return [
        {"file": str(row), **answer} if isinstance(row, Path) else answer
        for row, answer in zip(given, found, strict=True)
    ]


def with_files(rows: Any, signature: Signature) -> Any:
    """Rows in which an image's path is a `Path`: here a text names a file, unlike in a server."""
    if signature.image is None or hasattr(rows, "__array__"):
        return rows
    name = signature.image.name
    return [_with_file(row, name) for row in rows]


def _with_file(row: Any, name: str) -> Any:
    if isinstance(row, str):
        return Path(row)
    if isinstance(row, Mapping) and isinstance(row.get(name), str):
        return {**row, name: Path(row[name])}
    return row


def check_columns(given: Sequence[Any], signature: Signature, what: str) -> None:
    """Refuses columns that are not the model's.

    Raises:
        DataError: if one is missing or unknown.
    """
    rows: Any = importlib.import_module("aidn_pipeline.export.rows")
    rows.check_columns(given, signature, what)


def frames() -> Any:
    """The module `aidn_pipeline.data.frames`, which imports pyarrow."""
    return importlib.import_module("aidn_pipeline.data.frames")


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet file.

    Raises:
        DataError: if it is none.
    """
    data: Any = importlib.import_module("aidn_pipeline.data.rows")
    rows: list[dict[str, Any]] = data.parquet_rows(path)
    return rows


def hand_over(parts: Mapping[str, Any], **settings: Any) -> Any:
    """What a program hands over to be trained on; see `aidn_pipeline.data.handed.hand_over`.

    Raises:
        DataError: if something of it does not fit.
    """
    return importlib.import_module("aidn_pipeline.data.handed").hand_over(parts, **settings)


def _bundle() -> Any:
    return importlib.import_module("aidn_pipeline.export.bundle")
