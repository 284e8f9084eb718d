"""Folds: every row held out once, classes spread evenly, equal rows together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.describe import build, complete
from aidn_pipeline.core.stage import NoInputs
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.data.folds import deal
from aidn_pipeline.errors import DataError, WrongType
from aidn_pipeline.stages.kfold import KFold
from aidn_pipeline.stages.split import SplitInputs
from aidn_pipeline.testing.context import Bench

INDEX = builtin_index()


def stage(**description: object) -> Any:
    return build(INDEX, "stage", complete(INDEX, "stage", description))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, INDEX) as opened:
        yield opened


def views(bench: Bench, source: str, **fields: object) -> list[DatasetView]:
    """Every fold of a bundled data set."""
    table = bench.run(stage(use="snapshot", source={"use": source}), NoInputs(), "snapshot")
    folds = int(str(fields.get("folds", 5)))
    found = []
    for fold in range(folds):
        given = {"use": "kfold", "fold": fold, **fields}
        made: Dataset = bench.run(stage(**given), SplitInputs(table.dataset), f"{fold}").dataset
        found.append(bench.context("view").load(made))
    return found


ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=2, max_size=60)


@settings(deadline=None)
@given(rows=ROWS, folds=st.integers(2, 6), seed=st.integers(0, 3))
def test_equal_rows_are_in_one_fold_and_every_row_is_in_one(
    rows: list[tuple[int, int]], folds: int, seed: int
) -> None:
    table = pa.table({"x": [x for x, _ in rows], "y": [y for _, y in rows]})
    classes = np.array([y for _, y in rows], dtype=np.int64)
    dealt = deal(table, folds, classes=classes, seed=seed, key=None)
    assert len(dealt) == len(rows)
    assert set(dealt) <= set(range(folds))
    assert len(set(zip(rows, dealt, strict=True))) == len(set(rows))


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=4).filter(any),
    folds=st.integers(2, 7),
    seed=st.integers(0, 3),
)
def test_rows_that_differ_are_spread_to_within_one_by_class_and_in_all(
    counts: list[int], folds: int, seed: int
) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    table = pa.table({"x": np.arange(len(classes))})
    dealt = deal(table, folds, classes=classes, seed=seed, key=None)
    by_class = [np.bincount(dealt[classes == c], minlength=folds) for c in range(len(counts))]
    assert all(np.ptp(spread) <= 1 for spread in by_class)
    assert np.ptp(np.bincount(dealt, minlength=folds)) <= 1


@settings(deadline=None)
@given(order=st.permutations(range(30)))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    values, classes = np.arange(30), np.arange(30) % 3
    plain = deal(pa.table({"x": values}), 4, classes=classes, seed=0, key=None)
    moved = deal(pa.table({"x": values[order]}), 4, classes=classes[order], seed=0, key=None)
    assert (moved == plain[order]).all()


def test_another_seed_is_another_deal() -> None:
    table, classes = pa.table({"x": np.arange(40)}), np.zeros(40, dtype=np.int64)
    first, second = (deal(table, 4, classes=classes, seed=s, key=None) for s in (0, 1))
    assert (first != second).any()


def test_rows_that_share_a_key_stay_together() -> None:
    people = np.arange(60) % 12
    table = pa.table({"x": np.arange(60), "person": people})
    classes = np.arange(60) % 2
    dealt = deal(table, 3, classes=classes, seed=0, key="person")
    assert all(len(set(dealt[people == person])) == 1 for person in range(12))
    assert np.ptp(np.bincount(dealt)) == 0


def test_large_groups_of_one_class_are_spread_as_well() -> None:
    people = np.repeat(np.arange(8), 5)
    table = pa.table({"x": np.arange(40), "person": people})
    classes = (people >= 4).astype(np.int64)
    dealt = deal(table, 4, classes=classes, seed=0, key="person")
    for label in (0, 1):
        assert np.bincount(dealt[classes == label], minlength=4).tolist() == [5, 5, 5, 5]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="no column 'who'"):
        deal(pa.table({"x": [1, 2]}), 2, classes=np.zeros(2, dtype=np.int64), seed=0, key="who")


def test_the_folds_of_a_data_set_hold_every_row_out_once(bench: Bench) -> None:
    found = views(bench, "wine")
    held = [view.table("test") for view in found]
    whole = found[0].table()
    assert pa.concat_tables(held).sort_by("alcohol").num_rows == whole.num_rows
    assert sum(t.num_rows for t in held) == whole.num_rows


def test_each_fold_has_its_share_of_every_class(bench: Bench) -> None:
    found = views(bench, "wine")
    label = found[0].signature.label
    shares = [view.table("test")[label].value_counts().to_pylist() for view in found]
    by_class = [{item["values"]: item["counts"] for item in share} for share in shares]
    for name in by_class[0]:
        counts = [fold[name] for fold in by_class]
        assert max(counts) - min(counts) <= 1


def test_a_regression_is_spread_by_rows(bench: Bench) -> None:
    sizes = [view.splits["test"] for view in views(bench, "diabetes", folds=4)]
    assert max(sizes) - min(sizes) <= 1


def test_a_fold_copies_no_table(bench: Bench) -> None:
    table = bench.run(stage(use="snapshot", source={"use": "wine"}), NoInputs(), "snapshot")
    made = bench.run(stage(use="kfold"), SplitInputs(table.dataset), "fold").dataset
    context = bench.context("look")
    assert context.refs(made)["table.parquet"] == context.refs(table.dataset)["table.parquet"]


def test_other_rows_validate_in_each_fold(bench: Bench) -> None:
    found = views(bench, "wine", validation=0.25)
    for view in found:
        assert list(view.splits) == ["train", "validation", "test"]
        assert view.splits["validation"] == pytest.approx(0.25 * 142, abs=16)
    first, second = (set(v.table("validation")["proline"].to_pylist()) for v in found[:2])
    assert first != second


def test_without_a_fold_every_row_is_for_training(bench: Bench) -> None:
    table = bench.run(stage(use="snapshot", source={"use": "wine"}), NoInputs(), "snapshot")
    made = bench.run(stage(use="kfold", fold=None), SplitInputs(table.dataset), "all").dataset
    assert bench.context("view").load(made).splits == {"train": 178}


def test_there_is_no_fold_beyond_the_last() -> None:
    with pytest.raises(WrongType, match="no fold 5 of 5"):
        KFold(fold=5)
