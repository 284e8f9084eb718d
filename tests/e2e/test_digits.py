"""The digits recipe through the command line, each command in a fresh process."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from support.command import QUICK, SCHEMA, aidn, last_object
from support.source import ROOT

pytestmark = pytest.mark.e2e
LIMIT_S = 90


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(scope="module")
def first(project):
    done = aidn("recipe=digits", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    return last_object(done.stdout)


def test_the_recipe_reaches_its_accuracy(first):
    assert first["status"] == "done"
    assert first["metrics"]["accuracy"] >= 0.96
    assert first["model"] == {"name": "digits", "version": 1, "digest": first["model"]["digest"]}


def test_twenty_trials_were_made(first, project):
    trials = [v for v in aidn("show", cwd=project).stdout.splitlines() if "trials" in v]
    assert trials
    assert first["stages"]["tune"]["outputs"]["trials"]["kind"] == "report"


def test_training_after_the_sweep_trains_nothing(first):
    assert first["stages"]["train"]["action"] == "reuse"


def test_a_second_run_runs_nothing(first, project):
    again = last_object(aidn("recipe=digits", "--json", cwd=project).stdout)
    assert {stage["action"] for stage in again["stages"].values()} == {"reuse"}
    outputs = {name: stage["outputs"] for name, stage in first["stages"].items()}
    assert {name: stage["outputs"] for name, stage in again["stages"].items()} == outputs
    assert again["model"] == first["model"]


def test_two_projects_make_the_same_bytes(tmp_path):
    answers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        answers.append(last_object(aidn(*QUICK, "--json", cwd=tmp_path / name).stdout))
    for answer in answers:
        del answer["run"], answer["seconds"]
        for stage in answer["stages"].values():
            del stage["seconds"]
    assert answers[0] == answers[1]


def test_a_fresh_process_answers_raw_rows(first, project, tmp_path):
    rows = [{f"pixel_{i}": 0.0 for i in range(64)}]
    document = json.loads((project / first["bundle"] / "model.json").read_text())
    names = document["signature"]["features"]
    rows = [dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.0)]
    with (tmp_path / "rows.csv").open("w") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    found = [
        aidn("predict", reference, "--input", str(tmp_path / file), cwd=project)
        for reference, file in [("digits@1", "rows.csv"), (first["bundle"], "rows.json")]
    ]
    assert [done.returncode for done in found] == [0, 0]
    assert json.loads(found[0].stdout) == json.loads(found[1].stdout)


def test_an_interrupted_run_continues_to_the_same_bytes(first, tmp_path):
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "aidn_pipeline.cli.main", "recipe=digits", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    until = time.monotonic() + LIMIT_S
    while "trial 4/" not in (tmp_path / "log").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    log.close()
    assert process.returncode == 130
    assert last_object(out)["status"] == "interrupted"
    again = last_object(aidn("recipe=digits", "--json", cwd=tmp_path).stdout)
    assert again["stages"]["tune"]["action"] == "resume"
    outputs = {name: stage["outputs"] for name, stage in first["stages"].items()}
    assert {name: stage["outputs"] for name, stage in again["stages"].items()} == outputs
    assert again["model"] == first["model"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["recipe=nothing"], 2),
        (["recipe=digits", "trainer.epoch=1"], 2),
        (["recipe=digits_train", "source={use: table, path: no.csv, label: y}"], None),
        (["predict", "cats", "--input", "no.json"], 3),
    ],
)
def test_bad_input_has_its_exit_code(tmp_path, arguments, code):
    done = aidn(*arguments, cwd=tmp_path)
    assert done.returncode == code or (code is None and done.returncode in (2, 3))
    assert done.stderr.startswith("error: ")
    assert "fix: " in done.stderr


@pytest.mark.slow
def test_the_wheel_holds_every_recipe_and_config_and_runs_from_an_empty_folder(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    shipped = {
        f"aidn_pipeline/_data/{path.relative_to(ROOT).as_posix()}"
        for kind in ("conf", "recipes", "schemas")
        for path in (ROOT / kind).rglob("*")
        if path.is_file()
    }
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "aidn_pipeline").rglob("*")
        if path.suffix in {".py", ".parquet", ".typed"}
    }
    assert shipped | package <= held
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *QUICK, "--json"],
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert last_object(done.stdout)["bundle"] == "bundles/digits/1"
    assert SCHEMA["$defs"]
