"""Inference through a result: rows, columns, streams, and a callable object to keep."""

import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from aidn_pipeline import AiModelBuilder, AiModelResult, DataError, ModelNotFound, Servable
from aidn_pipeline.data.sources.digits import DigitsSource
from aidn_pipeline.errors import UsageError

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
DIGITS = DigitsSource().read(Path()).table
FORMS = {
    "array": lambda t: np.stack([c.to_numpy() for c in t.columns[:-1]], axis=1),
    "images": lambda t: np.stack([c.to_numpy() for c in t.columns[:-1]], 1).reshape(-1, 1, 8, 8),
    "tensor": lambda t: torch.tensor(
        np.stack([c.to_numpy() for c in t.columns[:-1]], axis=1), dtype=torch.float64
    ).requires_grad_(),
    "arrow": lambda t: t,
    "shuffled": lambda t: t.select(t.column_names[::-1]),
    "batch": lambda t: t.combine_chunks().to_batches()[0],
    "pandas": lambda t: t.drop_columns(["label"]).to_pandas(),
    "polars": polars.from_arrow,
    "columns": lambda t: {name: t[name].to_numpy() for name in t.column_names},
    "lists": lambda t: [list(row.values())[:-1] for row in t.to_pylist()],
    "rows": lambda t: t.to_pylist(),
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AiModelResult:
    builder = AiModelBuilder.from_recipe("digits_train", tmp_path_factory.mktemp("answers"))
    return builder.configure("trainer.epochs=2", "~stages.register.gate").build().check()


def test_a_bundle_that_was_copied_elsewhere_answers_alike(
    result: AiModelResult, table: pa.Table, tmp_path: Path
):
    assert result.bundle is not None
    copied = shutil.copytree(result.bundle, tmp_path / "copied")
    model = Servable.load(copied)
    assert (model.name, model.version) == ("digits", result.model.version)
    assert model(table.to_pylist()) == result.predict(table.to_pylist())
    with pytest.raises(ModelNotFound, match="no bundle"):
        Servable.load(tmp_path)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return DIGITS.slice(0, 40)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> AiModelResult:
    """A regression over a table of every kind of column."""
    folder = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(1)
    lines = ["day,kind,amount,open,paid"]
    for i in range(120):
        amount = "" if i % 11 == 0 else f"{rng.normal(40, 5):.2f}"
        lines.append(f"2026-01-{1 + i % 28:02},{'abc'[i % 3]},{amount},{i % 2 == 0},{i * 0.5:.2f}")
    (folder / "rows.csv").write_text("\n".join(lines))
    builder = AiModelBuilder.from_recipe("tabular_file", folder).configure(
        *("source.path=rows.csv", "source.label=paid", "~stages.tune", "trainer.epochs=2"),
    )
    return builder.build().check()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_rows_gets_the_same_answers(result, table, form):
    rows = FORMS[form](table)
    wanted = result.predict(table.to_pylist())
    found = result.predict_batch(rows)

    assert list(found.rows()) == wanted
    assert result.predict(rows) == wanted
    assert list(result.stream(rows, batch_size=40)) == wanted


def test_a_batch_has_columns_that_data_frames_take(result, table):
    found = result.predict_batch(table)

    assert len(found) == 40
    assert found.labels.shape == (40,)
    assert found.probabilities.shape == found.values.shape == (40, 10)
    assert found.probabilities.dtype == np.float32
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    assert list(found.columns()) == ["label", *(f"p_{i}" for i in range(10))]
    assert (found.labels == np.array(found.classes)[found.probabilities.argmax(axis=1)]).all()
    assert pandas.DataFrame(found.columns()).shape == pa.table(found.columns()).shape == (40, 11)
    assert repr(found) == "Predictions(40 rows, 10 classes)"


@pytest.mark.parametrize("empty", [[], np.empty((0, 64)), DIGITS.slice(0, 0)])
def test_no_rows_get_no_answers(result, empty):
    assert len(result.predict_batch(empty)) == 0
    assert result.predict(empty) == []
    assert list(result.stream(empty)) == []


def test_a_regression_answers_in_one_column_of_values(prepared):
    rows = [{"day": "2026-01-05", "kind": "a", "amount": 3.5, "open": True}] * 2
    found = prepared.predict_batch(rows)

    assert found.labels is None
    assert found.probabilities is None
    assert list(found.columns()) == ["value_0"]
    assert found.columns()["value_0"].tolist() == [a["values"][0] for a in prepared.predict(rows)]


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, dict, pa.table])
def test_frames_of_mixed_columns_answer_as_their_rows_do(prepared, make):
    columns = {
        "kind": ["a", "z", None],
        "open": [True, False, None],
        "day": ["2026-01-05", None, "2026-02-01"],
        "amount": [1.5, None, 3.0],
    }
    names = ("kind", "open", "day", "amount")
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    assert list(prepared.predict_batch(make(columns)).rows()) == prepared.predict(rows)


def test_an_index_of_a_data_frame_is_no_column(result, table):
    frame = table.to_pandas().iloc[::2]
    named = frame.set_index(frame["p00"].rename("customer"))

    assert list(result.predict_batch(named).rows()) == result.predict(frame.to_dict("records"))


@pytest.mark.parametrize(
    ("change", "problem", "where"),
    [
        ({"p03": [1.0, math.nan]}, "nan is no finite number", "row 2, column p03"),
        ({"p03": [1.0, None]}, "None is no finite number", "row 2, column p03"),
        ({"p03": ["1", "x"]}, "holds string, not numbers", "column p03"),
        ({"p99": [1.0, 2.0]}, "does not know: p99", "the table"),
        ({"p03": [1.0]}, "cannot be read", "predict_batch"),
        ({"p03": None}, "lacks the columns p03", "the table"),
    ],
)
def test_a_frame_that_does_not_fit_is_told_by_row_and_column(result, change, problem, where):
    columns = {f"p{r}{c}": [0.0, 1.0] for r in range(8) for c in range(8)} | change
    with pytest.raises(DataError, match=problem) as told:
        result.predict_batch({name: column for name, column in columns.items() if column})
    assert told.value.where == where


@pytest.mark.parametrize("call", ["predict", "predict_batch", "stream"])
@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (None, "this is NoneType"),
        (3, "this is int"),
        ("rows.csv", "this is str"),
        ({"p00": 1.0}, "'p00' is a single value"),
        ([1.0, 2.0], "row 1 is float"),
    ],
)
def test_what_is_no_rows_is_a_typed_error(result, call, rows, problem):
    with pytest.raises(DataError, match=problem):
        list(getattr(result, call)(rows))


def test_a_value_of_another_kind_is_told_by_row_and_column(prepared):
    frame = pandas.DataFrame(
        {"day": ["2026-01-01", "soon"], "kind": ["a", "b"], "amount": [1, 2], "open": [True, True]}
    )
    with pytest.raises(DataError, match="'soon' is no date") as told:
        prepared.predict_batch(frame)
    assert told.value.where == "row 2, column day"


def test_a_stream_takes_no_more_rows_than_it_answers(result):
    taken = []

    def rows():
        for i in range(1000):
            taken.append(i)
            yield [float(i % 17)] * 64

    answers = result.stream(rows(), batch_size=10)
    assert taken == []
    next(answers)
    assert len(taken) == 10
    for _ in range(10):
        next(answers)
    assert len(taken) == 20


def test_a_stream_answers_in_order_whatever_its_batches(result, table):
    wanted = result.predict(table.to_pylist())
    found = list(result.stream(table.to_pylist(), batch_size=7))

    assert [a["label"] for a in found] == [a["label"] for a in wanted]
    # Sums over another number of rows differ in their last bits.
    for one, other in zip(found, wanted, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_a_row_of_a_stream_is_counted_from_its_first(result):
    rows = iter([[0.0] * 64] * 25 + [[0.0]])
    answers = result.stream(rows, batch_size=10)
    with pytest.raises(DataError, match="row 26 has 1 values"):
        list(answers)


def test_a_stream_of_record_batches_is_read_as_it_comes(result, table):
    read = []

    def batches():
        for part in table.to_batches(max_chunksize=4):
            read.append(part)
            yield part

    reader = pa.RecordBatchReader.from_batches(table.schema, batches())
    answers = result.stream(reader, batch_size=4)
    next(answers)
    assert len(read) <= 2
    assert 1 + len(list(answers)) == 40


def test_a_batch_of_no_rows_is_refused(result):
    with pytest.raises(UsageError, match="0 rows"):
        result.stream([], batch_size=0)


def test_a_servable_is_called_with_rows_and_says_what_it_takes(result, table):
    model = result.to_servable()

    assert model(table.to_pylist()) == result.predict(table.to_pylist())
    assert (model.name, model.version) == ("digits", 1)
    assert model.signature.raw_names == tuple(table.column_names[:-1])
    assert repr(model) == "Servable(digits@1: 64 columns, multiclass)"


def test_a_servable_outlives_its_folder(result, tmp_path):
    loaded = AiModelResult.load(result.save(tmp_path / "kept"))
    model = loaded.to_servable()
    (Path(str(loaded.bundle)) / "model.json").unlink()

    assert len(model([[0.0] * 64])) == 1
    with pytest.raises(ModelNotFound):
        loaded.to_servable()


def test_texts_answer_in_columns_as_their_rows_do(tmp_path):
    builder = AiModelBuilder.from_recipe("tickets", tmp_path).configure("trainer.epochs=1")
    result = builder.build().check()
    name = result.to_servable().signature.raw_names[0]
    rows = [{name: "my screen is broken"}, {name: "an invoice, twice"}, {name: np.nan}]
    frame = pandas.DataFrame(rows)

    assert list(result.predict_batch(frame).rows()) == result.predict(rows)
    with pytest.raises(DataError) as told:
        result.predict_batch({name: [3.5, 4.5]})
    assert told.value.where == f"row 1, column {name}"


def test_a_matrix_answers_as_its_rows_do(tmp_path):
    rng = np.random.default_rng(2)
    xs = rng.normal(size=(90, 3))
    xs[::9, 1] = np.nan
    result = (
        AiModelBuilder.from_scratch(tmp_path)
        .configure("trainer.epochs=1")
        .build((xs, (xs[:, 0] > 0).astype(int)))
    )
    assert list(result.check().predict_batch(xs).rows()) == result.predict(xs.tolist())
    assert list(result.predict_batch(torch.from_numpy(xs)).rows()) == result.predict(xs.tolist())
    masked = np.ma.masked_array(np.nan_to_num(xs, nan=7.0), mask=np.isnan(xs))
    assert list(result.predict_batch(masked).rows()) == result.predict(xs.tolist())
    assert result.predict(masked) == result.predict(xs.tolist())


def test_a_masked_number_or_a_tensor_that_numpy_does_not_know_is_no_trap(result, table):
    levels = FORMS["array"](table)
    plain = list(result.predict_batch(levels).rows())
    tensor = torch.from_numpy(levels)
    for rows in (tensor.bfloat16(), tensor.to_sparse()):  # whole numbers to 16 fit both
        assert list(result.predict_batch(rows).rows()) == plain
    with pytest.raises(DataError, match="no finite number"):
        result.predict_batch(np.ma.masked_array(levels, mask=levels > 15))
