"""The UCI handwritten digits: 1,797 images of 8x8 pixels, shipped with the package."""

from dataclasses import dataclass, replace
from pathlib import Path

from aidn_pipeline.core.component import component
from aidn_pipeline.data.bundled_table import FOLDER, bundled_table
from aidn_pipeline.data.source import SourceTable

FILE = FOLDER / "digits.parquet"
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
        return replace(
            bundled_table("digits", label="label", task="multiclass"),
            shape=(1, 8, 8),
            preprocess=[{"use": "rescale", "divisor": LEVELS}],
        )
