"""A first look at data: what it holds, and what doing nothing clever would reach."""

import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.data.kinds import infer_kinds
from aidn_pipeline.data.labels import FEW, class_name, class_names, infer_task
from aidn_pipeline.data.sources.digits import DigitsSource
from aidn_pipeline.data.sources.image_folder import ImageFolderSource
from aidn_pipeline.data.sources.table import TableSource, read_table
from aidn_pipeline.data.sources.text import TextSource
from aidn_pipeline.data.sources.tickets import TicketsSource
from aidn_pipeline.data.tokenization import is_text
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.images import read_header
from aidn_pipeline.inputs.text import words_of

SIDES = (16, 32, 64, 96, 128)
"""Sides in pixels that images of several sizes, or large ones, are brought to."""


def columns(file: Path) -> list[str]:
    """Names of the columns of a file.

    Raises:
        DataError: if the file cannot be read.
    """
    return list(read_table(file, str(file)).column_names)


def look(file: Path, label: str) -> dict[str, JSON]:
    """What a person, or the recipe that is written for them, wants to know of a file.

    Args:
        file: CSV with a header line, `.jsonl` or Parquet.
        label: the column to be predicted.

    Returns:
        `rows`, `task`, `missing_labels`, `classes` (name and rows, most frequent first; none for a
        regression), `columns` (name, `kind`, `missing` rows) and `left_out` (reason by column).

    Raises:
        DataError: if the file cannot be read, has no such column or no other one, or the column
            is nothing that can be predicted.
    """
    read = TableSource(path=str(file), label=label, task="auto").read(file.parent)
    table = read.table.filter(read.table[label].is_valid())
    if table.num_rows == 0:
        raise DataError(
            f"column {label!r} has no values",
            where=str(file),
            remedy="name the column to be predicted",
        )
    task = infer_task(table[label])
    class_names(table, label, task, str(file))
    kinds = infer_kinds(table, read.features, {})
    return {
        "rows": table.num_rows,
        "task": task,
        "missing_labels": read.table.num_rows - table.num_rows,
        "classes": [] if task == "regression" else _balance(table[label]),
        "columns": [
            {"name": name, "kind": kind, "missing": _missing(table[name])}
            for name, kind in kinds.known.items()
        ],
        "left_out": dict(kinds.left_out),
    }


def look_at_texts(file: Path, label: str, text: str = "") -> dict[str, JSON]:
    """What a person wants to know of texts.

    Args:
        file: `.jsonl`, CSV with a header line, or Parquet.
        label: the column to be predicted.
        text: the column of the texts; the one with the longest texts if it is empty.

    Returns:
        `rows`, `task`, `missing_labels`, `classes` as `look` does; `text`, the column; `median`
        and `longest`, words of a text; `words`, different ones; `empty` texts.

    Raises:
        DataError: if the file cannot be read, has no such column, or none of texts.
    """
    table = read_table(file, str(file))
    column = text or _longest(table, label, file)
    read = TextSource(path=str(file), text=column, label=label).read(file.parent)
    rows = read.table.filter(read.table[label].is_valid())
    class_names(rows, label, read.task, str(file))
    split = [words_of(value or "", lowercase=True) for value in rows[column].to_pylist()]
    lengths = sorted(map(len, split))
    return {
        "rows": rows.num_rows,
        "task": read.task,
        "missing_labels": table.num_rows - rows.num_rows,
        "classes": [] if read.task == "regression" else _balance(rows[label]),
        "text": column,
        "median": lengths[len(lengths) // 2],
        "longest": lengths[-1],
        "words": len({word for words in split for word in words}),
        "empty": lengths.count(0),
    }


def sample_texts(count: int = 800) -> tuple[list[dict[str, str]], str]:
    """Made-up texts to begin with, and the name of their label."""
    made = TicketsSource(rows=count).read(Path())
    rows: list[dict[str, str]] = made.table.to_pylist()
    return rows, made.label


def look_at_images(folder: Path) -> dict[str, JSON]:
    """What a person wants to know of images; none is decoded.

    Args:
        folder: with a sub-folder of images for each class.

    Returns:
        `rows`, `task`, `classes` as `look` does; `files`, relative to the folder, and their `size`
        in bytes; `smallest` and `largest` (height, width); `proposed`, to bring them to; whether
        they are `grey`.

    Raises:
        DataError: if the folder is not as described, or a file is no image.
        MissingPackage: if Pillow is not installed.
    """
    source = ImageFolderSource(path=str(folder))
    found = source.files(folder)
    headers = [
        read_header(folder / f.file, max_pixels=source.max_pixels, where=str(folder / f.file))
        for f in found
    ]
    sides = sorted(min(h.height, h.width) for h in headers)
    sizes = sorted({(h.height, h.width) for h in headers}, key=lambda s: (s[0] * s[1], s))
    side = max((s for s in SIDES if s <= sides[len(sides) // 2]), default=SIDES[0])
    small = len(sizes) == 1 and max(sizes[0]) <= SIDES[-1]
    classes = Counter(f.label for f in found)
    return {
        "rows": len(found),
        "task": "binary" if len(classes) == FEW else "multiclass",
        "classes": [[k, n] for k, n in sorted(classes.items(), key=lambda p: (-p[1], p[0]))],
        "files": [f.file for f in found],
        "size": sum((folder / f.file).stat().st_size for f in found),
        "smallest": list(sizes[0]),
        "largest": list(sizes[-1]),
        "proposed": list(sizes[0]) if small else [side, side],
        "grey": all(h.grey for h in headers),
    }


def sample_images(count: int = 500) -> dict[str, bytes]:
    """Handwritten digits as grey PNG files of 32x32 pixels, by name, a folder for each class."""
    table = DigitsSource().read(Path()).table.slice(0, count)
    labels = table["label"].to_pylist()
    pixels = np.stack([table[name].to_numpy() for name in table.column_names if name != "label"], 1)
    large = np.kron(pixels.reshape(-1, 8, 8) * 15, np.ones((4, 4))).astype(np.uint8)
    return {
        f"{label}/{number:04}.png": grey_png(image)
        for number, (label, image) in enumerate(zip(labels, large, strict=True))
    }


def grey_png(image: "np.ndarray[Any, np.dtype[np.uint8]]") -> bytes:
    """A grey image, shape (height, width), as PNG.

    Source: W3C, "Portable Network Graphics (PNG) Specification", third edition (2025).
    """

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in image)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _longest(table: pa.Table, label: str, file: Path) -> str:
    found = {
        name: sum(len(value or "") for value in table[name].to_pylist())
        for name in table.column_names
        if name != label and is_text(table.schema.field(name).type)
    }
    if not found:
        raise DataError(
            f"no column beside {label!r} holds texts",
            where=str(file),
            remedy=f"its columns: {', '.join(table.column_names)}",
        )
    return str(max(found, key=lambda name: found[name]))


def _balance(column: pa.ChunkedArray) -> list[JSON]:
    counts = {class_name(e["values"]): e["counts"] for e in column.value_counts().to_pylist()}
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [[name, count] for name, count in ranked]


def _missing(column: pa.ChunkedArray) -> int:
    empty = column.is_null(nan_is_null=pa.types.is_floating(column.type))
    count: int = sum(empty.to_pylist())
    if pa.types.is_string(column.type):
        count += sum(value == "" for value in column.drop_null().to_pylist())
    return count
