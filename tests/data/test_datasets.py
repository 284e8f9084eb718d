"""Sources, snapshots and splits."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from support.training import INDEX, stage

from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.stage import NoInputs
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.data.labels import balance
from aidn_pipeline.data.splits import assign, row_hashes
from aidn_pipeline.data.table import identity, parquet_bytes
from aidn_pipeline.errors import DataError, WrongType
from aidn_pipeline.stages.split import SplitInputs
from aidn_pipeline.testing.context import Bench

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, INDEX) as opened:
        yield opened


def snapshot(bench: Bench, **source: object) -> Dataset:
    return bench.run(stage(use="snapshot", source=source), NoInputs(), "snapshot").dataset


def split(bench: Bench, dataset: Dataset, **fields: object) -> Dataset:
    return bench.run(stage(use="split", **fields), SplitInputs(dataset), "split").dataset


def view(bench: Bench, dataset: Dataset) -> DatasetView:
    return bench.context("view").load(dataset)


def columns() -> st.SearchStrategy[pa.Array]:
    return st.one_of(
        st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=6, max_size=6).map(
            lambda v: pa.array(v, pa.int64())
        ),
        st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=6, max_size=6).map(
            lambda v: pa.array(v, pa.float32())
        ),
        st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=6, max_size=6).map(
            lambda v: pa.array(v, pa.string())
        ),
        st.lists(st.one_of(st.none(), st.booleans()), min_size=6, max_size=6).map(
            lambda v: pa.array(v, pa.bool_())
        ),
    )


def tables() -> st.SearchStrategy[pa.Table]:
    return st.lists(columns(), min_size=1, max_size=4).map(
        lambda found: pa.table(found, names=[f"c{i}" for i in range(len(found))])
    )


def rechunked(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 2), table.slice(2, 1), table.slice(3)])


@settings(max_examples=40)
@given(tables())
def test_chunks_and_row_groups_change_neither_identity_nor_bytes_nor_split(tmp_path_factory, table):
    other = rechunked(table)
    assert identity(other) == identity(table)
    assert parquet_bytes(other) == parquet_bytes(table)
    assert np.array_equal(row_hashes(other), row_hashes(table))
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    pq.write_table(table, path, row_group_size=2, compression="snappy")
    assert identity(pq.read_table(path)) == identity(table)


@settings(max_examples=40)
@given(tables(), st.integers(0, 5))
def test_another_value_is_another_identity(table, row):
    value = table.column(0)[row].as_py()
    fresh = {pa.int64(): 7, pa.float32(): 7.0, pa.string(): "7", pa.bool_(): True}[
        table.column(0).type
    ]
    values = table.column(0).to_pylist()
    values[row] = None if value == fresh else fresh
    changed = table.set_column(0, "c0", pa.array(values, table.column(0).type))
    assert identity(changed) != identity(table)


def numbers(count: int) -> pa.Table:
    return pa.table({"a": np.arange(count), "b": np.arange(count) * 0.5})


def test_rows_that_are_added_move_no_other_row():
    few, many = assign(numbers(500), SHARES, seed=1), assign(numbers(900), SHARES, seed=1)
    assert np.array_equal(few, many[:500])
    # Shares within five standard errors of a binomial.
    assert abs((many == 0).mean() - 0.7) < 5 * (0.7 * 0.3 / 900) ** 0.5


def test_rows_with_one_key_stay_together_and_another_seed_moves_them():
    table = pa.table({"customer": [str(i // 5) for i in range(500)], "x": np.arange(500)})
    codes = assign(table, SHARES, seed=1, key="customer").reshape(-1, 5)
    assert (codes == codes[:, :1]).all()
    assert not np.array_equal(codes.ravel(), assign(table, SHARES, seed=2, key="customer"))
    with pytest.raises(DataError):
        assign(table, SHARES, seed=1, key="client")


def test_digits_are_scikit_learns(bench):
    found = view(bench, snapshot(bench, use="digits"))
    features, targets = found.arrays("all")
    digits = load_digits()
    assert np.array_equal(features[:, 0], digits.images)
    assert targets.tolist() == digits.target.tolist()
    assert found.description["provenance"]["licence"] == "CC BY 4.0"


def test_a_split_is_a_view_that_partitions_the_rows(bench):
    whole = snapshot(bench, use="digits")
    parts = split(bench, whole)
    assert bench.store.refs(parts)["table.parquet"] == bench.store.refs(whole)["table.parquet"]
    found = view(bench, parts)
    assert {name: len(found.arrays(name)[1]) for name in found.splits} == dict(found.splits)
    assert sum(found.splits.values()) == 1797
    assert sum(found.signature.counts) == found.splits["train"]
    with pytest.raises(DataError, match="no split 'dev'"):
        found.arrays("dev")


def test_the_same_data_is_the_same_data_set(bench, tmp_path):
    table = pa.table({"x": [1.0, 2.0, 3.0], "label": ["a", "b", "a"]})
    pq.write_table(table, tmp_path / "t.parquet")
    first = snapshot(bench, use="table", path="t.parquet")
    pq.write_table(rechunked(table), tmp_path / "t.parquet", row_group_size=1, compression="none")
    assert snapshot(bench, use="table", path="t.parquet") == first


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_text_tables_are_read(bench, tmp_path, ending):
    text = {
        "csv": "x,label\n1,no\n2,yes\n",
        "jsonl": '{"x":1,"label":"no"}\n{"x":2,"label":"yes"}\n',
    }
    (tmp_path / f"t.{ending}").write_text(text[ending])
    found = view(bench, snapshot(bench, use="table", path=f"t.{ending}", task="binary"))
    assert found.signature.classes == ("no", "yes")
    features, targets = found.arrays("all")
    assert features.tolist() == [[1.0], [2.0]]
    assert targets.tolist() == [0.0, 1.0]


WRONG = {
    "missing file": (None, {}, "does not exist"),
    "empty file": ("", {}, "empty"),
    "no rows": ("x,label\n", {}, "no rows"),
    "absent label": ("x,labell\n1,2\n", {}, "no column 'label'"),
    "missing labels": ("x,label\n1,0\n2,\n3,1\n", {}, "1 of 3 labels"),
    "NaN labels": ("x,label\n1,0.0\n2,nan\n3,1.0\n", {}, "1 of 3 labels"),
    "one class": ("x,label\n1,0\n2,0\n", {}, "at least two classes"),
    "three classes of two": ("x,label\n1,0\n2,1\n3,2\n", {"task": "binary"}, "exactly two"),
    "fractions as classes": ("x,label\n1,0.5\n2,1\n", {}, "no class"),
    "text as a number": ("x,label\n1,a\n", {"task": "regression"}, "wants numbers"),
    "ragged": ("x,label\n1,2,3\n", {}, "cannot be read"),
    "wrong shape": ("x,label\n1,0\n2,1\n", {"shape": [2, 2]}, "holds 4 values"),
    "no features": ("label\n1\n0\n", {}, "no feature column"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_is_named_with_a_remedy(bench, tmp_path, name):
    text, fields, problem = WRONG[name]
    if text is not None:
        (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=problem) as caught:
        snapshot(bench, use="table", path="t.csv", **fields)
    assert caught.value.where == "t.csv"
    assert caught.value.remedy


@pytest.mark.parametrize("cell", ["", "inf", "text"])
def test_a_feature_that_is_no_number_is_named_when_it_is_used(bench, tmp_path, cell):
    (tmp_path / "t.csv").write_text(f"x,z,label\n1,2,0\n2,{cell},1\n")
    found = view(bench, snapshot(bench, use="table", path="t.csv"))
    with pytest.raises(DataError, match="'z'"):
        found.arrays("all")


def test_shares_that_are_none_are_refused(bench):
    whole = snapshot(bench, use="digits")
    with pytest.raises(WrongType):
        split(bench, whole, train=0.9)


def test_a_split_without_rows_is_refused(bench, tmp_path):
    (tmp_path / "t.csv").write_text("x,label\n1,0\n2,1\n")
    with pytest.raises(DataError, match="none of the 2 rows"):
        split(bench, snapshot(bench, use="table", path="t.csv"))


def test_the_balance_of_classes_is_said_the_commonest_first():
    assert balance(("a", "b", "c"), (1, 5, 3)) == ["classes in training: b 5, c 3, a 1"]
    many = balance([str(i) for i in range(12)], range(12))
    assert many[0].startswith("classes in training: 11 11, 10 10,")
    assert many[0].endswith(", and 2 more")
    assert balance((), ()) == []
