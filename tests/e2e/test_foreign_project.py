"""A project in a foreign folder, with every kind of component: it runs, resumes and replays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.command import aidn, last_object
from support.foreign import write_package, write_project
from support.source import ROOT

pytestmark = pytest.mark.e2e

RUN = ("recipe=rings", "--json")
BUILD = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "ringkit"
version = "1.0"
"""


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDN_TRUST", "1")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("foreign") / "my projet é")
    write_package(root)
    return root


@pytest.fixture(scope="module")
def first(project: Path) -> dict[str, Any]:
    return answered(aidn(*RUN, cwd=project, AIDN_TRUST="1"))


def answered(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return last_object(done.stdout)


def actions(answer: dict[str, Any]) -> dict[str, str]:
    return {name: stage["action"] for name, stage in answer["stages"].items()}


def outputs(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: stage["outputs"] for name, stage in answer["stages"].items()}


def changed(project: Path, file: str, old: str, new: str) -> list[str]:
    """The stages that a change of one file runs again; the file is put back."""
    path = project / "ringkit" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        plan = answered(aidn(*RUN, "--plan", cwd=project))
    finally:
        path.write_text(text)
    return [name for name, action in actions(plan).items() if action != "reuse"]


def test_all_components_of_the_project_are_used(first):
    assert first["status"] == "done"
    assert first["model"]["version"] == 1
    assert 0 <= first["metrics"]["val_sure"] <= 1


def test_more_epochs_learn_what_the_features_say(first, project):
    better = answered(aidn(*RUN, "trainer.epochs=60", "optimizer.lr=0.02", cwd=project))
    assert better["metrics"]["accuracy"] > 0.9


def test_the_second_run_reuses_everything(first, project):
    again = answered(aidn(*RUN, cwd=project))
    assert set(actions(again).values()) == {"reuse"}
    assert outputs(again) == outputs(first)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("shared.py", ".tanh()", ".relu()", ["train", "evaluate", "register", "export"]),
        ("scores.py", ">= at", "> at", ["train", "evaluate", "register", "export"]),
        ("shared.py", "activations.", "values.", []),
        ("draws.py", "+ len(history.trials)", "", []),
    ],
)
def test_a_changed_file_runs_again_what_uses_it_and_nothing_else(
    first, project, file, old, new, expected
):
    assert changed(project, file, old, new) == expected


def test_a_changed_helper_of_the_stage_runs_it_and_leaves_the_split(first, project):
    run = changed(project, "cuts.py", "edges, column)", "edges, column, side='right')")
    assert run[0] == "featurize"
    assert not {"snapshot", "split"} & set(run)


def test_a_killed_training_resumes_to_the_same_bytes_in_another_folder(tmp_path):
    slow = (*RUN, "trainer.epochs=12", "model.wait=0.02")
    calm, killed = (write_project(tmp_path / name) for name in ("calm", "killed"))
    for root in (calm, killed):
        write_package(root)
    process = subprocess.Popen(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *slow],
        cwd=killed,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_checkpoint(killed, process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    resumed = answered(aidn(*slow, cwd=killed))

    assert actions(resumed)["train"] == "resume"
    assert outputs(resumed) == outputs(answered(aidn(*slow, cwd=calm)))


def wait_for_checkpoint(root: Path, process: "subprocess.Popen[bytes]") -> None:
    """Returns when the training has written a checkpoint."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        for journal in (root / ".aidn").rglob("*journal*"):
            if journal.is_file() and b'"checkpoint"' in journal.read_bytes():
                return
        time.sleep(0.02)
    raise AssertionError("no checkpoint was written")


def test_a_sampler_of_the_project_proposes_the_trials(project):
    answer = answered(
        aidn(
            *RUN,
            "stages.tune={use: sweep, inputs: {dataset: featurize.dataset}, "
            "trial: '${trainer}', sampler: {use: corner, hidden: 6}, objective: "
            "'${trainer.monitor}', num_trials: 2, space: {model.hidden: {low: 2, high: 9}}}",
            cwd=project,
        )
    )
    assert answer["status"] == "done"


def test_it_runs_from_a_folder_inside_it(first, project):
    inner = project / "notes" / "week 1"
    inner.mkdir(parents=True, exist_ok=True)
    assert set(actions(answered(aidn(*RUN, cwd=inner))).values()) == {"reuse"}


def test_an_installed_package_gives_the_same_results(first, tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    write_package(source)
    (source / "pyproject.toml").write_text(BUILD)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--target", str(site), str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode and "hatchling" in done.stderr + done.stdout:
        pytest.skip("hatchling is not installed")
    assert done.returncode == 0, done.stderr
    root = write_project(tmp_path / "elsewhere")
    path = f"{ROOT}{os.pathsep}{site}"
    answer = answered(aidn(*RUN, cwd=root, PYTHONPATH=path))
    assert outputs(answer) == outputs(first)

    helper = site / "ringkit" / "shared.py"
    helper.write_text(helper.read_text().replace(".tanh()", ".relu()"))
    plan = answered(aidn(*RUN, "--plan", cwd=root, PYTHONPATH=path))
    run = [name for name, action in actions(plan).items() if action != "reuse"]
    assert run == ["train", "evaluate", "register", "export"]


def test_the_list_of_components_has_those_of_the_project(project):
    done = aidn("list", "components", "metric", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "metric/sureness" in done.stdout
