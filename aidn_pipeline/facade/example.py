"""One raw row that a model takes, as somebody would write it: from what is kept in its bundle."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from aidn_pipeline.core.columns import EPOCH, Column
from aidn_pipeline.core.signature import Signature

Row: TypeAlias = dict[str, Any] | list[float]
FEW = 12
"""Columns that are written by name; more are a list of numbers, if that is what they are."""
WORDS = 12
"""Of a text."""


def example_row(document: Mapping[str, Any]) -> Row:
    """A held-out row: by column, or a plain list of numbers where there are many.

    What the model does not keep is not in it: a value that was missing is its column's fill, a
    category without a code is empty, a text consists of the words that are known.

    Args:
        document: the content of `model.json`.
    """
    signature = Signature.from_json(document["signature"])
    numbers = list(_flat(document["golden"]["rows"][0]))
    if signature.text is not None:
        words = signature.text.words
        # Ids 0 and 1 are no words.
        known = [words[int(i) - 2] for i in numbers if int(i) >= 2]
        return {signature.text.name: " ".join(known[:WORDS])}
    if signature.columns:
        return dict(_columns(signature.columns, numbers))
    if len(signature.features) <= FEW:
        return dict(zip(signature.features, map(_number, numbers), strict=True))
    return [_number(value) for value in numbers]


def bundle_example(folder: Path) -> Row:
    """The example of a bundle, for showing: nothing of the bundle is checked.

    Raises:
        OSError: if there is no bundle.
    """
    return example_row(json.loads((folder / "model.json").read_text(encoding="utf-8")))


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        yield from chain.from_iterable(map(_flat, value))
    else:
        yield value


def _columns(columns: tuple[Column, ...], numbers: list[float]) -> Iterator[tuple[str, Any]]:
    place = 0
    for column in columns:
        yield column.name, _value(column, numbers[place])
        place += column.width


def _value(column: Column, number: float) -> Any:
    match column.kind:
        case "categorical":
            code = int(number)
            return column.categories[code - 1] if 0 < code <= len(column.categories) else ""
        case "boolean":
            return bool(number)
        case "date":
            return date.fromordinal(EPOCH + int(number)).isoformat()
        case _:
            return _number(number)


def _number(value: float) -> float:
    # Single precision has about seven digits: more of them would be made up.
    short = float(f"{value:.7g}")
    return int(short) if short.is_integer() and abs(short) < 1e7 else short
