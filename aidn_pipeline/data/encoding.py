"""Columns of a table of any kind into one float32 matrix."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aidn_pipeline.core.columns import LARGEST, Column, Image, Text, reader
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.text import token_reader

Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Ids: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
SHOWN = 60
"""Characters of a wrong value that are shown."""


def encode_table(columns: Sequence[Column], table: pa.Table, *, where: str) -> Matrix:
    """The columns of a table, shape (rows, sum of their widths).

    Raises:
        DataError: if a column is missing or a value is not of its kind.
    """
    missing = [c.name for c in columns if c.name not in table.column_names]
    if missing:
        raise DataError(
            f"the table has no column {missing[0]!r}",
            where=where,
            remedy=f"the model takes {', '.join(c.name for c in columns)}",
        )
    found = np.empty((table.num_rows, sum(c.width for c in columns)), dtype=np.float32)
    place = 0
    for column in columns:
        values = column_numbers(column, table[column.name], where=where)
        missing = np.isnan(values)
        found[:, place] = np.where(missing, column.fill, values)
        if column.indicator:
            found[:, place + 1] = missing
        place += column.width
    return found


def encode_texts(column: Text, values: pa.ChunkedArray, *, where: str) -> Ids:
    """Token ids of a column of texts, shape (rows, column.length).

    Raises:
        DataError: if a value is no text.
    """
    read = token_reader(column)
    try:
        rows = [read(value) for value in values.to_pylist()]
    except ValueError as problem:
        raise DataError(
            f"a value of column {column.name!r} is {problem}",
            where=f"{where}, column {column.name}",
            remedy="write every text as a string",
        ) from problem
    return np.array(rows, dtype=np.int64).reshape(len(rows), column.length)


def stored_pixels(image: Image, values: pa.ChunkedArray) -> Pixels:
    """Pixels of a snapshot's column, shape (rows, channels, height, width)."""
    shape = (image.height, image.width, image.channels)
    found: Pixels = np.empty((len(values), *shape), dtype=np.uint8)
    for i, value in enumerate(values):
        found[i] = np.frombuffer(value.as_buffer(), dtype=np.uint8).reshape(shape)
    # A copy, even where one channel makes the view contiguous: torch tells the kernel of a
    # convolution from the strides, and another kernel gives other bits.
    return found.transpose(0, 3, 1, 2).copy(order="C")


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers that need no reading."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def numbers_of(column: pa.ChunkedArray) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A number column as float64, NaN where it is null."""
    found: np.ndarray[Any, np.dtype[np.float64]] = (
        column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    )
    return found


def column_numbers(
    column: Column, values: pa.ChunkedArray, *, where: str
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The first number of each value, NaN for a missing one, a code for a category; shape (rows,).

    Raises:
        DataError: if a value is not of the column's kind; says which.
    """
    if column.kind == "numeric" and is_number(values.type):
        found = numbers_of(values)
        wrong = np.isinf(found) | (np.abs(found) > LARGEST)
        if wrong.any():
            raise _not_of_its_kind(
                column,
                float(found[wrong][0]),
                int(wrong.sum()),
                "too large for a number here",
                where,
            )
        return found
    # A value is read once, however many rows have it.
    distinct = values.combine_chunks()
    if not pa.types.is_dictionary(distinct.type):
        distinct = distinct.dictionary_encode()
    codes = pc.fill_null(distinct.indices, len(distinct.dictionary)).to_numpy(zero_copy_only=False)
    read = reader(column)
    table = np.full(len(distinct.dictionary) + 1, math.nan)
    table[-1] = read(None)
    for code, value in enumerate(distinct.dictionary.to_pylist()):
        try:
            table[code] = read(value)
        except ValueError as problem:
            count = int((codes == code).sum())
            raise _not_of_its_kind(column, value, count, str(problem), where) from problem
    chosen: np.ndarray[Any, np.dtype[np.float64]] = table[codes]
    return chosen


def _not_of_its_kind(column: Column, value: Any, count: int, why: str, where: str) -> DataError:
    shown = repr(value) if len(repr(value)) <= SHOWN else f"{repr(value)[:SHOWN]}..."
    rows = "1 row" if count == 1 else f"{count} rows"
    return DataError(
        f"{shown} in column {column.name!r} is {why} ({rows})",
        where=f"{where}, column {column.name}",
        remedy="correct it, or say what the column is: "
        f"`stages.prepare.kinds.{column.name}=categorical`, or leave it out: "
        f"`stages.prepare.ignore`",
    )
