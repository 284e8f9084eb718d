"""Cross-validation from the command line: cells by name, killed and resumed, grown, left out."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import aidn, last_object
from support.source import ROOT

pytestmark = pytest.mark.e2e
GIVEN = ("recipe=wine_kfold", "trainer.epochs=8", "stages.register.gate.accuracy_mean.min=0.5")
CELLS = [
    f"{name}[fold={k}]" for name in ("split", "prepare", "train", "evaluate") for k in range(5)
]


def result_of(folder: Path, *more: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    done = aidn(*GIVEN, *more, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return last_object(done.stdout)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A project with one finished run, not to be changed, and what it gave."""
    folder = tmp_path_factory.mktemp("folds") / "project"
    return folder, result_of(folder)


def test_programs_see_each_cell_by_its_name(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    _, result = undisturbed
    assert set(CELLS) < set(result["stages"])
    assert {"accuracy_mean", "accuracy_std", "accuracy[fold=3]"} < set(result["metrics"])
    assert "accuracy" not in result["metrics"]


def test_the_mean_is_that_of_the_cells(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    metrics = undisturbed[1]["metrics"]
    values = [metrics[f"accuracy[fold={k}]"] for k in range(5)]
    assert metrics["accuracy_mean"] == pytest.approx(sum(values) / 5)


@pytest.mark.crash
def test_a_run_that_is_killed_between_its_cells_goes_on_and_ends_in_the_same_bytes(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "aidn_pipeline.cli.main", *GIVEN]
    killed = subprocess.Popen(
        words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    with killed.stdout as lines:
        seen = next(line for line in lines if line.startswith("train[fold=2]: run"))
        killed.send_signal(signal.SIGKILL)
    assert (seen, killed.wait()) != ("", 0)

    result, whole = result_of(tmp_path), undisturbed[1]
    assert result["stages"]["train[fold=1]"]["action"] == "reuse"
    assert result["stages"]["train[fold=3]"]["action"] == "run"
    for name, stage in whole["stages"].items():
        assert result["stages"][name]["outputs"] == stage["outputs"], name
    assert result["metrics"] == whole["metrics"]
    assert result["model"] == whole["model"]


def test_an_axis_that_grows_keeps_its_cells(tmp_path: Path) -> None:
    result_of(tmp_path, "stages.split.matrix.fold=[0, 3]")
    stages = result_of(tmp_path)["stages"]
    reused = [name for name in CELLS if stages[name]["action"] == "reuse"]
    assert reused == [name for name in CELLS if "=0]" in name or "=3]" in name]
    assert stages["final"]["action"] == "reuse"
    assert stages["aggregate"]["action"] == "run"


def test_a_gate_looks_at_the_mean_of_the_folds(tmp_path: Path) -> None:
    given = (*GIVEN[:2], "stages.register.gate.accuracy_mean.min=1.1")
    done = aidn(*given, "--json", cwd=tmp_path)
    result = last_object(done.stdout)
    assert (done.returncode, result["status"], result["model"]) == (4, "gate_not_met", None)
    assert result["stages"]["export"]["reason"] == "needs register"


def test_an_artifact_of_a_cell_is_opened_by_its_name(
    undisturbed: tuple[Path, dict[str, Any]],
) -> None:
    code = (
        "import json\nfrom aidn_pipeline import AiModelResult\n"
        "run = AiModelResult.of_run('')\n"
        "print(run.artifact('split[fold=2].dataset').splits)\n"
        "report = json.loads(run.artifact('aggregate.report').read_text())\n"
        "print([c['cell'] for c in report['cells']])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=undisturbed[0],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "'test': 36" in done.stdout, done.stderr
    assert "[{'fold': 0}, {'fold': 1}, {'fold': 2}, {'fold': 3}, {'fold': 4}]" in done.stdout


def test_a_recipe_of_cells_runs_at_its_smallest(tmp_path: Path) -> None:
    assert result_of(tmp_path, "run.smoke=true")["status"] == "done"
