"""Raw rows from outside, checked and put in the order of the features."""

import math
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aidn_pipeline.core.columns import Cell, Column, Image, Text, reader
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.arrays import as_array
from aidn_pipeline.inputs.images import as_levels, stack_pixels
from aidn_pipeline.inputs.text import token_reader

ABSENT = object()
"""Stands where a row has no value, which is not None."""


def tensor_of(rows: Any, signature: Signature, *, first: int = 1) -> Tensor:
    """Raw examples of `signature.raw_dtype`, shape (n, *signature.raw_shape).

    Args:
        rows: a list of mappings from column to value (the label column may be among them), a list
            of lists in the order of the columns, or an array of shape (n, columns) or
            (n, *signature.shape). Of texts each row may be the text itself, of images what
            `aidn_pipeline.inputs.images.stack_pixels` takes.
        signature: of the data the model was trained on. Where it has prepared columns, a value may
            be missing: None, NaN or empty text.
        first: number of the first row in messages.

    Raises:
        DataError: if a column is missing or unknown, a row has another width, or a value is not
            what its column holds; names the row, counted from 1, and the column.
    """
    if signature.columns:
        plain = [_cells(row, signature, i) for i, row in enumerate(rows, start=first)]
        return torch.from_numpy(encode_rows(signature.columns, plain, first=first))
    if signature.text:
        plain = [_cells(row, signature, i) for i, row in enumerate(rows, start=first)]
        return torch.from_numpy(encode_texts(signature.text, [c[0] for c in plain], first=first))
    if signature.image:
        return torch.from_numpy(_images(rows, signature.image, signature, first))
    if isinstance(rows, (Tensor, np.ma.MaskedArray)):
        rows = as_array(rows)
    if isinstance(rows, np.ndarray):
        table = _array(rows, signature)
    else:
        plain = list(rows)
        table = np.empty((len(plain), len(signature.features)), dtype=np.float32)
        for i, row in enumerate(plain):
            table[i] = _row(row, signature, first + i)
    return torch.from_numpy(table).reshape(-1, *signature.shape)


def encode_rows(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], *, first: int = 1
) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Raw values in the order of the columns as numbers, shape (rows, sum of the widths).

    Raises:
        DataError: if a value is not of its column's kind; names the row, counted from `first`.
    """
    found = np.empty((len(rows), sum(column.width for column in columns)), dtype=np.float32)
    place = 0
    for position, column in enumerate(columns):
        read = reader(column)
        for i, row in enumerate(rows):
            try:
                value = read(row[position])
            except ValueError as problem:
                raise DataError(
                    f"{row[position]!r} is {problem}",
                    where=f"row {first + i}, column {column.name}",
                    remedy="write it as in the training data; leave it empty if it is missing",
                ) from problem
            missing = math.isnan(value)
            found[i, place] = column.fill if missing else value
            if column.indicator:
                found[i, place + 1] = missing
        place += column.width
    return found


def encode_texts(
    column: Text, texts: Sequence[Any], *, first: int = 1
) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Token ids, shape (texts, column.length).

    Raises:
        DataError: if a value is no text; names the row, counted from `first`.
    """
    read = token_reader(column)
    found = np.zeros((len(texts), column.length), dtype=np.int64)
    for i, text in enumerate(texts):
        try:
            found[i] = read(text)
        except ValueError as problem:
            raise DataError(
                f"{text!r} is {problem}",
                where=f"row {first + i}, column {column.name}",
                remedy="put it in quotes if it is meant as a text",
            ) from problem
    return found


def _images(
    rows: Any, image: Image, signature: Signature, first: int
) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    array = as_array(rows) if isinstance(rows, Tensor) else rows
    if isinstance(array, np.ndarray) and array.shape[1:] == signature.raw_shape:
        return as_levels(array, "rows")
    cells = [_cells(row, signature, i) for i, row in enumerate(rows, start=first)]
    return stack_pixels(
        (values[0] for values in cells),
        image,
        place=lambda i: f"row {first + i}, column {image.name}",
    )


def _array(array: "np.ndarray[Any, Any]", signature: Signature) -> "np.ndarray[Any, Any]":
    width = len(signature.features)
    if array.ndim < 2 or array[0:1].size not in (0, width) or math.prod(array.shape[1:]) != width:
        raise DataError(
            f"an array of shape {array.shape}, the model takes (rows, {width})",
            where="rows",
            remedy=f"pass {width} features for each row; one row is an array of shape (1, {width})",
        )
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"an array of {array.dtype}, not numbers", where="rows", remedy="convert it to float32"
        )
    table = np.ascontiguousarray(array.reshape(-1, width), dtype=np.float32)
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        raise _no_number(
            int(wrong[0, 0]) + 1, signature.features[int(wrong[0, 1])], table[tuple(wrong[0])]
        )
    return table


def _row(row: Any, signature: Signature, number: int) -> list[float]:
    values = [_plain(value) for value in _cells(row, signature, number)]
    for name, value in zip(signature.features, values, strict=True):
        plain = isinstance(value, (bool, int, float, np.number, np.bool_))
        if not plain or not math.isfinite(np.float32(value)):
            raise _no_number(number, name, value)
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Cell):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _cells(row: Any, signature: Signature, number: int) -> list[Any]:
    names = signature.raw_names
    alone = (str,) if signature.text else (Path, bytes, np.ndarray) if signature.image else ()
    if isinstance(row, alone):
        values = [row]
    elif isinstance(row, Mapping):
        values = _named(row, names, signature, number)
    elif isinstance(row, (Sequence, np.ndarray, Tensor)) and not isinstance(row, (str, bytes)):
        array = as_array(row) if isinstance(row, (Tensor, np.ma.MaskedArray)) else row
        # One example of an array of images has their shape.
        values = array.ravel().tolist() if isinstance(array, np.ndarray) else list(array)
    else:
        raise DataError(
            f"row {number} is {type(row).__name__}, neither named columns nor a list of numbers",
            where=f"row {number}",
            remedy='pass {"column": number, ...} or a list of numbers for each row',
        )
    if len(values) != len(names):
        raise DataError(
            f"row {number} has {len(values)} values, the model takes {len(names)} features",
            where=f"row {number}",
            remedy=f"the features in order: {_listed(names)}",
        )
    return values


def _named(
    row: Mapping[str, Any], names: Sequence[str], signature: Signature, number: int
) -> list[Any]:
    values = [row.get(name, ABSENT) for name in names]
    # Most rows have these columns and no other, and need no closer look.
    if len(row) != len(names) or any(value is ABSENT for value in values):
        check_columns(row, signature, f"row {number}")
    return values


def check_columns(given: Collection[Any], signature: Signature, what: str) -> None:
    """Refuses named columns that are not the model's; the label may be among them.

    Raises:
        DataError: if one is missing or unknown; `what` says of what.
    """
    names = signature.raw_names
    missing = [name for name in names if name not in given]
    if missing:
        unknown = [str(key) for key in given if key not in names]
        near = get_close_matches(missing[0], unknown, 1)
        raise DataError(
            f"{what} lacks the columns {_listed(missing)}",
            where=what,
            remedy=f"is {near[0]!r} meant to be {missing[0]!r}?"
            if near
            else f"give every feature: {_listed(names)}",
        )
    known = {*names, signature.label, *signature.ignored}
    extra = [str(key) for key in given if key not in known]
    if extra:
        raise DataError(
            f"{what} has columns the model does not know: {_listed(extra)}",
            where=what,
            remedy="leave them out",
        )


def _no_number(number: int, name: str, value: Any) -> DataError:
    return DataError(
        f"{value!r} is no finite number",
        where=f"row {number}, column {name}",
        remedy="fill missing values in as in the training data",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
