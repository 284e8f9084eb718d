"""Data of the user's, looked at before there is a recipe. pyarrow is imported when one is."""

import importlib
from pathlib import Path
from typing import Any


def columns(file: Path) -> list[str]:
    """Names of the columns of a file.

    Raises:
        DataError: if the file cannot be read.
    """
    found: list[str] = _data().columns(file)
    return found


def look(file: Path, label: str) -> dict[str, Any]:
    """What a file's columns are, see `aidn_pipeline.data.look.look`.

    Raises:
        DataError: if the file cannot be read, or the column is nothing that can be predicted.
    """
    found: dict[str, Any] = _data().look(file, label)
    return found


def look_at_texts(file: Path, label: str, text: str) -> dict[str, Any]:
    """What a file of texts holds, see `aidn_pipeline.data.look.look_at_texts`.

    Raises:
        DataError: if the file cannot be read, or has no texts or nothing that can be predicted.
    """
    found: dict[str, Any] = _data().look_at_texts(file, label, text)
    return found


def look_at_images(folder: Path) -> dict[str, Any]:
    """What a folder of images holds, see `aidn_pipeline.data.look.look_at_images`.

    Raises:
        DataError: if it is none of images by class.
        MissingPackage: if Pillow is not installed.
    """
    found: dict[str, Any] = _data().look_at_images(folder)
    return found


def sample_images() -> dict[str, bytes]:
    """Images to begin with: PNG files by name, a folder for each class."""
    files: dict[str, bytes] = _data().sample_images()
    return files


def sample_texts() -> tuple[list[dict[str, str]], str]:
    """Made-up texts to begin with, and the name of their label."""
    rows, label = _data().sample_texts()
    return rows, label


def _data() -> Any:
    return importlib.import_module("aidn_pipeline.data.look")
