"""Columns of a table of any kind into one float32 matrix."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aidn_pipeline.core.columns import Column, Text, reader
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.text import token_reader

Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Ids: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"


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
        values = _numbers(column, table[column.name], where)
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


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers that need no reading."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def numbers_of(column: pa.ChunkedArray) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A number column as float64, NaN where it is null."""
    found: np.ndarray[Any, np.dtype[np.float64]] = (
        column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    )
    return found


def _numbers(
    column: Column, values: pa.ChunkedArray, where: str
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    if column.kind == "numeric" and is_number(values.type):
        found = numbers_of(values)
        if np.isinf(found).any():
            raise DataError(
                f"{int(np.isinf(found).sum())} values of feature {column.name!r} are infinite",
                where=f"{where}, column {column.name}",
                remedy="correct them, or leave the column out: `stages.prepare.ignore`",
            )
        return found
    # A value is read once, however many rows have it.
    distinct = values.combine_chunks()
    if not pa.types.is_dictionary(distinct.type):
        distinct = distinct.dictionary_encode()
    read = reader(column)
    try:
        table = np.array([read(v) for v in [*distinct.dictionary.to_pylist(), None]])
    except ValueError as problem:
        raise DataError(
            f"a value of feature {column.name!r} is {problem}",
            where=f"{where}, column {column.name}",
            remedy=f"name its kind: `stages.prepare.kinds.{column.name}=categorical`",
        ) from problem
    codes = pc.fill_null(distinct.indices, len(table) - 1).to_numpy(zero_copy_only=False)
    chosen: np.ndarray[Any, np.dtype[np.float64]] = table[codes]
    return chosen
