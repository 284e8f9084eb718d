"""Arrays, tensors and data frames straight into a build."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest
import torch

from aidn_pipeline import AiModelBuilder, DataError
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.errors import UsageError

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
IMAGES = RNG.integers(0, 256, size=(120, 1, 8, 8), dtype=np.uint8)
KINDS = IMAGES.reshape(120, -1).argmax(axis=1) % 3
COLUMNS = {
    "months": [int(v) for v in RNG.integers(0, 60, 150)],
    "plan": [("basic", "full", None)[i % 3] for i in range(150)],
    "open": [i % 2 == 0 for i in range(150)],
    "churned": [("no", "yes")[i % 3 == 0] for i in range(150)],
}


@pytest.fixture
def builder(tmp_path) -> AiModelBuilder:
    scratch = AiModelBuilder.from_scratch(tmp_path)
    return scratch.configure("trainer.epochs=2", "run.durability=process")


def view_of(result) -> DatasetView:
    """The data set that the model was trained on."""
    with result.workspace.open_store("process") as store:
        return DatasetView(store.files(result.dataset))


@pytest.mark.parametrize(
    "pair",
    [
        (X, Y),
        (torch.from_numpy(X), torch.from_numpy(Y)),
        (X.tolist(), Y.tolist()),
        (pandas.DataFrame(X), pandas.Series(Y)),
        (X, Y[:, None]),
    ],
    ids=["arrays", "tensors", "lists", "frame", "column"],
)
def test_a_pair_of_features_and_labels_is_trained_on(builder, pair):
    result = builder.build(pair).check()

    assert result.model_registry_info.dataset.rows == 200
    assert len(result.predict_batch(pair[0])) == 200
    assert set(result.experiment_info.dataset.splits) == {"train", "validation", "test"}


def test_equal_arrays_and_tensors_are_the_same_work(builder):
    first = builder.build((X, Y)).check()
    again = builder.build((torch.from_numpy(X.copy()), list(Y))).check()
    other = builder.build((X + 1, Y)).check()

    assert {stage.action for stage in again.stages.values()} == {"reuse"}
    assert again.model == first.model
    assert other.stages["snapshot"].action == "run"


def test_what_is_stored_is_what_was_handed_over(builder):
    view = view_of(builder.build((X, Y), (X[:20] * 2, Y[:20]), (X[:10] * 3, Y[:10])).check())

    assert view.splits == {"train": 200, "validation": 20, "test": 10}
    for split, wanted in (("train", X), ("validation", X[:20] * 2), ("test", X[:10] * 3)):
        table = view.table(split)
        found = np.stack([table[f"x{i}"].to_numpy() for i in range(4)], axis=1)
        assert (found == wanted).all()


def test_without_tests_the_validation_rows_judge(builder):
    plan = builder.with_data((X, Y), (X[:50], Y[:50])).spec()
    assert plan.stages["evaluate"].stage["split"] == "validation"


def test_without_validation_rows_some_of_the_training_rows_pick_the_epoch(builder):
    result = builder.build((X, Y), test=(X[:30] * 2, Y[:30])).check()
    splits = result.experiment_info.dataset.splits

    assert splits["test"] == 30
    assert splits["train"] + splits["validation"] == 200
    assert 10 < splits["validation"] < 60


FRAMES = {
    "pandas": pandas.DataFrame,
    "polars": polars.DataFrame,
    "arrow": pa.table,
    "mapping": dict,
    "rows": lambda c: [dict(zip(c, row, strict=True)) for row in zip(*c.values(), strict=True)],
}


def test_frames_of_all_libraries_are_the_same_work(builder):
    results = {
        name: builder.build(make(COLUMNS), target="churned").check()
        for name, make in FRAMES.items()
    }
    ids = {name: r.experiment_info.dataset.id for name, r in results.items()}

    assert len(set(ids.values())) == 1, ids
    assert {s.action for s in results["rows"].stages.values()} == {"reuse"}
    row = {"months": 3, "plan": None, "open": True}
    assert results["pandas"].predict([row])[0]["label"] in ("no", "yes")


def test_an_index_left_by_a_split_of_a_data_frame_does_not_matter(builder):
    frame = pandas.DataFrame(COLUMNS)
    shuffled = frame.sample(frac=1, random_state=1)
    result = builder.build(shuffled.iloc[:100], shuffled.iloc[100:], target="churned").check()
    assert view_of(result).table().column_names == list(COLUMNS)


def test_images_of_whole_numbers_are_scaled_and_keep_their_shape(builder):
    result = builder.configure(model="cnn").build((IMAGES, KINDS)).check()
    view = view_of(result)

    assert view.signature.shape == (1, 8, 8)
    assert view.preprocess == [{"use": "rescale", "divisor": 255.0}]
    assert len(result.predict_batch(IMAGES[:5])) == 5


def test_a_regression_is_told_by_its_targets(builder):
    result = builder.build((X, X[:, 0] * 2.5)).check()
    assert result.predict_batch(X).values.shape == (200, 1)
    assert builder.with_data((X, np.arange(200)), task="multiclass").spec()


@pytest.mark.parametrize(
    "said",
    [b"garbage", b"[]", b"\xff", b'{"index_columns": 3}', b'{"index_columns": null}', b"{}"],
    ids=str,
)
def test_what_another_program_says_of_an_index_is_passed_over(builder, said):
    table = pa.table(COLUMNS).replace_schema_metadata({b"pandas": said})
    plain = builder.with_data(pa.table(COLUMNS), target="churned").to_yaml()
    assert builder.with_data(table, target="churned").to_yaml() == plain


def test_a_masked_number_is_a_gap(builder):
    holes = np.isin(np.arange(X.size).reshape(X.shape), [2, 9])
    view = view_of(builder.build((np.ma.masked_array(X, mask=holes), Y)).check())
    assert sum(int(np.isnan(view.table()[f"x{i}"].to_numpy()).sum()) for i in range(4)) == 2


def test_a_masked_column_has_gaps(builder):
    months = np.ma.masked_array(COLUMNS["months"], mask=np.arange(150) < 2)
    view = view_of(builder.build({**COLUMNS, "months": months}, target="churned").check())
    assert view.table()["months"].null_count == 2


def test_tensors_that_numpy_does_not_know_are_taken(builder):
    rows = torch.from_numpy(X)
    for kind in (rows.bfloat16(), rows.to_sparse(), [r.clone().requires_grad_() for r in rows]):
        assert builder.with_data((kind, Y)).spec()


def test_gaps_in_flat_rows_are_filled(builder):
    gaps = X.copy()
    gaps[::7, 2] = np.nan
    assert builder.build((gaps, Y)).check().status == "done"


def test_data_take_the_place_of_a_recipe_s_source(tmp_path):
    recipe = AiModelBuilder.from_recipe("digits_train", tmp_path).configure(
        "trainer.epochs=1", "~stages.register.gate"
    )
    result = recipe.build((X, Y)).check()
    assert result.experiment_info.dataset.name == "memory"


def test_a_plan_says_what_a_build_with_data_would_do(builder):
    given = builder.with_data((X, Y))
    assert given.plan().row("snapshot").action == "run"
    assert not given.workspace.has_store
    given.build().check()
    assert {row.action for row in given.plan().rows} == {"reuse"}


def test_the_text_of_a_recipe_with_data_reuses_what_was_built(builder, tmp_path):
    given = builder.with_data((X, Y))
    given.build().check()
    again = AiModelBuilder.from_recipe(given.to_yaml(), tmp_path).build().check()
    assert {stage.action for stage in again.stages.values()} == {"reuse"}


def test_rows_that_are_nowhere_any_more_are_a_typed_error(builder, tmp_path):
    text = builder.with_data((X, Y)).to_yaml()
    with pytest.raises(DataError, match="not handed over in this run") as told:
        AiModelBuilder.from_recipe(text, tmp_path).build().check()
    assert "source=table" in told.value.remedy


def test_a_smoke_run_with_data_keeps_nothing(builder):
    given = builder.with_data((X, Y)).configure("run.smoke=true")
    assert given.build().check().status == "done"
    assert not given.workspace.has_store


WRONG = {
    "no pair": ({"train": X}, "this is ndarray", "pass \\(X, y\\)"),
    "lengths": ({"train": (X, Y[:-1])}, "200 examples and 199 labels", "same order"),
    "one axis": ({"train": (X[:, 0], Y)}, "shape \\(200,\\)", "reshape"),
    "one hot": ({"train": (X, np.eye(2)[Y])}, "y has the shape \\(200, 2\\)", "argmax"),
    "no label": ({"train": (X, np.where(Y == 1, np.nan, 0.0))}, "labels .* missing", "fill in"),
    "None label": ({"train": (X, [None, *Y[1:].tolist()])}, "1 of 200 labels", "fill in"),
    "text": ({"train": (X.astype(str), Y)}, "X holds <U", "data frame"),
    "ragged": ({"train": ([[1.0], [1.0, 2.0]], [0, 1])}, "X is no array", "equally long"),
    "infinite image": (
        {"train": (np.full((4, 1, 2, 2), np.inf), [0, 1, 0, 1])},
        "example 1 holds a number",
        "fill it in",
    ),
    "too wide": ({"train": (np.zeros((2, 20000)), [0, 1])}, "20000 numbers", "scale"),
    "empty": ({"train": (X[:0], Y[:0])}, "no rows", "come from"),
    "one class": ({"train": (X, Y * 0)}, "1 distinct", "label column"),
    "no target": ({"train": COLUMNS}, "must be named", "months, plan"),
    "misspelt": ({"train": COLUMNS, "target": "churn"}, "no column 'churn'", "'churned'"),
    "other width": (
        {"train": (X, Y), "validation": (X[:, :3], Y)},
        "shape \\(3,\\)",
        "same features",
    ),
    "other columns": (
        {"train": COLUMNS, "test": {"months": [1], "churned": ["no"]}, "target": "churned"},
        "columns open, plan are missing",
        "same columns",
    ),
    "other kinds": (
        {"train": COLUMNS, "test": {**COLUMNS, "months": ["x"] * 150}, "target": "churned"},
        "differ in what their columns hold",
        "same kinds",
    ),
    "other scale": (
        {"train": (IMAGES, KINDS), "validation": (IMAGES / 255.0, KINDS)},
        "pixels here are taken as they are",
        "same kind of array",
    ),
    "masked label": (
        {"train": (X, np.ma.masked_array(Y, mask=np.arange(200) < 3))},
        "3 of 200 labels .* missing .* row 1",
        "fill in",
    ),
    "masked image": (
        {"train": (np.ma.masked_array(IMAGES, mask=IMAGES > 250), KINDS)},
        "holds a number that is missing",
        "fill it in",
    ),
    "infinite label": (
        {"train": (X, np.where(np.arange(200) == 4, np.inf, X[:, 0]))},
        "1 of 200 labels in column 'label' are infinite, the first in row 5",
        "fill in",
    ),
    "huge label": ({"train": (X, [2**70, 5] * 100)}, "y cannot be read", "64 bits"),
    "label twice": ({"train": ({"label": [1, 2]}, [0, 1])}, "named 'label'", "target="),
}


@pytest.mark.parametrize("case", WRONG)
def test_data_that_do_not_fit_are_told_before_anything_runs(builder, case):
    arguments, problem, remedy = WRONG[case]
    with pytest.raises(DataError, match=problem) as told:
        builder.build(**arguments)
    assert re.search(remedy, told.value.remedy), told.value.remedy
    assert told.value.where
    assert not builder.workspace.has_store


def test_a_source_beside_data_is_refused(builder):
    with pytest.raises(UsageError, match="given twice"):
        builder.configure(source="digits").build((X, Y))


def test_a_record_says_what_the_data_were(builder):
    result = builder.build((X, Y)).check()
    with result.workspace.open_store("process") as store:
        record = store.records.get("run", result.run)
    assert "file" not in json.dumps(record["facts"]["overrides"])
    assert record["facts"]["config"]["stages"]["snapshot"]["source"]["file"] is None
    assert record["facts"]["config"]["stages"]["snapshot"]["source"]["content"].startswith("b3:")
