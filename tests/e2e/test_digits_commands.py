"""The digits recipe with a small sweep, and every command that tells of it afterwards."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.command import aidn, last_object
from support.source import ROOT

from aidn_pipeline.data.bundled_table import FOLDER
from aidn_pipeline.store.store import Store

pytestmark = pytest.mark.e2e

TRIALS = 4
COMMAND = ("recipe=digits", f"stages.tune.num_trials={TRIALS}", "--json")
STAGES = ["snapshot", "split", "tune", "train", "evaluate", "register", "export"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(scope="module")
def first(project: Path) -> dict[str, Any]:
    done = aidn(*COMMAND, cwd=project)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    return last_object(done.stdout)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Ten raw images, with their label."""
    found: list[dict[str, Any]] = pq.read_table(FOLDER / "digits.parquet").slice(0, 10).to_pylist()
    return found


def answered(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return last_object(done.stdout)


def actions(answer: dict[str, Any]) -> dict[str, str]:
    return {name: stage["action"] for name, stage in answer["stages"].items()}


def outputs(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: stage["outputs"] for name, stage in answer["stages"].items()}


def undated(answer: dict[str, Any]) -> dict[str, Any]:
    """The object without what a clock decides."""
    plain = {k: v for k, v in answer.items() if k not in ("run", "seconds")}
    plain["stages"] = {
        name: {k: v for k, v in stage.items() if k != "seconds"}
        for name, stage in answer["stages"].items()
    }
    return plain


def predicted(project: Path, reference: str, rows: list[Any], name: str) -> list[dict[str, Any]]:
    (project / name).write_text(json.dumps(rows))
    done = aidn("predict", reference, "--input", name, cwd=project)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_model_is_good_registered_and_exported(first, project):
    assert first["status"] == "done"
    assert first["error"] is None
    assert list(first["stages"]) == STAGES
    assert first["metrics"]["accuracy"] >= 0.96
    assert (first["model"]["name"], first["model"]["version"]) == ("digits", 1)
    assert first["model"]["digest"] == first["stages"]["train"]["outputs"]["best"]["digest"]
    assert first["bundle"] == "bundles/digits/1"
    files = {path.name for path in (project / first["bundle"]).iterdir()}
    assert files == {"model.json", "weights.safetensors"}


def test_final_training_is_the_best_trial_and_trains_nothing(first, project):
    stages = first["stages"]
    with Store.open(project / ".aidn") as store:
        trained = [r for r in store.records.iterate("stage") if r["component"] == "stage/train"]

    assert stages["train"]["action"] == "reuse"
    assert stages["train"]["outputs"]["best"] == stages["tune"]["outputs"]["checkpoint"]
    assert len(trained) == TRIALS


def test_second_run_reuses_everything(first, project):
    again = answered(aidn(*COMMAND, cwd=project))

    assert set(actions(again).values()) == {"reuse"}
    assert outputs(again) == outputs(first)
    assert again["metrics"] == first["metrics"]
    assert again["model"] == first["model"]


def test_a_fresh_process_answers_on_raw_rows(first, project, rows):
    names = [name for name in rows[0] if name != "label"]
    assert (names[0], names[-1]) == ("p00", "p77")
    lists = [[row[name] for name in names] for row in rows]
    columns = [{name: row[name] for name in names} for row in rows]

    by_list = predicted(project, "digits@1", lists, "lists.json")
    by_name = predicted(project, "digits@1", columns, "columns.json")
    by_folder = predicted(project, "bundles/digits/1", lists, "folder.json")

    assert by_list == by_name == by_folder
    right = [a["label"] == str(row["label"]) for a, row in zip(by_list, rows, strict=True)]
    assert sum(right) >= 9
    for answer in by_list:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_another_store_gives_the_same_object(first, tmp_path):
    home = tmp_path / "elsewhere"
    other = answered(aidn(*COMMAND, cwd=tmp_path, AIDN_HOME=str(home)))

    assert home.is_dir()
    assert not (tmp_path / ".aidn").exists()
    assert undated(other) == undated(first)


def test_check_finds_every_byte_sound(first, project):
    done = aidn("check", cwd=project)

    assert done.returncode == 0, done.stdout
    assert "all sound" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show"], ["done", *STAGES, "accuracy", "optimizer.lr", "digits@1", "val_loss"]),
        (["list", "models"], ["digits@1", "accuracy", "b3:"]),
        (["list", "runs"], ["run", "recipe", "status", "digits", "done"]),
        (["list", "stages"], ["stage", "inputs", "outputs", "sweep", "train", "checkpoint"]),
        (["list", "recipes"], ["digits", "digits_train", "shipped"]),
        (["list", "components"], ["model/mlp", "sampler/tpe", "num_startup", "optimizer/adamw"]),
        (["list", "components", "model"], ["model/mlp", "model/cnn", "hidden"]),
        ([], ["digits", "last run:", "done", "next: aidn-run show"]),
    ],
    ids=lambda value: " ".join(value) or "alone",
)
def test_lists_say_what_there_is(first, project, words, expected):
    done = aidn(*words, cwd=project)

    assert done.returncode == 0, done.stderr
    assert [word for word in expected if word not in done.stdout] == []


def test_show_takes_the_beginning_of_a_run(first, project):
    done = aidn("show", first["run"][:-2], cwd=project)

    assert done.returncode == 0, done.stderr
    assert f"run {first['run']}" in done.stdout


def test_more_epochs_run_the_training_and_what_follows_and_nothing_else(tmp_path):
    command = ("recipe=digits_train", "~stages.register.gate", "--json")
    answered(aidn(*command, "trainer.epochs=1", cwd=tmp_path))
    plan = answered(aidn(*command, "trainer.epochs=2", "--plan", cwd=tmp_path))
    second = answered(aidn(*command, "trainer.epochs=2", cwd=tmp_path))

    changed = ["train", "evaluate", "register", "export"]
    assert [name for name, action in actions(plan).items() if action != "reuse"] == changed
    assert "trainer.epochs 1 -> 2" in plan["stages"]["train"]["reason"]
    assert [name for name, action in actions(second).items() if action != "reuse"] == changed
    assert actions(second)["train"] == "resume"
    assert second["model"]["version"] == 2


def test_interrupted_run_continues_to_the_same_end(first, tmp_path):
    code, stopped = interrupted(tmp_path, "trial 2/")
    again = answered(aidn(*COMMAND, cwd=tmp_path))

    assert code == 130
    assert stopped["status"] == "interrupted"
    assert stopped["error"]["type"] == "Interrupted"
    assert stopped["error"]["remedy"]
    assert stopped["bundle"] is None
    assert again["status"] == "done"
    assert actions(again)["snapshot"] == actions(again)["split"] == "reuse"
    assert actions(again)["tune"] == "resume"
    assert outputs(again) == outputs(first)


def interrupted(project: Path, at: str) -> tuple[int, dict[str, Any]]:
    """Sends SIGINT as soon as `at` is printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *COMMAND],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert any(at in line for line in process.stderr), f"{at!r} was never printed"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    return process.returncode, last_object(out)
