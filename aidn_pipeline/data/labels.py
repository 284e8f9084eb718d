"""Labels: from a column to class names and targets."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aidn_pipeline.core.signature import Task
from aidn_pipeline.errors import DataError

FEW = 2
"""The fewest classes that can be told apart."""
SHOWN = 10
"""Classes that are listed by name."""
MANY = 20
"""More distinct whole numbers than these are a quantity, not classes."""


def check_labels(table: pa.Table, label: str, where: str) -> None:
    """Refuses labels that are missing or infinite: such an example teaches nothing.

    Raises:
        DataError: if one is null, NaN or infinite; says how many and the first row.
    """
    column = table[label]
    missing = column.is_null(nan_is_null=pa.types.is_floating(column.type))
    _refuse(missing, f"labels in column {label!r} are missing (null or NaN)", where)
    if pa.types.is_floating(column.type):
        _refuse(pc.is_inf(column), f"labels in column {label!r} are infinite", where)


def _refuse(wrong: pa.ChunkedArray, what: str, where: str) -> None:
    count = pc.sum(wrong).as_py() or 0
    if count:
        row = wrong.to_pylist().index(True)
        raise DataError(
            f"{count} of {len(wrong)} {what}, the first in row {row + 1}",
            where=where,
            remedy="fill in or remove those rows",
        )


def class_name(value: Any) -> str:
    """The name of a class as text; 3.0 and 3 are the same class.

    Raises:
        DataError: if the value is a fraction, or no UTF-8.
    """
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{value!r:.60} is not UTF-8", remedy="save it as UTF-8") from error
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            raise DataError(f"{value} is no class", remedy="set `task: regression` for numbers")
        return str(int(value))
    return str(value)


def class_names(table: pa.Table, label: str, task: Task, where: str) -> tuple[str, ...]:
    """The classes of a label column: numbers in their order, text sorted; empty for regression.

    Raises:
        DataError: if there are too few or too many for the task.
    """
    if task == "regression":
        if not (pa.types.is_floating(table[label].type) or pa.types.is_integer(table[label].type)):
            raise DataError(
                f"column {label!r} holds {table[label].type}, regression wants numbers",
                where=where,
                remedy="name another label column, or set `task: multiclass`",
            )
        return ()
    values = table[label].unique().to_pylist()
    try:
        names = list(dict.fromkeys(class_name(v) for v in sorted(values)))
    except DataError as error:
        raise DataError(
            f"label column {label!r}: {error.problem}", where=where, remedy=error.remedy
        ) from error
    if len(names) < FEW or (task == "binary" and len(names) != FEW):
        wanted = "exactly two classes" if task == "binary" else "at least two classes"
        raise DataError(
            f"label column {label!r} holds {len(names)} distinct values, "
            f"a {task} task wants {wanted}",
            where=where,
            remedy="check the label column and `task`",
        )
    return tuple(names)


def targets(column: pa.ChunkedArray, task: Task, classes: Sequence[str]) -> "np.ndarray[Any, Any]":
    """int64 class indices, float32 0 or 1 for a binary task, float32 (n, 1) for regression.

    Raises:
        DataError: if a label is none of `classes`.
    """
    if task == "regression":
        numbers: np.ndarray[Any, Any] = column.to_numpy().astype(np.float32)[:, None]
        return numbers
    encoded = column.combine_chunks().dictionary_encode()
    position = {name: i for i, name in enumerate(classes)}
    names = [class_name(v) for v in encoded.dictionary.to_pylist()]
    strangers = [name for name in names if name not in position]
    if strangers:
        raise DataError(
            f"labels {strangers} are none of the classes {list(classes)}",
            remedy="take the snapshot of all rows, so that every class is known",
        )
    table = np.array([position[name] for name in names], dtype=np.int64)
    found: np.ndarray[Any, Any] = table[encoded.indices.to_numpy(zero_copy_only=False)]
    return found.astype(np.float32) if task == "binary" else found


def balance(classes: Sequence[str], counts: Sequence[int]) -> list[str]:
    """A sentence on how often each class occurs in training, the commonest first; none of numbers.

    Args:
        classes: of the labels; empty for a regression.
        counts: training rows of each.
    """
    if not classes:
        return []
    ranked = sorted(zip(classes, counts, strict=True), key=lambda pair: -pair[1])
    listed = ", ".join(f"{name} {count}" for name, count in ranked[:SHOWN])
    rest = f", and {len(ranked) - SHOWN} more" if len(ranked) > SHOWN else ""
    return [f"classes in training: {listed}{rest}"]


def target_units(table: pa.Table, label: str, task: Task) -> tuple[float, float]:
    """Mean and deviation of a regression's targets; 0 and 1 for classes or a constant."""
    if task != "regression":
        return 0.0, 1.0
    values = table[label].to_numpy().astype(np.float64)
    return float(values.mean()), float(values.std()) or 1.0


def infer_task(column: pa.ChunkedArray) -> Task:
    """What a label column asks for, by its values.

    Two distinct values are binary. Numbers with a fraction, or more than 20 distinct ones, are a
    regression. Everything else is multiclass.
    """
    present = column.drop_null().unique()
    if len(present) == FEW:
        return "binary"
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        whole = all(float(value).is_integer() for value in present.to_pylist())
        return "multiclass" if whole and len(present) <= MANY else "regression"
    return (
        "regression" if pa.types.is_integer(column.type) and len(present) > MANY else "multiclass"
    )
