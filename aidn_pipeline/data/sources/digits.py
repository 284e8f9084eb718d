"""The UCI handwritten digits: 1,797 images of 8x8 pixels, shipped with the package."""

import json
from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.component import component
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.data.table import read_parquet

FILE = Path(__file__).parents[1] / "bundled" / "digits.parquet"
LEVELS = 16.0
"""The largest grey level: pixels count the ink in 4x4 blocks of the scan."""


@component("source", "digits")
@dataclass(frozen=True, kw_only=True)
class DigitsSource:
    """Handwritten digits, 10 classes, 64 pixels from 0 to 16.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository (1998), CC BY 4.0; the 1,797 images of its test file.
    """

    def read(self, project: Path) -> SourceTable:
        """Reads the bundled file; `project` is not looked at."""
        table = read_parquet(FILE)
        provenance = json.loads((table.schema.metadata or {}).get(b"provenance", b"{}"))
        return SourceTable(
            name="digits",
            table=table.replace_schema_metadata(None),
            label="label",
            task="multiclass",
            features=tuple(table.column_names[:-1]),
            shape=(1, 8, 8),
            preprocess=[{"use": "rescale", "divisor": LEVELS}],
            provenance=provenance,
            where="aidn_pipeline/data/bundled/digits.parquet",
        )
