"""Texts of the user's: JSON lines, CSV or Parquet with a column of texts and one of labels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.signature import Task
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.data.sources.table import TableSource
from aidn_pipeline.data.tokenization import is_text
from aidn_pipeline.errors import DataError


@component("source", "text", version=2)
@dataclass(frozen=True, kw_only=True)
class TextSource:
    """One file with a text and a label for each example: `{"text": "...", "label": "..."}`.

    Attributes:
        path: `.jsonl`, CSV (with a header line) or Parquet, relative to the project.
        text: name of the column of texts; other columns are kept and not read.
        label: name of the label column.
        task: `multiclass`, `binary`, `regression`, or `auto`: numbers with a fraction or many of
            them are a regression, two values are binary, others are classes.
    """

    path: str = setting(content=True)
    text: str = "text"
    label: str = "label"
    task: Task | Literal["auto"] = "auto"

    def read(self, project: Path) -> SourceTable:
        """Reads the file.

        Raises:
            DataError: if it is missing or unreadable, a named column is absent, or the texts are
                none.
        """
        if self.text == self.label:
            raise DataError(
                f"column {self.text!r} is both text and label",
                where=self.path,
                remedy="set `source.text` and `source.label`",
            )
        table = TableSource(
            path=self.path, label=self.label, task=self.task, features=(self.text,)
        ).read(project)
        kind = table.table.schema.field(self.text).type
        if not is_text(kind):
            raise DataError(
                f"column {self.text!r} holds {kind}, not texts",
                where=self.path,
                remedy="name the column of the texts: `source.text=...`",
            )
        # Equal texts stay together, whatever else stands in their rows.
        return replace(table, split_key=self.text)
