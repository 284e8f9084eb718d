"""A data set into training, validation and test rows: a view, no copy."""

from dataclasses import dataclass

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import DatasetView, coded_files, split_files
from aidn_pipeline.data.shares import check_shares
from aidn_pipeline.data.splits import in_order


@dataclass(frozen=True)
class SplitInputs:
    """The data set to split."""

    dataset: Dataset


@dataclass(frozen=True)
class SplitOutputs:
    """The same table with splits `train`, `validation`, `test`."""

    dataset: Dataset


@component("stage", "split", version=2)
@dataclass(frozen=True, kw_only=True)
class Split(Stage[SplitInputs, SplitOutputs]):
    """Splits by a hash of (seed, row): adding rows moves no other row, equal rows stay together.

    Attributes:
        train: share of the rows.
        validation: share of the rows; 0 leaves the split out.
        test: share of the rows; 0 leaves the split out.
        seed: another seed is another split; not the pipeline's.
        key: column that decides instead of the whole row, such as a customer's id; texts and images
            decide themselves if none is named.
    """

    seeded = False
    train: float = setting(0.7, least=0, most=1)
    validation: float = setting(0.15, least=0, most=1)
    test: float = setting(0.15, least=0, most=1)
    seed: int = 0
    key: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        check_shares(self.shares)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the rows by split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def run(self, inputs: SplitInputs, ctx: StageContext) -> SplitOutputs:
        """Assigns each row.

        Raises:
            DataError: if a split comes out empty or there is no column `key`.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        table = ctx.refs(inputs.dataset)["table.parquet"]
        return SplitOutputs(
            ctx.save(Dataset, split_files(view, table, self.shares, seed=self.seed, key=self.key))
        )


@component("stage", "split_rows")
@dataclass(frozen=True, kw_only=True)
class SplitRows(Stage[SplitInputs, SplitOutputs]):
    """Splits a table whose rows lie one split after the other, as `build(train, ...)` gives them.

    Attributes:
        train: the first rows.
        validation: rows that come next; 0 takes a share of the training rows.
        test: the last rows; 0 leaves the split out.
        holdout: that share, by a hash of each row; 0 leaves the split out.
        seed: another seed is another share.
    """

    seeded = False
    train: int = setting(least=1)
    validation: int = setting(0, least=0)
    test: int = setting(0, least=0)
    holdout: float = setting(0.15, least=0, most=0.9)
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def run(self, inputs: SplitInputs, ctx: StageContext) -> SplitOutputs:
        """Assigns each row.

        Raises:
            DataError: if a split comes out empty, or the rows do not add up.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        rows = {"train": self.train, "validation": self.validation, "test": self.test}
        names, codes = in_order(view.table(), rows, holdout=self.holdout, seed=self.seed)
        table = ctx.refs(inputs.dataset)["table.parquet"]
        return SplitOutputs(ctx.save(Dataset, coded_files(view, table, names, codes)))
