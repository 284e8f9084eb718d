"""One fold of a cross-validation: a view, no copy."""

from dataclasses import dataclass

import numpy as np

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import DatasetView, coded_files
from aidn_pipeline.data.folds import Codes, deal, held_back
from aidn_pipeline.data.labels import targets
from aidn_pipeline.data.shares import check_fold
from aidn_pipeline.stages.split import SplitInputs, SplitOutputs


@component("stage", "kfold")
@dataclass(frozen=True, kw_only=True)
class KFold(Stage[SplitInputs, SplitOutputs]):
    """Holds one of several equal parts out as `test`; over all folds every row is tested once.

    Classes are spread evenly over the folds. Equal rows, and rows that share a key, stay together.

    Attributes:
        folds: how many parts.
        fold: the part that is held out, from 0; null holds nothing out, for a fit on all rows.
        validation: share of the other rows; 0 leaves the split out.
        stratify: whether each fold gets its share of every class.
        seed: another seed is another deal; not the pipeline's.
        key: column that decides instead of the whole row, such as a customer's id; texts and images
            decide themselves if none is named.
    """

    seeded = False
    folds: int = setting(5, least=2)
    fold: int | None = setting(0, least=0)
    validation: float = setting(0.0, least=0, most=0.9)
    stratify: bool = True
    seed: int = 0
    key: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        check_fold(self.fold, self.folds)

    def run(self, inputs: SplitInputs, ctx: StageContext) -> SplitOutputs:
        """Assigns each row.

        Raises:
            DataError: if a split comes out empty or there is no column `key`.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        table, signature = view.table(), view.signature
        key = self.key or view.description.get("split_key")
        codes = np.zeros(table.num_rows, dtype=np.uint8)
        names = ["train"]
        if self.validation:
            names.append("validation")
            codes[held_back(table, self.validation, seed=self.seed, fold=self.fold, key=key)] = 1
        if self.fold is not None:
            names.append("test")
            classes: Codes = np.zeros(table.num_rows, dtype=np.int64)
            if self.stratify and signature.task != "regression":
                found = targets(table[signature.label], signature.task, signature.classes)
                classes = found.astype(np.int64)
            dealt = deal(table, self.folds, classes=classes, seed=self.seed, key=key)
            codes[dealt == self.fold] = len(names) - 1
        refs = ctx.refs(inputs.dataset)["table.parquet"]
        return SplitOutputs(ctx.save(Dataset, coded_files(view, refs, names, codes)))
