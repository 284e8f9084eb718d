"""Tables of people's own: from a file with gaps and categories to answers on raw rows."""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import people
from support.command import aidn, last_object

from aidn_pipeline.core.artifact import Checkpoint, Dataset, Report
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.export.rows import tensor_of
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.training.inference import open_trained

pytestmark = pytest.mark.e2e
OWN = ("source.path=people.csv", "source.label=churned", "~stages.tune")


def builder(folder: Path, *changes: str) -> AiModelBuilder:
    return AiModelBuilder.from_recipe("tabular_file", folder).configure(*changes)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    people.write(folder / "people.csv", people.rows())
    return folder


@pytest.fixture(scope="module")
def trained(project: Path) -> AiModelResult:
    changes = (*OWN, "trainer.epochs=5")
    return builder(project, *changes).build().check()


def held_out(trained: AiModelResult, project: Path) -> tuple[DatasetView, dict, torch.Tensor]:
    """The prepared data set, what evaluate said of its test rows, and the outputs it judged."""
    workspace = Workspace.around(project)
    with workspace.open_store() as store:
        prepared = trained.stages["prepare"].outputs["dataset"]
        assert isinstance(prepared, Dataset)
        view = DatasetView(store.files(prepared))
        view.table()
        report = trained.stages["evaluate"].outputs["predictions"]
        assert isinstance(report, Report)
        said = store.read_json(report)
        best = trained.stages["train"].outputs["best"]
        assert isinstance(best, Checkpoint)
        model = open_trained(store.files(best), workspace.index)
        features, _ = view.arrays("test")
        return view, said, model.outputs(torch.from_numpy(features))


def test_raw_rows_give_the_outputs_of_evaluation_bit_for_bit(trained, project):
    view, _, judged = held_out(trained, project)
    raw = view.table("test").to_pylist()
    predictor = trained._servable._predictor

    assert torch.equal(predictor.outputs(tensor_of(raw, view.signature)), judged)


@pytest.fixture(scope="module")
def embedded(project: Path) -> AiModelResult:
    changes = (*OWN, "trainer.epochs=3", "model.embedding=4", "name=embedded")
    return builder(project, *changes).build().check()


def test_learned_categories_give_the_outputs_of_evaluation_bit_for_bit(embedded, project):
    view, said, judged = held_out(embedded, project)
    raw = view.table("test").to_pylist()
    predictor = embedded._servable._predictor

    assert predictor.model.embedding is not None
    assert torch.equal(predictor.outputs(tensor_of(raw, view.signature)), judged)
    assert [a["label"] for a in embedded.predict(raw)] == said["predicted"]


def test_a_category_never_seen_is_answered(embedded, project):
    view, _, _ = held_out(embedded, project)
    row = {**view.table("test").to_pylist()[0], "plan": "never seen", "region": None}

    assert embedded.predict([row])[0]["label"] in ("no", "yes")


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_the_command_line_answers_raw_rows_of_every_form_as_evaluation_did(
    trained, project, ending
):
    view, said, _ = held_out(trained, project)
    table = view.table("test")
    file = project / f"rows.{ending}"
    if ending == "csv":
        with file.open("w", newline="") as out:
            rows = [["" if v is None else v for v in row.values()] for row in table.to_pylist()]
            csv.writer(out).writerows([table.column_names, *rows])
    elif ending == "json":
        file.write_text(json.dumps(table.to_pylist(), default=str))
    else:
        pq.write_table(table, file)
    done = aidn("predict", str(trained.model), "--input", file.name, cwd=project)

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [a["label"] for a in answers] == said["predicted"]
    found = [[round(a["probabilities"][c], 6) for c in said["classes"]] for a in answers]
    assert found == said["probabilities"]


def test_the_run_says_what_it_made_of_the_columns(project):
    done = aidn(
        "recipe=tabular_file", "source.path=people.csv", "source.label=churned", "~stages.tune",
        "trainer.epochs=1", "stages.prepare.max_categories=3", cwd=project,
    )  # fmt: skip

    assert "columns: 2 numeric, 2 categorical, 1 date, 1 boolean" in done.stdout
    assert "missing in training: age" in done.stdout
    assert re.search(r"classes in training: no \d+, yes \d+", done.stdout)
    assert "left out customer:" in done.stdout


def test_a_wrong_value_names_row_and_column(trained, project):
    row = {"age": "old", "plan": "pro", "region": "x", "since": None, "paperless": True, "spent": 1}
    (project / "wrong.json").write_text(json.dumps([row]))
    done = aidn("predict", str(trained.model), "--input", "wrong.json", cwd=project)

    assert done.returncode == 3
    assert "'old' is no number\n  at: wrong.json, row 1, column age" in done.stderr


def test_text_in_a_pipeline_that_prepares_nothing_names_the_one_that_does(project):
    done = aidn(
        "recipe=digits_train", "source=table", "source.path=people.csv", "source.label=churned",
        "source.task=auto", "--json", cwd=project,
    )  # fmt: skip

    assert done.returncode == 3
    assert "pipeline=tabular" in last_object(done.stdout)["error"]["remedy"]


def public(name: str) -> tuple[pa.Table, str]:
    load = {"wine": load_wine, "cancer": load_breast_cancer, "diabetes": load_diabetes}[name]
    data = load(scaled=False) if name == "diabetes" else load()
    columns = dict(zip([n.replace(" ", "_") for n in data.feature_names], data.data.T, strict=True))
    return pa.table({**columns, "target": data.target}), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wine", "cancer", "diabetes"])
def test_a_public_table_is_learned_as_well_as_by_a_linear_model(name, tmp_path):
    table, _ = public(name)
    pyarrow.csv.write_csv(table, tmp_path / "table.csv")
    result = builder(tmp_path, "source.path=table.csv", "source.label=target").build().check()
    with Workspace.around(tmp_path).open_store() as store:
        view = DatasetView(store.files(result.stages["prepare"].outputs["dataset"]))
        said = store.read_json(result.stages["evaluate"].outputs["predictions"])
        train, test = [view.arrays(s) for s in ("train", "test")]
    linear = Ridge() if name == "diabetes" else LogisticRegression(max_iter=1000)
    peer = make_pipeline(StandardScaler(), linear).fit(train[0], train[1].ravel())
    theirs = peer.predict(test[0])
    if name == "diabetes":
        ours = np.abs(np.array(said["predicted"]).ravel() - test[1].ravel())
        losses = np.abs(theirs - test[1].ravel())
    else:
        classes = {c: i for i, c in enumerate(said["classes"])}
        ours = np.array([classes[p] for p in said["predicted"]]) != test[1].ravel()
        losses = theirs != test[1].ravel()

    # Paired over the test rows: worse only if the difference lies above its 95 % interval.
    worse = ours.astype(float) - losses.astype(float)
    assert worse.mean() <= 1.96 * worse.std(ddof=1) / math.sqrt(len(worse)) + 1e-9
