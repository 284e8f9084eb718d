"""The diabetes study of 442 patients: a regression, shipped with the package."""

import json
from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.component import component
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.data.table import read_parquet

FILE = Path(__file__).parents[1] / "bundled" / "diabetes.parquet"


@component("source", "diabetes")
@dataclass(frozen=True, kw_only=True)
class DiabetesSource:
    """Progression of diabetes after one year, from ten baseline measurements of 442 patients.

    Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of
    Statistics 32 (2004), the data in its original units.
    """

    def read(self, project: Path) -> SourceTable:
        """Reads the bundled file; `project` is not looked at."""
        table = read_parquet(FILE)
        provenance = json.loads((table.schema.metadata or {}).get(b"provenance", b"{}"))
        features = tuple(table.column_names[:-1])
        return SourceTable(
            name="diabetes",
            table=table.replace_schema_metadata(None),
            label="progression",
            task="regression",
            features=features,
            shape=(len(features),),
            provenance=provenance,
            where="aidn_pipeline/data/bundled/diabetes.parquet",
        )
