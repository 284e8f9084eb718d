"""Rows that a program handed over: arrays, tensors, data frames."""

from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.signature import Task
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.data.table import identity, read_parquet
from aidn_pipeline.errors import CorruptObject, DataError

LOST = "build with the data again; to keep them, write them to a file and use `source=table`"


@component("source", "memory")
@dataclass(frozen=True, kw_only=True)
class MemorySource:
    """Rows of `AiModelBuilder.build(train, ...)`; they are known by their values.

    Equal values are the same work, wherever they came from. A recipe that names them runs where
    they were built with once, and nowhere else.

    Attributes:
        content: id of the table's values.
        file: where the rows lie until the snapshot is taken.
        name: of the data set.
        label: name of the label column.
        task: what the label asks for.
        shape: of one example; empty for a flat row.
        scale: features are divided by it before they reach the model.
    """

    content: str
    file: str | None = setting(None, semantic=False)
    name: str = "memory"
    label: str = "label"
    task: Task = "multiclass"
    shape: tuple[int, ...] = ()
    scale: float = 1.0

    def read(self, project: Path) -> SourceTable:
        """Reads the rows that were handed over; `project` is not looked at.

        Raises:
            DataError: if they are not there any more, or others are.
        """
        if self.file is None:
            raise DataError(
                f"the rows {self.content[:15]} were not handed over in this run",
                where="source.content",
                remedy=LOST,
            )
        try:
            table = read_parquet(Path(self.file))
        except CorruptObject as problem:
            raise DataError(
                f"the rows {self.content[:15]} are not there any more",
                where=self.file,
                remedy=LOST,
            ) from problem
        if identity(table) != self.content:
            raise DataError(
                f"the rows are not those of {self.content[:15]}", where=self.file, remedy=LOST
            )
        features = tuple(name for name in table.column_names if name != self.label)
        return SourceTable(
            name=self.name,
            table=table,
            label=self.label,
            task=self.task,
            features=features,
            shape=self.shape or (len(features),),
            preprocess=[{"use": "rescale", "divisor": self.scale}] if self.scale != 1.0 else [],
            provenance={"memory": self.content},
            where=self.name,
        )
