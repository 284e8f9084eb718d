"""Sources with one fault each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from aidn_pipeline.core.component import component
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.testing.source import SourceSuite
from support.planted.fault import planted


def table(x: list[Any], label: list[Any], **more: Any) -> SourceTable:
    told = {"features": ("x",), "shape": (1,), "task": "multiclass", **more}
    columns = pa.table({"x": x, "label": label})
    return SourceTable(name="planted", table=columns, label="label", **told)


@component("source", "planted_place")
@dataclass(frozen=True, kw_only=True)
class Place:
    """Says where it was read."""

    def read(self, project: Path) -> SourceTable:
        return table([1.0, 2.0], ["a", "b"], provenance={"file": str(project / "rows.csv")})


@component("source", "planted_unsorted")
@dataclass(frozen=True, kw_only=True)
class Unsorted:
    """Takes files as they come."""

    def read(self, project: Path) -> SourceTable:
        files = list(project.glob("*.txt"))
        return table([float(file.read_text()) for file in files], [file.stem for file in files])


@component("source", "planted_answer")
@dataclass(frozen=True, kw_only=True)
class Answer:
    """Has its label among its features."""

    def read(self, project: Path) -> SourceTable:
        return table([1.0, 2.0], [0, 1], features=("x", "label"), shape=(2,))


@component("source", "planted_empty")
@dataclass(frozen=True, kw_only=True)
class Empty:
    """Reads nothing."""

    def read(self, project: Path) -> SourceTable:
        return table([], [])


@component("source", "planted_unlabelled")
@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Keeps a row without a label."""

    def read(self, project: Path) -> SourceTable:
        return table([1.0, 2.0, 3.0], [1.5, float("nan"), 2.5], task="regression")


@component("source", "planted_cache")
@dataclass(frozen=True, kw_only=True)
class Cache:
    """Keeps a copy beside the data."""

    def read(self, project: Path) -> SourceTable:
        (project / "cache.bin").write_bytes(b"rows")
        return table([1.0, 2.0], ["a", "b"])


def some_files(self, folder):
    for number in range(4):
        (folder / f"{number}.txt").write_text(str(number))


FAULTS = [
    planted(SourceSuite, "test_reading_twice_gives_the_same_content", Place()),
    planted(
        SourceSuite,
        "test_the_order_in_which_a_folder_lists_its_files_changes_nothing",
        Unsorted(),
        project=some_files,
    ),
    planted(SourceSuite, "test_the_columns_are_those_it_names", Answer()),
    planted(SourceSuite, "test_it_gives_the_rows_it_should", Empty()),
    planted(SourceSuite, "test_every_row_has_a_label_that_fits_the_task", Unlabelled()),
    planted(SourceSuite, "test_reading_writes_nothing", Cache()),
]
