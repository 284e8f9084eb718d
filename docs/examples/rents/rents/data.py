"""Flats with what is known of their districts."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from pyarrow import csv

from aidn_pipeline import SourceTable, component, setting


@component("source", "flats")
@dataclass(frozen=True, kw_only=True)
class Flats:
    """One row for each flat on offer.

    Attributes:
        flats: CSV of the flats, relative to the project.
        districts: CSV of their districts.
    """

    flats: str = setting("data/flats.csv", content=True)
    districts: str = setting("data/districts.csv", content=True)

    def read(self, project: Path) -> SourceTable:
        """Joins the files and derives the age and the area of a room."""
        table = csv.read_csv(project / self.flats).join(
            csv.read_csv(project / self.districts), keys="district"
        )
        # A join promises no order, and the order of the rows is part of what they are.
        table = table.sort_by("flat")
        table = table.append_column("age", pc.subtract(2026, table["built"]))
        table = table.append_column("room_area", pc.divide(table["area"], table["rooms"]))
        features = tuple(c for c in table.column_names if c not in ("flat", "built", "rent"))
        return SourceTable(
            name="flats",
            table=table,
            label="rent",
            task="regression",
            features=features,
            shape=(len(features),),
            where=self.flats,
        )
