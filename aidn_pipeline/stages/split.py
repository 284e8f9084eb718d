"""A data set into training, validation and test rows: a view, no copy."""

import math
from dataclasses import dataclass

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.component import component
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import DatasetView, split_files
from aidn_pipeline.errors import WrongType


@dataclass(frozen=True)
class SplitInputs:
    """The data set to split."""

    dataset: Dataset


@dataclass(frozen=True)
class SplitOutputs:
    """The same table with splits `train`, `validation`, `test`."""

    dataset: Dataset


@component("stage", "split")
@dataclass(frozen=True, kw_only=True)
class Split(Stage[SplitInputs, SplitOutputs]):
    """Splits by a hash of (seed, row): adding rows moves no other row, equal rows stay together.

    Attributes:
        train: share of the rows.
        validation: share of the rows; 0 leaves the split out.
        test: share of the rows; 0 leaves the split out.
        seed: another seed is another split; not the pipeline's.
        key: column that decides instead of the whole row, such as a customer's id.
    """

    seeded = False
    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    key: str | None = None

    def run(self, inputs: SplitInputs, ctx: StageContext) -> SplitOutputs:
        """Assigns each row.

        Raises:
            WrongType: if the shares are no shares or do not sum to 1.
            DataError: if a split comes out empty or there is no column `key`.
        """
        shares = {"train": self.train, "validation": self.validation, "test": self.test}
        total = math.fsum(shares.values())
        if min(shares.values()) < 0 or self.train <= 0 or not math.isclose(total, 1.0, abs_tol=1e-9):
            raise WrongType(
                f"shares {shares} sum to {total:g}; they must be at least 0 and sum to 1",
                where="split",
                remedy="such as `train: 0.7, validation: 0.15, test: 0.15`",
            )
        view: DatasetView = ctx.load(inputs.dataset)
        table = ctx.refs(inputs.dataset)["table.parquet"]
        return SplitOutputs(
            ctx.save(Dataset, split_files(view, table, shares, seed=self.seed, key=self.key))
        )
