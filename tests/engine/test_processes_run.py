"""Runs on the executor `processes`: the same results as inline, and a runner that lives."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command import QUICK, aidn, last_object
from support.source import ROOT
from support.toys import INDEX, pipeline, stage, whole
from support.unruly import SPEC

from aidn_pipeline.cli.frames import folded
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.events import Event, StageOutput
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.engine.executors.base import Ended, Task
from aidn_pipeline.engine.executors.processes import ProcessExecutor
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.check import check
from aidn_pipeline.store.logs import log_file
from aidn_pipeline.store.store import Store

UNRULY = INDEX.merged([SPEC])
TRAINING = ("torch", "pyarrow", "aidn_pipeline.stages.train", "aidn_pipeline.training.trainer")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def run(store: Store, spec: PipelineSpec, **more: Any) -> RunResult:
    spec = replace(spec, run={"executor": "processes", "resources": {"cpu": 4}, **spec.run})
    return run_pipeline(spec, store, UNRULY, store.root.parent, **more)


def unruly(way: str, **more: Any) -> StageSpec:
    described = complete(UNRULY, "stage", {"use": "unruly", "way": way})
    return StageSpec(name=way, stage=described, inputs={}, **{"on_failure": "continue", **more})


def facts(result: RunResult) -> dict[str, Any]:
    return {n: (s.action, s.fingerprint, s.outputs) for n, s in result.stages.items()}


def record(store: Store, result: RunResult) -> Mapping[str, Any]:
    return next(r for r in store.records.iterate("run") if r["run"] == result.run)


def test_results_are_those_of_an_inline_run(store, tmp_path):
    (tmp_path / "other").mkdir()
    with Store.open(tmp_path / "other" / ".aidn", durability="process") as inline:
        expected = run(inline, replace(whole(), run={"executor": "inline"}))
    found = run(store, whole())
    assert facts(found) == facts(expected)
    assert {s.action for s in run(store, whole()).stages.values()} == {"reuse"}


def test_a_run_lives_on_whatever_its_stages_do(store):
    ways = (
        "exits",
        "is_odd",
        "crashes",
        "is_killed",
        "leaks",
        "scribbles",
        "answers_itself",
        "forks",
    )
    fine = stage("fine", "write", text="fine")
    found = run(store, pipeline(*(unruly(way) for way in ways), fine))
    assert {n: s.status for n, s in found.stages.items()} == {
        **dict.fromkeys(ways, "failed"), "forks": "done", "fine": "done",
    }  # fmt: skip
    assert found.error is not None
    assert found.error.exit_code == 3
    assert check(store) == []


def test_what_a_stage_prints_is_told_and_kept(store):
    heard = Heard()
    found = run(store, pipeline(unruly("behaves")), listeners=[heard])
    told = [event for event in heard.events if isinstance(event, StageOutput)]
    assert told == [StageOutput(stage="behaves", lines=("fine",))]
    assert log_file(store.root, found.run, "behaves").read_text() == "fine\n"


def test_the_record_of_a_run_has_the_peak_of_memory_and_the_log_of_each_stage(store):
    found = run(store, pipeline(unruly("behaves"), unruly("exits")))
    observed = record(store, found)["facts"]["observed"]
    assert observed["behaves"]["peak_memory"] > 1_000_000
    assert observed["behaves"]["log"] == f"logs/{found.run}/behaves.log"
    assert observed["exits"]["exit_code"] == 3


def test_a_timeout_ends_a_stage_that_does_not_listen(store, monkeypatch):
    monkeypatch.setattr("aidn_pipeline.engine.executors.processes.AFTER_GRACE_S", 0.0)
    executor = ProcessExecutor(2, entry="aidn_pipeline.engine.work:perform_task", grace_s=0.2)
    found = run(store, pipeline(unruly("ignores_sigterm", timeout_s=0.5)), executor=executor)
    assert "took longer than its timeout" in str(found.error)


def test_code_that_was_edited_while_the_run_went_on_is_not_run_under_the_old_fingerprint(store):
    code = store.root.parent / "mine.py"
    code.write_text("LIMIT = 1\n")
    index = INDEX.merged([replace(SPEC, code={"mine.py": "b3:" + "0" * 64})])
    one_core = {"executor": "processes", "resources": {"cpu": 1}}
    spec = replace(pipeline(unruly("edits"), unruly("behaves")), run=one_core)
    found = run_pipeline(spec, store, index, store.root.parent)
    assert {n: s.status for n, s in found.stages.items()} == {"edits": "done", "behaves": "failed"}
    assert "was edited while the run was going" in str(found.error)
    assert "mine.py" in str(found.error)


def test_the_server_has_one_thread_when_it_forks_and_never_touches_cuda():
    # jemalloc's own thread is stopped and started again around a fork by its handlers.
    executor = ProcessExecutor(1, entry="support.unruly:threads_and_cuda")
    try:
        executor.start(Task(name="t", payload={}, preload=TRAINING))
        answer = None
        while answer is None:
            (answer,) = [e.answer for e in executor.wait(5) if isinstance(e, Ended)] or [None]
        assert answer == {"torch": True, "cuda": False, "threads": 1}
        assert executor._server is not None
        tasks = Path(f"/proc/{executor._server.pid}/task")
        others = [p for p in tasks.iterdir() if p.name != str(executor._server.pid)]
        assert {(p / "comm").read_text().strip() for p in others} <= {"jemalloc_bg_thd"}
    finally:
        executor.close()


@pytest.mark.slow
@pytest.mark.e2e
def test_a_training_gives_the_same_bytes_inline_and_in_processes(tmp_path):
    answers = []
    for kind in ("inline", "processes"):
        (tmp_path / kind).mkdir()
        ran = aidn(*QUICK, f"run.executor={kind}", "--json", cwd=tmp_path / kind)
        assert ran.returncode == 0, ran.stderr
        answers.append(last_object(ran.stdout))
    one, other = ({n: (s["fingerprint"], s["outputs"]) for n, s in a["stages"].items()}
                  for a in answers)  # fmt: skip
    assert one == other
    assert answers[0]["metrics"] == answers[1]["metrics"]


def test_a_stages_exception_is_told_with_the_same_frames_as_inline(store):
    told = []
    spec = pipeline(stage("start", "write"), stage("bad", "boom", {"file": "start.file"}))
    for kind in ("inline", "processes"):
        error = run(store, replace(spec, run={"executor": kind})).error
        assert error is not None
        assert error.__cause__ is not None
        told.append((str(error), folded(error.__cause__, ROOT / "tests")))
    assert 'raise ValueError("no good")' in told[0][1]
    assert told[0] == told[1]


LONG = ("recipe=digits_train", "trainer.epochs=12", "~stages.register.gate")


@pytest.mark.slow
@pytest.mark.crash
def test_an_interrupted_training_saves_a_checkpoint_and_goes_on_from_it(tmp_path):
    for name in ("straight", "stopped"):
        (tmp_path / name).mkdir()
    straight = last_object(aidn(*LONG, "--json", cwd=tmp_path / "straight").stdout)
    project = tmp_path / "stopped"
    runner = subprocess.Popen(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *LONG, "run.executor=processes"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while (
        not list((project / ".aidn" / "work").glob("*/checkpoints/*")) and time.monotonic() < until
    ):
        time.sleep(0.02)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(30) == 130
    ran = aidn(*LONG, "run.executor=processes", "--json", cwd=project)
    found = last_object(ran.stdout)
    assert found["stages"]["train"]["action"] == "resume"
    assert {n: s["outputs"] for n, s in found["stages"].items()} == {
        n: s["outputs"] for n, s in straight["stages"].items()
    }
    assert json.dumps(found["metrics"]) == json.dumps(straight["metrics"])
