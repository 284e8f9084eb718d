"""Where the shipped recipes, configs and schemas lie: in the wheel, or in the checkout."""

from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).resolve().parents[1]


def data_folder(kind: Literal["conf", "recipes", "schemas"]) -> Path:
    """The folder of shipped files of one kind.

    A checkout's folder wins: an editable install may have left a stale copy beside the package.
    """
    checkout = PACKAGE.parent / kind
    if checkout.is_dir() and (PACKAGE.parent / "pyproject.toml").is_file():
        return checkout
    packaged = PACKAGE / "_data" / kind
    return packaged if packaged.is_dir() else checkout
