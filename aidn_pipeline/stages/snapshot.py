"""A source's data into the store."""

from dataclasses import dataclass
from typing import Any

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.stage import NoInputs, Stage, StageContext
from aidn_pipeline.data.dataset import snapshot_files


@dataclass(frozen=True)
class SnapshotOutputs:
    """The whole table, not split."""

    dataset: Dataset


@component("stage", "snapshot", packages=("pyarrow",))
@dataclass(frozen=True, kw_only=True)
class Snapshot(Stage[NoInputs, SnapshotOutputs]):
    """Takes a source's table into the store with its schema, statistics and signature.

    Attributes:
        source: where the data comes from.
    """

    seeded = False
    source: Any = setting(group="source")

    def run(self, inputs: NoInputs, ctx: StageContext) -> SnapshotOutputs:
        """Reads the source.

        Raises:
            DataError: if the data is missing, empty or not what was declared.
        """
        return SnapshotOutputs(ctx.save(Dataset, snapshot_files(self.source.read(ctx.project))))
