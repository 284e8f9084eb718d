"""`aidn-run debug STAGE`: stops where the stage fails, keeps nothing, opens the same inputs."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.breaking import COMMAND, written
from support.source import ROOT

from aidn_pipeline.store.store import Store

pytestmark = pytest.mark.e2e

BROKEN = (*COMMAND, "model.batches=60")
SOUND = ("recipe=digits_train", "~stages.register.gate", "trainer.epochs=1")


def asked(*arguments: str, cwd: Path, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `aidn-run`; stdin is a pipe if something is typed, else nobody can answer."""
    return python("-m", "aidn_pipeline.cli.main", *arguments, cwd=cwd, typed=typed)


def python(*words: str, cwd: Path, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if typed is None else {"input": typed}
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIDN_TRUST": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        **given,
    )


def kept(project: Path) -> tuple[list[Path], list[Path]]:
    """Every file of the store, and its unfinished work."""
    store = project / ".aidn"
    files = sorted(p for p in store.rglob("*") if p.is_file() and p.name != "index.sqlite")
    return files, sorted(store.glob("work/*"))


def notebook(stdout: str) -> str:
    """The three lines, as somebody would paste them."""
    lines = [line.removeprefix("    ") for line in stdout.splitlines() if line.startswith("    ")]
    start = lines.index("from aidn_pipeline import AiModelResult")
    return "\n".join(lines[start : start + 3])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything before the training of `BROKEN` is done."""
    folder = written(tmp_path_factory.mktemp("broken"))
    assert asked("debug", "train", *BROKEN, cwd=folder).returncode == 3
    return folder


def test_the_debugger_opens_at_the_users_last_frame_of_the_stage(project):
    done = asked("debug", "train", *BROKEN, cwd=project, typed="p secret\nq\n")

    assert done.returncode == 3
    assert "(Pdb) 42" in done.stdout
    assert "raised in epoch 2, batch 22, step 61" in done.stderr


@pytest.mark.parametrize(("flags", "typed"), [(["--no-pdb"], "p secret\n"), ([], None)])
def test_no_debugger_opens_where_none_is_wanted_or_nobody_can_answer(project, flags, typed):
    done = asked("debug", "train", *BROKEN, *flags, cwd=project, typed=typed)

    assert done.returncode == 3
    assert "(Pdb)" not in done.stdout
    assert "in checked\n    raise ValueError" in done.stderr


def test_an_error_that_says_it_all_opens_no_debugger(project):
    (project / "d.csv").write_text("x,label\n1,\n2,\n")
    given = ("source=table", "source.path=d.csv", "source.label=label", "recipe=digits_train")
    done = asked("debug", "snapshot", *given, cwd=project, typed="q\n")

    assert done.returncode == 3
    assert "(Pdb)" not in done.stdout


def test_nothing_of_the_stage_is_kept(project):
    before = kept(project)
    asked("debug", "train", *BROKEN, cwd=project)

    assert kept(project) == before
    assert before[1] == []


def test_the_printed_lines_open_the_inputs_in_another_process(project):
    done = asked("debug", "train", *BROKEN, cwd=project)
    lines = notebook(done.stdout)
    opened = python("-c", f"{lines}\nprint(dataset.arrays('train')[0].shape)", cwd=project)

    assert opened.stdout == "(1244, 1, 8, 8)\n", opened.stderr


def test_the_first_stage_of_a_fresh_project_has_no_inputs_to_open(tmp_path):
    done = asked("debug", "snapshot", *SOUND, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "snapshot went through" in done.stdout
    assert "AiModelResult" not in done.stdout
    assert not list(tmp_path.glob(".aidn/objects/*/*"))


def test_what_a_stage_needs_is_run_and_kept(project):
    done = asked("debug", "evaluate", *SOUND, cwd=project)
    lines = notebook(done.stdout)
    again = asked("debug", "evaluate", *SOUND, cwd=project)
    opened = python("-c", f"{lines}\nprint(dataset.splits, sorted(checkpoint))", cwd=project)

    assert done.returncode == 0
    assert "train: done" in done.stdout
    assert "train" not in again.stdout.partition("evaluate went through")[0]
    assert notebook(again.stdout) == lines
    assert "'state.safetensors'" in opened.stdout, opened.stderr


def test_a_stage_that_goes_through_says_how_to_stop_inside(project):
    done = asked("debug", "register", *SOUND, cwd=project)

    assert done.returncode == 0
    assert "register went through in" in done.stdout
    assert "write `breakpoint()`" in done.stdout
    assert asked("list", "models", cwd=project).stdout.split() == ["model", "metrics", "checkpoint"]


def test_breakpoint_stops_inside_the_stage(project):
    models = project / "nets" / "broken.py"
    text = models.read_text()
    models.write_text(text.replace("secret = 40 + 2", "secret = 40 + 2\n        breakpoint()"))
    try:
        done = asked("debug", "train", *BROKEN, cwd=project, typed="p secret + 1\nq\n")
    finally:
        models.write_text(text)

    assert "(Pdb) 43" in done.stdout


def test_interrupted_work_goes_on_from_its_checkpoint_and_stays_as_it_was(project):
    command = (*COMMAND, "model.batches=100", "trainer.checkpoint.every_epochs=1")
    asked(*command, cwd=project)
    before = kept(project)
    done = asked("debug", "train", *command, cwd=project)

    assert len(before[1]) == 1
    assert "train: resume" in done.stdout
    # The network counts its own batches: from the end of epoch 2 it takes 100 more.
    assert "raised in epoch 5" in done.stderr
    assert kept(project) == before


def test_a_stage_that_is_done_is_run_all_the_same(project):
    assert asked(*SOUND, cwd=project).returncode == 0
    done = asked("debug", "train", *SOUND, cwd=project)

    assert "train: run, forced" in done.stdout
    assert "train went through" in done.stdout


def test_trials_that_are_done_are_not_run_again(project):
    sweep = ("recipe=digits", "stages.tune.num_trials=2", "trainer.epochs=1", "trainer.seed=3")
    assert asked("debug", "train", *sweep, cwd=project).returncode == 0
    done = asked("debug", "tune", *sweep, "stages.tune.num_trials=3", cwd=project)
    with Store.open(project / ".aidn") as store:
        tuned = [r for r in store.records.iterate("stage") if r["component"] == "stage/sweep"]

    assert done.returncode == 0
    assert "trial 3/3" in done.stdout
    assert [r["extends"] for r in tuned] == [{"num_trials": 2}]


def test_a_stage_that_is_not_reached_names_what_to_debug_instead(project):
    done = asked("debug", "evaluate", *BROKEN, cwd=project)

    assert done.returncode == 3
    assert f"next: aidn-run debug train {shlex.join(BROKEN)}" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian", "recipe=digits"], "did you mean `train`?"),
        (["recipe=digits"], "debug needs one stage"),
        (["train"], "a run needs one recipe"),
    ],
)
def test_a_command_that_cannot_be_read_says_what_to_write(project, words, told):
    done = asked("debug", *words, cwd=project)

    assert done.returncode == 2
    assert told in done.stderr


def test_a_smoke_run_of_a_stage_prints_no_lines_that_would_not_work(project):
    done = asked("debug", "evaluate", *SOUND, "run.smoke=true", cwd=project)

    assert done.returncode == 0, done.stderr
    assert "AiModelResult" not in done.stdout
