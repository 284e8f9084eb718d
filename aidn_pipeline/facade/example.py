"""One raw row that a model takes, as somebody would write it: from what is kept in its bundle."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from aidn_pipeline.core.columns import EPOCH, Column, Image
from aidn_pipeline.core.signature import Signature

Row: TypeAlias = dict[str, Any] | list[float] | bytes
FEW = 12
"""Columns that are written by name; more are a list of numbers, if that is what they are."""
WORDS = 12
"""Of a text."""


def example_row(document: Mapping[str, Any]) -> Row:
    """A held-out row: by column, or a plain list of numbers where there are many; of images a PNG.

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
    if signature.image is not None:
        return _png(signature.image, bytes(map(int, numbers)))
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


def _png(image: Image, pixels: bytes) -> bytes:
    """A file of pixels that stand channel by channel."""
    area = image.height * image.width
    planes = [pixels[c * area : (c + 1) * area] for c in range(image.channels)]
    mixed = bytes(level for levels in zip(*planes, strict=True) for level in levels)
    width = image.width * image.channels
    # A zero before each line: it stands as it is, not as a difference from the one above.
    lines = b"".join(b"\0" + mixed[y * width : (y + 1) * width] for y in range(image.height))
    colours = 2 if image.channels == 3 else 0
    head = struct.pack(">IIBBBBB", image.width, image.height, 8, colours, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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
