"""What a program hands over to be trained on: checked, and as one table with what it means."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa

from aidn_pipeline.core.signature import Task
from aidn_pipeline.data.frames import is_frame, table_of
from aidn_pipeline.data.labels import check_labels, class_names, infer_task
from aidn_pipeline.data.table import identity, parquet_bytes
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.arrays import as_array

LABEL = "label"
WIDEST = 16_384
"""Numbers of one example; each is a column."""
LEVELS = 255.0
FORMS = (
    "pass (X, y) of arrays or tensors, or a data frame and `target=` the name of its label; of a "
    "file write `configure(source='table')`"
)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one split.

    Attributes:
        table: features and label.
        label: name of the label column.
        shape: of one example; empty for named columns.
        scale: of the features.
    """

    table: pa.Table
    label: str
    shape: tuple[int, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Handed:
    """Everything that was handed over.

    Attributes:
        table: the rows of all splits, one after the other.
        rows: rows of each split that was given, by name.
        settings: fields of the source `memory`.
        is_flat: whether an example is a row of a table, rather than an image or a series.
    """

    table: pa.Table = field(repr=False)
    rows: Mapping[str, int]
    settings: Mapping[str, Any]
    is_flat: bool

    def file(self) -> bytes:
        """The table as a file."""
        return parquet_bytes(self.table)


def hand_over(
    parts: Mapping[str, Any], *, target: str | None, task: Task | None, name: str
) -> Handed:
    """Checks and joins what was handed over.

    Args:
        parts: by split; None for one that was not given.
        target: name of the label in frames and rows with names.
        task: what the label asks for; told from its values by default.
        name: of the data set.

    Raises:
        DataError: if something does not fit: a form, a shape, a length, a column, a label.
    """
    given = {
        split: _part(value, target, split) for split, value in parts.items() if value is not None
    }
    first = given["train"]
    for split, part in given.items():
        _refuse_another_form(first, part, split)
    table = _joined(given)
    asked = task or infer_task(table[first.label])
    class_names(table, first.label, asked, "train")
    settings = {
        "content": identity(table),
        "name": name,
        "label": first.label,
        "task": asked,
        "shape": list(first.shape) if len(first.shape) > 1 else [],
        "scale": first.scale,
    }
    rows = {split: part.table.num_rows for split, part in given.items()}
    return Handed(table, rows, settings, is_flat=len(first.shape) <= 1)


def _part(value: Any, target: str | None, split: str) -> Part:
    if isinstance(value, tuple) and len(value) == 2:
        xs, ys = value
        part = _pair(xs, ys, target or LABEL, split)
    elif is_frame(value):
        part = _named(table_of(value, where=split), target, split)
    elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        names = dict.fromkeys(key for row in value for key in row)
        columns = {name: [row.get(name) for row in value] for name in names}
        part = _named(table_of(columns, where=split), target, split)
    else:
        raise DataError(
            f"this is {type(value).__name__}: not data to train on", where=split, remedy=FORMS
        )
    if part.table.num_rows == 0:
        raise DataError("there are no rows", where=split, remedy="check where they come from")
    check_labels(part.table, part.label, split)
    return part


def _named(table: pa.Table, target: str | None, split: str) -> Part:
    names = table.column_names
    if not names:
        raise DataError("the table has no columns", where=split, remedy=FORMS)
    if target is None:
        raise DataError(
            "the label of a table must be named",
            where=split,
            remedy=f"write `target=`, one of {', '.join(names[:12])}",
        )
    if target not in names:
        near = get_close_matches(target, names, 1)
        raise DataError(
            f"there is no column {target!r}",
            where=split,
            remedy=f"did you mean {near[0]!r}?"
            if near
            else f"its columns: {', '.join(names[:12])}",
        )
    if len(names) == 1:
        raise DataError("there is no column beside the label", where=split, remedy="add features")
    return Part(table, target)


def _pair(xs: Any, ys: Any, label: str, split: str) -> Part:
    labels = _labels(ys, split)
    shape: tuple[int, ...] = ()
    scale = 1.0
    if is_frame(xs):
        table = table_of(xs, where=split)
        if label in table.column_names:
            raise DataError(
                f"a feature is named {label!r}, as the label",
                where=split,
                remedy="name the label by `target=`",
            )
    else:
        table, shape, scale = _features(xs, split)
    if len(labels) != table.num_rows:
        raise DataError(
            f"{table.num_rows} examples and {len(labels)} labels",
            where=split,
            remedy="pass one label for each example, in the same order",
        )
    return Part(table.append_column(label, labels), label, shape, scale)


def _features(xs: Any, split: str) -> tuple[pa.Table, tuple[int, ...], float]:
    array = _array(xs, split, "X")
    if array.ndim < 2:
        raise DataError(
            f"X has the shape {array.shape}; it is (examples, features)",
            where=split,
            remedy="one feature is `X.reshape(-1, 1)`, one example `X.reshape(1, -1)`",
        )
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"X holds {array.dtype}, not numbers",
            where=split,
            remedy="convert it, or pass columns of different kinds as a data frame",
        )
    shape = array.shape[1:]
    width = math.prod(shape)
    flat = np.ascontiguousarray(array.reshape(len(array), width))
    if not 0 < width <= WIDEST:
        raise DataError(
            f"an example of the shape {shape} has {width} numbers; from 1 to {WIDEST:,} are taken",
            where=split,
            remedy="scale the examples down",
        )
    if flat.dtype.kind == "f" and len(shape) > 1 and not np.isfinite(flat).all():
        row = int(np.argwhere(~np.isfinite(flat))[0, 0])
        raise DataError(
            f"example {row + 1} holds a number that is missing or infinite",
            where=split,
            remedy="fill it in; only flat rows may have gaps",
        )
    scale = LEVELS if array.dtype == np.uint8 and len(shape) > 1 else 1.0
    if flat.dtype == np.float16:
        flat = flat.astype(np.float32)
    columns = {f"x{i}": flat[:, i] for i in range(width)}
    return pa.table(columns), shape, scale


def _labels(ys: Any, split: str) -> pa.Array:
    array = _array(ys, split, "y")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 0:
        raise DataError(
            f"y is {type(ys).__name__}, not an array",
            where=split,
            remedy="pass one label for each example",
        )
    if array.ndim != 1:
        raise DataError(
            f"y has the shape {array.shape}; it is one label for each example",
            where=split,
            remedy="of one-hot labels pass the classes: `y.argmax(axis=1)`",
        )
    try:
        return pa.array(array.tolist() if array.dtype.kind == "O" else array, from_pandas=True)
    except (pa.ArrowException, TypeError, OverflowError) as problem:
        raise DataError(
            f"y cannot be read: {problem}",
            where=split,
            remedy="pass labels of one kind, whole numbers of at most 64 bits",
        ) from problem


def _array(values: Any, split: str, name: str) -> "np.ndarray[Any, Any]":
    try:
        return as_array(values)
    except ValueError as problem:
        raise DataError(
            f"{name} is no array: {problem}", where=split, remedy="make all its rows equally long"
        ) from problem
    except (TypeError, RuntimeError) as problem:
        raise DataError(
            f"{name} is no array: {problem}", where=split, remedy="pass it as an array of numpy"
        ) from problem


def _refuse_another_form(first: Part, part: Part, split: str) -> None:
    if part.shape != first.shape:
        raise DataError(
            f"examples of the shape {part.shape}, those of train have {first.shape}",
            where=split,
            remedy="give every split the same features",
        )
    if part.scale != first.scale:
        raise DataError(
            f"pixels here are {_scale_of(part)}, those of train are {_scale_of(first)}",
            where=split,
            remedy="give every split the same kind of array: `astype` of train's dtype, and "
            "divide either all of them or none",
        )
    missing = sorted(set(first.table.column_names) - set(part.table.column_names))
    extra = sorted(set(part.table.column_names) - set(first.table.column_names))
    if missing or extra:
        raise DataError(
            f"the columns {', '.join((missing or extra)[:8])} are "
            f"{'missing' if missing else 'not in train'}",
            where=split,
            remedy="give every split the same columns",
        )


def _scale_of(part: Part) -> str:
    return "levels from 0 to 255 (uint8)" if part.scale == LEVELS else "taken as they are"


def _joined(given: Mapping[str, Part]) -> pa.Table:
    columns: Sequence[str] = given["train"].table.column_names
    tables = [part.table.select(columns) for part in given.values()]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as problem:
        raise DataError(
            f"the splits differ in what their columns hold: {problem}",
            where=", ".join(given),
            remedy="give every split columns of the same kinds",
        ) from problem
