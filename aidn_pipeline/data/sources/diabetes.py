"""The diabetes study of 442 patients: a regression, shipped with the package."""

from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.component import component
from aidn_pipeline.data.bundled_table import bundled_table
from aidn_pipeline.data.source import SourceTable


@component("source", "diabetes")
@dataclass(frozen=True, kw_only=True)
class DiabetesSource:
    """Progression of diabetes after one year, from ten baseline measurements of 442 patients.

    Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of
    Statistics 32 (2004), the data in its original units.
    """

    def read(self, project: Path) -> SourceTable:
        """Reads the bundled file; `project` is not looked at."""
        return bundled_table("diabetes", label="progression", task="regression")
