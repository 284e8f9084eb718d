"""A first look at a table: what its columns are, and what doing nothing clever would reach."""

from pathlib import Path

import pyarrow as pa

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.data.kinds import infer_kinds
from aidn_pipeline.data.labels import class_name, class_names, infer_task
from aidn_pipeline.data.sources.table import TableSource, read_table
from aidn_pipeline.errors import DataError


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
