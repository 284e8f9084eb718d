"""What a source gives: a table, and what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from aidn_pipeline.core.columns import Image
from aidn_pipeline.core.signature import Signature, Task
from aidn_pipeline.core.stage import Description
from aidn_pipeline.data.labels import check_labels, class_names, targets
from aidn_pipeline.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A table with its meaning.

    Attributes:
        name: of the data set.
        table: features and label, rows in the order of the source.
        label: name of the label column.
        task: what the label asks for.
        features: feature columns in the order of the feature axis.
        shape: of one example; its product is the number of features.
        preprocess: descriptions of the transforms that the model's input passes, in order.
        provenance: where the data comes from and on which terms.
        where: the place to name in errors.
        image: of images, how a file becomes pixels; their feature column holds these as bytes,
            (height, width, channels).
        split_key: column that decides which split a row is in, so that rows which share its value
            stay together; empty for the whole row. A split stage may name another.
    """

    name: str
    table: pa.Table
    label: str
    task: Task
    features: tuple[str, ...]
    shape: tuple[int, ...]
    preprocess: Sequence[Description] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    image: Image | None = None
    split_key: str = ""

    def signature(self) -> Signature:
        """The signature of all rows; a split counts its training rows anew.

        Raises:
            DataError: if the table is empty or its labels do not fit the task.
        """
        if self.table.num_rows == 0:
            raise DataError(
                "the table has no rows",
                where=self.where,
                remedy="check the path and the export that wrote it",
            )
        check_labels(self.table, self.label, self.where)
        classes = class_names(self.table, self.label, self.task, self.where)
        return Signature(
            task=self.task,
            features=self.features,
            shape=self.shape,
            label=self.label,
            classes=classes,
            counts=class_counts(self.table, self.label, self.task, classes),
            image=self.image,
            ignored=tuple(
                name
                for name in self.table.column_names
                if self.image and name not in (*self.features, self.label)
            ),
        )


class Source(Protocol):
    """A component of the group `source`."""

    def read(self, project: Path) -> SourceTable:
        """Reads the data.

        Args:
            project: the project's root; relative paths are against it.

        Raises:
            DataError: if the data is missing or not what was declared.
        """
        ...


def class_counts(
    table: pa.Table, label: str, task: Task, classes: tuple[str, ...]
) -> tuple[int, ...]:
    """Rows of each class; empty for regression."""
    if not classes:
        return ()
    found = targets(table[label], task, classes).astype(int).tolist()
    return tuple(found.count(i) for i in range(len(classes)))
