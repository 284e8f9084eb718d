"""What a run does: reuse, early cut-off, extension, nesting, gates, failures, interruptions."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.core.events import Event, Progress, StageStarted
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.outcome import RunResult, run_status
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import CorruptObject, DataError, GateNotMet, Interrupted, StageFailed
from aidn_pipeline.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


def run(store: Store, spec: PipelineSpec, **more: object) -> RunResult:
    return run_pipeline(spec, store, INDEX, store.root.parent, **more)


def actions(result: RunResult) -> dict[str, str]:
    return {name: stage.action for name, stage in result.stages.items()}


def ran(store: Store) -> list[str]:
    return (store.root.parent / "ran.log").read_text().splitlines()


def test_a_second_run_does_nothing(store):
    run(store, whole())
    before = ran(store)
    assert set(actions(run(store, whole())).values()) == {"reuse"}
    assert ran(store) == before


def test_equal_bytes_stop_the_ripple(store):
    chain = [stage("upper", "upper", {"file": "start.file"})]
    run(store, pipeline(stage("start", "write", text="x"), *chain))
    changed = pipeline(
        stage("start", "boom", {"file": "raw.file"}, kind="none"),
        stage("raw", "write", text="x"),
        *chain,
    )
    assert actions(run(store, changed)) == {"raw": "reuse", "start": "run", "upper": "reuse"}


def test_a_field_that_cannot_change_a_result_runs_nothing(store):
    run(store, pipeline(stage("start", "write", workers=1)))
    assert actions(run(store, pipeline(stage("start", "write", workers=8)))) == {"start": "reuse"}


def test_a_stages_name_is_no_part_of_its_work(store):
    run(store, pipeline(stage("start", "write")))
    assert actions(run(store, pipeline(stage("begin", "write")))) == {"begin": "reuse"}


def test_more_steps_continue_and_equal_a_straight_run(store, tmp_path):
    run(store, whole(steps=3))
    extended = run(store, whole(steps=5))
    assert actions(extended)["count"] == "resume"
    assert [line for line in ran(store) if line.startswith("count 5")][3:] == [
        "count 5 4",
        "count 5 5",
    ]
    (tmp_path / "other").mkdir()
    with Store.open(tmp_path / "other" / ".aidn") as fresh:
        assert (
            run(fresh, whole(steps=5)).stages["count"].outputs == extended.stages["count"].outputs
        )


def test_a_seed_changes_only_stages_that_use_one(store):
    run(store, whole())
    spec = PipelineSpec(name="toy", stages=whole().stages, seed=1)
    found = actions(run(store, spec))
    assert (found["start"], found["upper"]) == ("reuse", "reuse")
    assert (found["count"], found["tune"]) == ("run", "run")


def test_trials_are_shared_with_a_stage_of_equal_fields(store):
    run(store, whole())
    same = pipeline(
        stage("start", "write", text="hello"),
        stage("solo", "count", {"file": "start.file"}, by=3, steps=2),
    )
    assert actions(run(store, same)) == {"start": "reuse", "solo": "reuse"}


def test_a_gate_that_is_not_met_mints_nothing_and_is_no_failure(store):
    spec = pipeline(
        stage("start", "write"),
        stage("count", "count", {"file": "start.file"}),
        stage("gate", "gate", {"metrics": "count.metrics"}, least=100),
        stage("after", "upper", {"file": "gate.file"}),
        stage("beside", "upper", {"file": "count.file"}),
    )
    result = run(store, spec)
    assert result.status == "gate_not_met"
    assert isinstance(result.error, GateNotMet)
    assert actions(result)["after"] == "skip"
    assert result.stages["beside"].status == "done"
    assert list(store.records.iterate("version")) == []


def test_a_loosened_gate_registers_the_same_version_once(store):
    run(store, whole())
    spec = whole()
    looser = {**spec.stages, "gate": stage("gate", "gate", {"metrics": "count.metrics"}, least=-5)}
    assert actions(run(store, PipelineSpec(name="toy", stages=looser)))["gate"] == "run"
    assert [v["version"] for v in store.records.iterate("version")] == [1]


@pytest.mark.parametrize(
    ("kind", "error", "code"), [("value", StageFailed, 3), ("data", DataError, 3)]
)
def test_a_failing_stage_is_typed_and_skips_what_follows(store, kind, error, code):
    spec = pipeline(
        stage("start", "write"),
        stage("bad", "boom", {"file": "start.file"}, kind=kind),
        stage("after", "upper", {"file": "bad.file"}),
    )
    result = run(store, spec)
    assert (result.status, type(result.error), result.error.exit_code) == ("failed", error, code)
    assert actions(result) == {"start": "run", "bad": "run", "after": "skip"}


def test_forcing_a_stage_runs_it_again(store):
    run(store, whole())
    assert actions(run(store, whole(), force=["upper"]))["upper"] == "run"
    assert ran(store).count("upper") == 2


class SignalAt:
    """Sends a signal to this process when a stage starts."""

    def __init__(self, name: str, *signals: int) -> None:
        self.name, self.signals = name, signals

    def on_event(self, event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage == self.name:
            for signum in self.signals:
                os.kill(os.getpid(), signum)
                time.sleep(0.01)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_a_checkpoint_and_the_same_command_continues(store, signum):
    result = run(store, whole(), listeners=[SignalAt("count", signum)])
    assert (result.status, result.error.exit_code) == ("interrupted", 128 + signum)
    row = make_plan(whole(), store, INDEX, store.root.parent).row("count")
    assert (row.action, row.progress) == ("resume", "step 1")
    assert run(store, whole()).status == "done"
    assert [line for line in ran(store) if line.startswith("count 5")] == [
        "count 5 1",
        "count 5 2",
        "count 5 3",
    ]


def test_a_second_signal_ends_at_once(store):
    result = run(store, whole(), listeners=[SignalAt("count", signal.SIGINT, signal.SIGINT)])
    assert isinstance(result.error, Interrupted)
    assert "count 5 1" not in ran(store)


def test_running_is_shown_only_while_the_owner_lives(store):
    run(store, whole())
    (record,) = store.records.iterate("run")
    dead = {**record, "run": "gone", "status": "running"}
    store.records.append("run", "gone", dead)
    assert run_status(store, dead) == "interrupted"
    with store.locks.hold("run/gone"):
        assert run_status(store, dead) == "running"


def test_a_missing_output_is_made_again(store):
    result = run(store, whole())
    path = store.objects.path(result.stages["upper"].outputs["folder"].digest)
    path.chmod(0o644)
    path.unlink()
    assert actions(run(store, whole()))["upper"] == "run"


def test_a_damaged_input_is_an_error_once_and_then_made_again(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        result = run(store, whole())
        path = store.objects.path(result.stages["start"].outputs["file"].digest)
        path.chmod(0o644)
        path.write_bytes(b"HELLO")
    grown = pipeline(
        *whole().stages.values(), stage("new", "boom", {"file": "start.file"}, kind="none")
    )
    with Store.open(tmp_path / ".aidn") as store:
        assert isinstance(run(store, grown).error, CorruptObject)
        again = run(store, grown)
    assert again.status == "done"
    assert actions(again)["start"] == "run"


def test_a_damaged_checkpoint_is_reported_by_its_path(store):
    run(store, whole(), listeners=[SignalAt("count", signal.SIGINT)])
    (file,) = (store.root / "work").glob("*/checkpoints/*/value")
    file.write_bytes(b"9")
    result = run(store, whole())
    assert isinstance(result.error, CorruptObject)
    assert str(file) in result.error.where


def test_a_file_that_changes_while_it_is_read_is_not_kept_under_its_old_bytes(store, tmp_path):
    (tmp_path / "rows.txt").write_text("old")

    class Meddler:
        def on_event(self, event: Event) -> None:
            if isinstance(event, Progress):
                (tmp_path / "rows.txt").write_text("new")

    spec = pipeline(stage("read", "read_file", path="rows.txt"))
    result = run(store, spec, listeners=[Meddler()])
    assert isinstance(result.error, StageFailed)
    again = run(store, spec)
    assert again.status == "done"
    kept = again.stages["read"].outputs["file"]
    assert store.objects.read(kept.digest) == b"new"
