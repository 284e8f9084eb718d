"""Inference from a bundle's folder. Torch is imported here, when something is predicted."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from aidn_pipeline.core.index import Index
from aidn_pipeline.facade.workspace import Workspace


class Predictor(Protocol):
    """An opened bundle."""

    def predict(self, rows: Any) -> Sequence[Any]:
        """Answers for raw rows, in their order."""
        ...


def open_folder(folder: Path, project: Path | None = None) -> Predictor:
    """Opens a bundle; every byte and its golden rows are verified.

    Args:
        folder: with `model.json` and `weights.safetensors`.
        project: whose components the model may be one of; the working folder's by default.

    Raises:
        ModelNotFound: if there is no bundle.
        CorruptObject: if a byte differs from what was exported.
    """
    return open_with(folder, Workspace.around(project).index)


def open_with(folder: Path, index: Index) -> Predictor:
    """As `open_folder`, with the components that are known."""
    bundle: Any = importlib.import_module("aidn_pipeline.export.bundle")
    predictor: Predictor = bundle.load_bundle(folder, index)
    return predictor


def answers(predictor: Predictor, rows: Any) -> list[dict[str, Any]]:
    """Predictions as JSON, one object for each row."""
    return [item.to_json() for item in predictor.predict(rows)]
