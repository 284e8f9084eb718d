"""Tables of the user's, looked at before there is a recipe. pyarrow is imported when one is."""

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


def _data() -> Any:
    return importlib.import_module("aidn_pipeline.data.look")
