"""A first look at data: what it holds, and what doing nothing clever would reach."""

from pathlib import Path

import pyarrow as pa

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.data.kinds import infer_kinds
from aidn_pipeline.data.labels import class_name, class_names, infer_task
from aidn_pipeline.data.sources.table import TableSource, read_table
from aidn_pipeline.data.sources.text import TextSource
from aidn_pipeline.data.sources.tickets import TicketsSource
from aidn_pipeline.data.tokenization import is_text
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.text import words_of


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
