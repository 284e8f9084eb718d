"""Tables that programs hold in memory, whatever library made them, as Arrow tables.

pandas, polars, Arrow and others hand their columns over by the Arrow PyCapsule interface, so none
of them is imported here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import interchange

from aidn_pipeline.core.columns import Column, Text, reader
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.data.encoding import (
    Ids,
    Matrix,
    encode_table,
    encode_texts,
    is_number,
    numbers_of,
)
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.arrays import as_array
from aidn_pipeline.inputs.images import stack_pixels
from aidn_pipeline.inputs.text import token_reader

ROWS = 8192
"""Rows of a part of a table that is read part by part."""


def is_frame(value: Any) -> bool:
    """Whether a value has named columns of its own."""
    named = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")
    return isinstance(value, Mapping) or any(hasattr(value, name) for name in named)


def table_of(value: Any, *, where: str) -> pa.Table:
    """A frame, or a mapping of names to columns, as a table; an index of rows is left out.

    Raises:
        DataError: if the columns cannot be read or are not equally long.
    """
    try:
        table = _table(value)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError) as problem:
        raise DataError(
            f"the columns of a {type(value).__name__} cannot be read: {problem}",
            where=where,
            remedy="pass columns of numbers, texts, dates or truth values, equally long",
        ) from problem
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise DataError(
            f"two columns are named {twice[0]!r}", where=where, remedy="rename one of them"
        )
    return _plain(table)


def parts_of(value: Any, *, where: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a frame, some thousand at a time; of a stream no more than that is held.

    Raises:
        DataError: as `table_of`.
    """
    if hasattr(value, "__arrow_c_stream__"):
        for batch in pa.RecordBatchReader.from_stream(value):
            for start in range(0, batch.num_rows, ROWS):
                yield _plain(pa.table(batch.slice(start, ROWS))).to_pylist()
        return
    table = table_of(value, where=where)
    for start in range(0, table.num_rows, ROWS):
        yield table.slice(start, ROWS).to_pylist()


def features_of(table: pa.Table, signature: Signature) -> "np.ndarray[Any, Any]":
    """Raw features in the model's order, shape (rows, their width).

    Raises:
        DataError: if a value is not what its column holds; names the row, from 1, and the column.
    """
    if signature.columns:
        return _encoded(table, signature.columns)
    if signature.text:
        return _tokens(table, signature.text)
    if image := signature.image:
        files = table[image.name].to_pylist()
        return stack_pixels(
            (Path(file) if isinstance(file, str) else file for file in files),
            image,
            place=lambda i: f"row {i + 1}, column {image.name}",
        )
    found = np.empty((table.num_rows, len(signature.features)), dtype=np.float32)
    for place, name in enumerate(signature.features):
        column = table[name]
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if not is_number(column.type):
            raise _no_number(f"column {name!r} holds {column.type}, not numbers", f"column {name}")
        with np.errstate(over="ignore"):
            found[:, place] = numbers_of(column)
        wrong = np.flatnonzero(~np.isfinite(found[:, place]))
        if len(wrong):
            row = int(wrong[0])
            raise _no_number(
                f"{column[row].as_py()!r} is no finite number", f"row {row + 1}, column {name}"
            )
    return found


def _tokens(table: pa.Table, text: Text) -> Ids:
    values = table[text.name]
    try:
        return encode_texts(text, values, where="the table")
    except DataError as problem:
        raise _wrong(values, token_reader(text), text.name) or problem from problem


def _encoded(table: pa.Table, columns: Sequence[Column]) -> Matrix:
    try:
        with np.errstate(over="ignore"):
            found = encode_table(columns, table, where="the table")
    except DataError as problem:
        raise _at_its_row(columns, table) or problem from problem
    wrong = None if np.isfinite(found).all() else _at_its_row(columns, table)
    if wrong is not None:
        raise wrong
    return found


def _at_its_row(columns: Sequence[Column], table: pa.Table) -> DataError | None:
    found = (_wrong(table[column.name], reader(column), column.name) for column in columns)
    return next((problem for problem in found if problem is not None), None)


def _wrong(values: pa.ChunkedArray, read: Callable[[Any], Any], name: str) -> DataError | None:
    # Whole columns are read at once; only when one cannot be is its row looked for.
    for number, value in enumerate(values.to_pylist(), start=1):
        try:
            read(value)
        except ValueError as problem:
            return DataError(
                f"{value!r} is {problem}",
                where=f"row {number}, column {name}",
                remedy="write it as in the training data; leave it empty if it is missing",
            )
    return None


def _no_number(problem: str, place: str) -> DataError:
    return DataError(problem, where=place, remedy="fill missing values in as in the training data")


def _table(value: Any) -> pa.Table:
    if isinstance(value, Mapping):
        return pa.table({str(name): _column(column) for name, column in value.items()})
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__"):
        return pa.table(value)
    return interchange.from_dataframe(value)


def _column(values: Any) -> Any:
    # A tensor, and a series of any library, is an array to numpy; of a mask Arrow makes nulls.
    if isinstance(values, (list, tuple, pa.Array, pa.ChunkedArray, np.ma.MaskedArray)):
        return values
    return as_array(values)


def _plain(table: pa.Table) -> pa.Table:
    table = table.drop_columns(_index(table)).replace_schema_metadata(None)
    for place, field in enumerate(table.schema):
        kind = _plain_type(field.type)
        if kind != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(kind))
    return table


def _index(table: pa.Table) -> list[str]:
    """Columns that pandas says are an index; what others write under its name says nothing."""
    try:
        said = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return []
    listed = said.get("index_columns") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        return []
    # pandas lists ranges among its indexes, which are no columns.
    return [name for name in listed if isinstance(name, str) and name in table.column_names]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    # Libraries differ in how they hold equal texts; what is stored must not.
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return kind
