"""The data sets that ship with the package, as sources give them."""

import json
from pathlib import Path

from aidn_pipeline.core.signature import Task
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.data.table import read_parquet

FOLDER = Path(__file__).parent / "bundled"


def bundled_table(name: str, *, label: str, task: Task) -> SourceTable:
    """A shipped table; every column but the label is a feature.

    Args:
        name: of its Parquet file; what it is and on which terms stands in the file's own metadata.
        label: name of the label column.
        task: what the label asks for.
    """
    table = read_parquet(FOLDER / f"{name}.parquet")
    features = tuple(column for column in table.column_names if column != label)
    return SourceTable(
        name=name,
        table=table.replace_schema_metadata(None),
        label=label,
        task=task,
        features=features,
        shape=(len(features),),
        provenance=json.loads((table.schema.metadata or {}).get(b"provenance", b"{}")),
        where=f"aidn_pipeline/data/bundled/{name}.parquet",
    )
