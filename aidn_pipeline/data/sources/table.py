"""A table of the user's: CSV, JSON lines or Parquet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.json as arrow_json
import pyarrow.parquet as pq

from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.signature import Task
from aidn_pipeline.data.labels import infer_task
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.errors import DataError

LARGEST = 1 << 30
"""Bytes of JSON lines that are looked at together."""


def read_csv(path: Path) -> pa.Table:
    """A CSV file; texts in quotes may hold line breaks."""
    return arrow_csv.read_csv(path, parse_options=arrow_csv.ParseOptions(newlines_in_values=True))


def read_json_lines(path: Path) -> pa.Table:
    """JSON lines; a line may be as long as it likes, and a column's type is told from all lines."""
    block = min(max(path.stat().st_size, 1 << 20), LARGEST)
    return arrow_json.read_json(path, read_options=arrow_json.ReadOptions(block_size=block))


READERS: Mapping[str, Callable[[Path], pa.Table]] = {
    ".csv": read_csv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": pq.read_table,
}


@component("source", "table", version=2)
@dataclass(frozen=True, kw_only=True)
class TableSource:
    """One file with a row for each example, a label column and numeric features.

    Attributes:
        path: CSV (with a header line), `.jsonl` or Parquet, relative to the project.
        label: name of the label column.
        task: `multiclass`, `binary`, `regression`, or `auto`: numbers with a fraction or many of
            them are a regression, two values are binary, others are classes.
        features: feature columns; empty takes every column but the label and `ignore`.
        ignore: columns that are kept in the snapshot and are no features, such as a row id.
        shape: of one example, such as [1, 28, 28]; empty for a flat row.
        scale: features are divided by it before they reach the model; 1 leaves them.
    """

    path: str = setting(content=True)
    label: str = "label"
    task: Task | Literal["auto"] = "multiclass"
    features: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    scale: float = 1.0

    def read(self, project: Path) -> SourceTable:
        """Reads the file.

        Raises:
            DataError: if it is missing or unreadable, a named column is absent, or the shape does
                not hold the features.
        """
        table = read_table(project / self.path, self.path)
        self._has(table, self.label, "label")
        for name in self.features:
            self._has(table, name, "features")
        left_out = {self.label, *self.ignore}
        features = self.features or tuple(c for c in table.column_names if c not in left_out)
        return SourceTable(
            name=Path(self.path).stem,
            table=table.replace_schema_metadata(None),
            label=self.label,
            task=infer_task(table[self.label]) if self.task == "auto" else self.task,
            features=features,
            shape=self._shape(features),
            preprocess=[{"use": "rescale", "divisor": self.scale}] if self.scale != 1.0 else [],
            provenance={"file": Path(self.path).name},
            where=self.path,
        )

    def _has(self, table: pa.Table, name: str, key: str) -> None:
        count = table.column_names.count(name)
        if count == 1:
            return
        near = get_close_matches(name, table.column_names, 1)
        columns = ", ".join(table.column_names[:12]) + (", ..." if table.num_columns > 12 else "")
        raise DataError(
            f"{'no' if count == 0 else 'more than one'} column {name!r} ({key}) in the table",
            where=self.path,
            remedy=f"did you mean `{near[0]}`?"
            if near and not count
            else f"its columns: {columns}",
        )

    def _shape(self, features: tuple[str, ...]) -> tuple[int, ...]:
        if not features:
            raise DataError(
                "the table has no feature column beside its label",
                where=self.path,
                remedy="add columns, or name `features`",
            )
        if not self.shape:
            return (len(features),)
        product = 1
        for side in self.shape:
            product *= side
        if product != len(features):
            raise DataError(
                f"shape {list(self.shape)} holds {product} values, "
                f"the table has {len(features)} features",
                where=self.path,
                remedy="correct `source.shape`, or leave it out for flat rows",
            )
        return self.shape


def read_table(path: Path, where: str) -> pa.Table:
    """A table as its file has it.

    Args:
        path: CSV (with a header line), `.jsonl` or Parquet.
        where: the place to name in errors.

    Raises:
        DataError: if the file is missing, empty or unreadable.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"files ending in {path.suffix!r} are no tables this release reads",
            where=where,
            remedy=f"use one of {', '.join(READERS)}",
        )
    if not path.is_file():
        near = get_close_matches(path.name, _names(path.parent), 1)
        raise DataError(
            "the file does not exist",
            where=where,
            remedy=f"did you mean `{near[0]}`?"
            if near
            else "set `source.path`; a relative path is against the project's root",
        )
    if path.stat().st_size == 0:
        raise DataError("the file is empty", where=where, remedy="write a header and rows into it")
    try:
        table = reader(path)
        # Nobody has looked yet whether names and texts are UTF-8, and whether lengths fit.
        _ = table.column_names
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the file cannot be read as {path.suffix[1:]}: {error}",
            where=where,
            remedy="check that the file is complete and its ending says what it is",
        ) from error
    return table


def _names(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir()] if folder.is_dir() else []
