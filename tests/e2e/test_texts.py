"""Texts of people's own: from a file to answers on raw texts."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from support.command import aidn, last_object

from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.data.sources.tickets import TicketsSource
from aidn_pipeline.export.rows import tensor_of
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.training.inference import open_trained

pytestmark = pytest.mark.e2e
OWN = ("source.path=mail.jsonl", "source.text=body", "source.label=kind", "~stages.tune")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    rows = TicketsSource(rows=400).read(folder).table.to_pylist()
    lines = [
        json.dumps({"id": i, "body": r["text"], "kind": r["topic"]}) for i, r in enumerate(rows)
    ]
    (folder / "mail.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module", params=["embedding_bag", "transformer_encoder"])
def trained(request: pytest.FixtureRequest, project: Path) -> AiModelResult:
    changes = (*OWN, f"model={request.param}", "trainer.epochs=4", f"name={request.param}")
    return AiModelBuilder.from_recipe("text_file", project).configure(*changes).build().check()


def test_raw_texts_give_the_outputs_of_evaluation_bit_for_bit(trained, project):
    workspace = Workspace.around(project)
    with workspace.open_store() as store:
        view = DatasetView(store.files(trained.stages["prepare"].outputs["dataset"]))
        best = open_trained(store.files(trained.checkpoint), workspace.index)
        judged = best.outputs(torch.from_numpy(view.arrays("test")[0]))
        raw = view.table("test").to_pylist()
        said = store.read_json(trained.stages["evaluate"].outputs["predictions"])
    predictor = trained._servable._predictor

    assert torch.equal(predictor.outputs(tensor_of(raw, view.signature)), judged)
    assert [a["label"] for a in trained.predict(raw)] == said["predicted"]


def test_a_text_alone_is_a_row_and_padding_does_not_change_its_answer(trained):
    alone, empty, unknown = trained.predict(["My password is not accepted.", "", "zzz qqq"])
    named = trained.predict([{"body": "My password is not accepted."}])[0]

    assert alone["probabilities"] == pytest.approx(named["probabilities"], abs=1e-6)
    for answer in (empty, unknown):
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_the_command_line_answers_texts_of_a_file(trained, project):
    (project / "new.csv").write_text('body\n"Hello,\nI was charged twice."\n')
    (project / "new.json").write_text(json.dumps([{"body": "Hello,\nI was charged twice."}]))
    (project / "new.txt").write_text("Hello,   I was charged twice.\n\n")
    answers = []
    for name in ("new.csv", "new.json", "new.txt"):
        done = aidn("predict", str(trained.model), "--input", name, cwd=project)
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))

    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == 1


def test_a_number_in_the_place_of_a_text_names_its_row(trained, project):
    (project / "wrong.json").write_text(json.dumps([{"body": "fine"}, {"body": 5}]))
    done = aidn("predict", str(trained.model), "--input", "wrong.json", cwd=project)

    assert done.returncode == 3
    assert "5 is no text but int\n  at: wrong.json, row 2, column body" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model=mlp", "model=embedding_bag"),
        ("pipeline=standard", "pipeline=text"),
        ("pipeline=tabular", "pipeline=text"),
    ],
)
def test_what_does_not_suit_texts_names_what_does(change, said, project):
    done = aidn("recipe=text_file", *OWN, change, "--json", cwd=project)

    assert done.returncode == 3
    assert said in last_object(done.stdout)["error"]["remedy"]


def test_a_model_of_texts_refuses_a_table(tmp_path):
    done = aidn("recipe=digits_train", "model=embedding_bag", "--json", cwd=tmp_path)

    assert done.returncode == 3
    assert "pipeline=text" in last_object(done.stdout)["error"]["remedy"]


@pytest.mark.slow
def test_texts_are_learned_as_well_as_by_a_linear_model_of_word_counts(tmp_path):
    result = AiModelBuilder.from_recipe("tickets", tmp_path).build().check()
    with Workspace.around(tmp_path).open_store() as store:
        view = DatasetView(store.files(result.stages["prepare"].outputs["dataset"]))
        train, test = (view.table(split) for split in ("train", "test"))
        said = store.read_json(result.stages["evaluate"].outputs["predictions"])["predicted"]
    peer = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
    peer.fit(train["text"].to_pylist(), train["topic"].to_pylist())
    wanted = np.array(test["topic"].to_pylist())
    ours, theirs = np.array(said) != wanted, peer.predict(test["text"].to_pylist()) != wanted

    # Paired over the test rows: worse only if the difference lies above its 95 % interval.
    worse = ours.astype(float) - theirs.astype(float)
    assert worse.mean() <= 1.96 * worse.std(ddof=1) / math.sqrt(len(worse)) + 1e-9
