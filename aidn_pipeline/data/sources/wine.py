"""Wines of three cultivars: a table of three classes, shipped with the package."""

from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.component import component
from aidn_pipeline.data.bundled_table import bundled_table
from aidn_pipeline.data.source import SourceTable


@component("source", "wine")
@dataclass(frozen=True, kw_only=True)
class WineSource:
    """The cultivar of 178 Italian wines, one of three, from thirteen chemical measurements.

    Source: S. Aeberhard, M. Forina, "Wine", UCI Machine Learning Repository (1992), CC BY 4.0.
    """

    def read(self, project: Path) -> SourceTable:
        """Reads the bundled file; `project` is not looked at."""
        return bundled_table("wine", label="cultivar", task="multiclass")
