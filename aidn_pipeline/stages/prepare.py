"""Columns of any kind into what a model takes, fitted on the training rows alone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.columns import Kind
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.events import Notice
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.data.labels import balance
from aidn_pipeline.data.preparation import Prepared, Settings, prepare


@dataclass(frozen=True)
class PrepareInputs:
    """A split data set."""

    dataset: Dataset


@dataclass(frozen=True)
class PrepareOutputs:
    """The same rows and splits; what was fitted rides inside and travels with the model."""

    dataset: Dataset


@component("stage", "prepare", packages=("pyarrow",))
@dataclass(frozen=True, kw_only=True)
class Prepare(Stage[PrepareInputs, PrepareOutputs]):
    """Prepares a table: categories become one-hot numbers, dates days, missing values are filled.

    Kinds are told from the training rows: numbers, truth values (true/false, yes/no), dates (ISO
    8601) and categories. A column without values, with one value, or with texts that name the rows
    is left out, and the run says so. The table itself is not copied.

    Attributes:
        kinds: kind by column, where the values do not say it: `{zip: categorical}`.
        ignore: columns that are left out.
        max_categories: categories of a column with a number of their own, the most frequent ones;
            all others, and those never seen in training, share one that says nothing.
        fill: what takes the place of a missing number or date, of those that are there.
        indicator: give a column with missing values a second number that says where.
        standardize: move numbers and dates to mean 0 and deviation 1.
    """

    seeded = False
    kinds: Mapping[str, Kind] = setting(default_factory=dict)
    ignore: tuple[str, ...] = ()
    max_categories: int = setting(50, least=1)
    fill: Literal["median", "mean"] = "median"
    indicator: bool = True
    standardize: bool = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def run(self, inputs: PrepareInputs, ctx: StageContext) -> PrepareOutputs:
        """Fits, and says what it found.

        Raises:
            DataError: if the data set is not split, a value is not of its kind, or no column is of
                use.
        """
        view: DatasetView = ctx.load(inputs.dataset)
        settings = Settings(
            kinds=self.kinds,
            max_categories=self.max_categories,
            fill=self.fill,
            indicator=self.indicator,
            standardize=self.standardize,
        )
        prepared = prepare(view, ctx.refs(inputs.dataset), settings, self.ignore)
        signature = view.signature
        for sentence in (*told(prepared), *balance(signature.classes, signature.counts)):
            ctx.emit(Notice(text=sentence))
        return PrepareOutputs(ctx.save(Dataset, prepared.files))


def told(prepared: Prepared) -> list[str]:
    """What a person wants to know of a prepared table, a sentence each."""
    kinds = Counter(column.kind for column in prepared.columns)
    sentences = ["columns: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())]
    if prepared.missing:
        counts = ", ".join(f"{name} {n}" for name, n in prepared.missing.items())
        sentences.append(f"missing in training: {counts}")
    sentences += [f"left out {name}: {why}" for name, why in prepared.left_out.items()]
    return sentences
