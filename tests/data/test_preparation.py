"""Preparation of tables: kinds, what is fitted, and that only training rows are looked at."""

import json

import numpy as np
import pyarrow as pa
import pytest

from aidn_pipeline.core.stage import FileRef
from aidn_pipeline.data.dataset import DatasetView, snapshot_files, split_files
from aidn_pipeline.data.kinds import infer_kinds
from aidn_pipeline.data.labels import infer_task
from aidn_pipeline.data.preparation import Settings, prepare
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.errors import DataError

SETTINGS = Settings(
    kinds={}, max_categories=50, fill="median", indicator=True, standardize=True
)  # fmt: skip


def people(count: int = 200) -> pa.Table:
    rng = np.random.default_rng(5)
    age = [None if i % 9 == 0 else float(a) for i, a in enumerate(rng.integers(18, 90, count))]
    return pa.table(
        {
            "id": [f"c{i}" for i in range(count)],
            "age": age,
            "plan": rng.choice(["basic", "pro", "gold"], count),
            "since": [f"20{10 + i % 9}-0{1 + i % 9}-11" for i in range(count)],
            "paperless": rng.choice(["yes", "no"], count),
            "country": ["CH"] * count,
            "notes": pa.nulls(count, pa.string()),
            "label": rng.choice(["stay", "go"], count),
        }
    )


def view_of(table: pa.Table, folder) -> DatasetView:
    """A split data set on disk."""
    folder.mkdir()
    source = SourceTable(
        name="people", table=table, label="label", task="binary",
        features=tuple(table.column_names[:-1]), shape=(table.num_columns - 1,),
    )  # fmt: skip
    whole = snapshot_files(source)
    for name, data in whole.items():
        (folder / name).write_bytes(data)
    view = DatasetView({name: folder / name for name in whole})
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    files = split_files(view, FileRef("t", 1), shares, seed=0, key="id")
    (folder / "split.bin").write_bytes(files["split.bin"])
    (folder / "dataset.json").write_bytes(files["dataset.json"])
    return DatasetView({p.name: p for p in folder.iterdir()})


def prepared(view, settings=SETTINGS, ignore=()):
    return prepare(view, {"table.parquet": FileRef("t", 1)}, settings, ignore)


def described(view, settings=SETTINGS, ignore=()):
    return json.loads(prepared(view, settings, ignore).files["dataset.json"])


def test_kinds_are_told_from_the_values():
    table = people()
    kinds = infer_kinds(table, table.column_names[:-1], {})

    assert kinds.known == {
        "age": "numeric", "plan": "categorical", "since": "date", "paperless": "boolean",
    }  # fmt: skip
    assert kinds.left_out == {
        "id": "200 different texts in 200 rows name the rows",
        "country": "every row has 'CH'",
        "notes": "it has no values",
    }


def test_a_kind_that_was_said_is_not_told_again():
    table = people()

    assert infer_kinds(table, ["id", "age"], {"id": "categorical"}).known["id"] == "categorical"


def test_what_is_fitted_looks_at_no_validation_or_test_row(tmp_path):
    table = people()
    before = view_of(table, tmp_path / "before")
    codes = np.frombuffer((tmp_path / "before" / "split.bin").read_bytes(), dtype=np.uint8)
    changed = {
        "age": [a if c == 0 else 1e6 for a, c in zip(table["age"].to_pylist(), codes, strict=True)],
        "plan": [
            p if c == 0 else "leak" for p, c in zip(table["plan"].to_pylist(), codes, strict=True)
        ],
        "country": ["CH" if c == 0 else "DE" for c in codes],
    }
    for name, values in changed.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    after = view_of(table, tmp_path / "after")

    assert (tmp_path / "after" / "split.bin").read_bytes() == codes.tobytes()
    for part in ("signature", "preprocess", "prepared"):
        assert described(before)[part] == described(after)[part]


def test_a_changed_training_row_is_seen(tmp_path):
    table = people()
    older = pa.array([a and a + 1 for a in table["age"].to_pylist()])
    changed = table.set_column(1, "age", older)

    first = described(view_of(table, tmp_path / "first"))
    assert first["preprocess"] != described(view_of(changed, tmp_path / "second"))["preprocess"]


def test_fills_and_categories_are_those_of_training(tmp_path):
    view = view_of(people(), tmp_path / "p")
    training = view.table("train")
    columns = {c.name: c for c in prepared(view).columns}
    ages = training["age"].drop_null().to_numpy()

    assert columns["age"].fill == float(np.median(ages))
    assert columns["age"].indicator
    assert columns["plan"].categories == ("basic", "gold", "pro")
    assert not columns["since"].indicator


def test_features_are_named_by_what_they_became(tmp_path):
    signature = described(view_of(people(), tmp_path / "p"))["signature"]

    assert signature["features"] == [
        "age", "age missing", "since", "paperless", "plan=basic", "plan=gold", "plan=pro",
    ]  # fmt: skip
    assert signature["shape"] == [7]
    assert signature["ignored"] == ["id", "country", "notes"]


def test_rare_categories_have_no_number_of_their_own(tmp_path):
    few = Settings(kinds={}, max_categories=1, fill="mean", indicator=False, standardize=False)
    columns = {c.name: c for c in prepared(view_of(people(), tmp_path / "p"), few).columns}

    assert len(columns["plan"].categories) == 1
    assert not columns["age"].indicator


def test_the_table_is_named_again_and_not_copied(tmp_path):
    assert prepared(view_of(people(), tmp_path / "p")).files["table.parquet"] == FileRef("t", 1)


def test_a_prepared_data_set_is_not_prepared_again(tmp_path):
    view = view_of(people(), tmp_path / "p")
    (tmp_path / "p" / "dataset.json").write_bytes(prepared(view).files["dataset.json"])

    with pytest.raises(DataError, match="prepared already"):
        prepared(DatasetView({p.name: p for p in (tmp_path / "p").iterdir()}))


def test_no_column_of_use_says_why_for_each(tmp_path):
    table = people().select(["id", "country", "label"])

    with pytest.raises(DataError, match="no column of 'people' is of use") as error:
        prepared(view_of(table, tmp_path / "p"))
    assert "every row has 'CH'" in error.value.remedy


def test_a_kind_that_does_not_fit_names_the_column(tmp_path):
    wrong = Settings(
        kinds={"plan": "numeric"}, max_categories=9, fill="mean", indicator=True, standardize=True
    )

    with pytest.raises(DataError, match=r"'basic' in column 'plan' is no number \(\d+ rows\)"):
        prepared(view_of(people(), tmp_path / "p"), wrong)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no", "yes"], "binary"),
        ([0, 1, 1], "binary"),
        ([True, False], "binary"),
        (["a", "b", "c"], "multiclass"),
        ([1, 2, 3], "multiclass"),
        ([1.0, 2.0, 3.0], "multiclass"),
        ([0.5, 1.5, 2.5], "regression"),
        (list(range(50)), "regression"),
        ([f"c{i}" for i in range(50)], "multiclass"),
    ],
)
def test_a_label_says_its_task(values, task):
    assert infer_task(pa.chunked_array([values])) == task
