"""The Wisconsin breast cancer samples: a binary task, shipped with the package."""

from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.component import component
from aidn_pipeline.data.bundled_table import bundled_table
from aidn_pipeline.data.source import SourceTable


@component("source", "breast_cancer")
@dataclass(frozen=True, kw_only=True)
class BreastCancerSource:
    """Benign or malignant, from thirty measurements of the cell nuclei in 569 samples.

    Source: W. Wolberg, O. Mangasarian, N. Street, W. Street, "Breast Cancer Wisconsin
    (Diagnostic)", UCI Machine Learning Repository (1995), CC BY 4.0.
    """

    def read(self, project: Path) -> SourceTable:
        """Reads the bundled file; `project` is not looked at."""
        return bundled_table("breast_cancer", label="diagnosis", task="binary")
