"""What `new` writes runs at once, is reused, reacts to an edit, and is clean."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command import aidn, last_object
from support.source import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module", params=["churn", "price", "topics", "digit_images"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, of classes and of numbers, whose recipe has run once."""
    home = tmp_path_factory.mktemp("home")
    os.environ["XDG_CONFIG_HOME"] = str(home / "config")
    words = ["new", request.param]
    if request.param == "price":
        lines = ["size,kind,price", *(f"{i % 37},{'ab'[i % 2]},{i % 37 * 2.5}" for i in range(300))]
        (home / "houses.csv").write_text("\n".join(lines))
        words += ["--from", "houses.csv", "--target", "price"]
    if request.param == "digit_images":
        words += ["--kind", "images"]
    if request.param == "topics":
        words += ["--kind", "text"]
    started = time.monotonic()
    done = aidn(*words, cwd=home)
    assert done.returncode == 0, done.stderr
    ran = aidn(f"recipe={request.param}", "--json", cwd=home / request.param)
    assert ran.returncode == 0, ran.stderr
    result = last_object(ran.stdout)
    assert result["model"]["version"] == 1
    print(f"new to first result: {time.monotonic() - started:.1f} s")
    return home / request.param


def run(project: Path, *words: str) -> dict[str, dict[str, str]]:
    ran = aidn(f"recipe={project.name}", *words, "--json", cwd=project)
    assert ran.returncode == 0, ran.stderr
    stages: dict[str, dict[str, str]] = last_object(ran.stdout)["stages"]
    return stages


def test_the_model_does_better_than_one_answer_for_all(project: Path):
    metrics = last_object(aidn(f"recipe={project.name}", "--json", cwd=project).stdout)["metrics"]
    if project.name != "price":
        assert metrics["accuracy"] > metrics["baseline_accuracy"] + 0.1
        assert 0.5 < metrics["balanced_accuracy"] <= 1
    else:
        assert metrics["mae"] < metrics["baseline_mae"] / 2
        assert metrics["median_error"] > 0


def test_the_baseline_stands_beside_the_model(project: Path):
    shown = aidn(f"recipe={project.name}", cwd=project).stdout
    assert any(line.startswith("baseline  ") for line in shown.splitlines())


def test_a_second_run_reuses_everything(project: Path):
    assert {stage["action"] for stage in run(project).values()} == {"reuse"}


def test_its_tests_pass_and_it_is_clean(project: Path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words in (["pytest", "-q", "-p", "no:cacheprovider"], ["ruff", "check"], RUFF_FORMAT):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


RUFF_FORMAT = ["ruff", "format", "--check"]


def test_the_wide_preset_is_an_option(project: Path):
    plan = aidn(f"recipe={project.name}", f"model={project.name}_wide", "--plan", cwd=project)
    assert plan.returncode == 0, plan.stderr


def test_the_file_it_was_made_from_can_be_predicted(project: Path):
    (data,) = (project / "data").iterdir()
    done = aidn("predict", project.name, "--input", str(data), cwd=project)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == examples(data)


def examples(data: Path) -> int:
    if data.is_dir():
        return len(list(data.rglob("*.png")))
    return len(data.read_text().splitlines()) - (data.suffix == ".csv")


def test_an_edit_of_the_model_runs_what_depends_on_it_and_nothing_else(project: Path):
    model = project / project.name / "model.py"
    before = model.read_text()
    model.write_text(before.replace("nn.ReLU()", "nn.GELU()"))
    assert model.read_text() != before
    try:
        stages = run(project, "--plan")
    finally:
        model.write_text(before)
    assert {n for n, s in stages.items() if s["action"] == "reuse"} == {
        "snapshot",
        "split",
        "prepare",
    }
    assert {stage["action"] for stage in run(project).values()} == {"reuse"}
