"""Another try after a failure, and an end to one that takes too long."""

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.executors import BackwardsExecutor
from support.toys import INDEX, note, pipeline

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import File
from aidn_pipeline.core.component import component
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.events import Event, StageFinished, StageRetried, StageStarted
from aidn_pipeline.core.pipeline import PipelineSpec, Retries, StageSpec
from aidn_pipeline.core.stage import StageContext
from aidn_pipeline.engine.executors.base import Ended, Task
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.retrying import LONGEST_S, pause_before_retry
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import (
    AidnError,
    ConfigError,
    CorruptObject,
    DataError,
    GateNotMet,
    Interrupted,
    StageDied,
    StageFailed,
    StageTimedOut,
    StorageFull,
)
from aidn_pipeline.store.store import Store


@component("stage", "flaky")
def flaky(ctx: StageContext, *, fails: int = 1, steps: int = 4) -> File:
    """Takes steps with a checkpoint after each, and fails after one of them, so many times."""
    log = ctx.project / "ran.log"
    kept = ctx.checkpoints.records()
    first = int(kept[-1].info["step"]) + 1 if kept else 1
    for step in range(first, steps + 1):
        note(ctx, f"flaky {step}")
        ctx.checkpoints.save({"value": b"x"}, {"step": step})
        if step < steps and log.read_text().count("failed") < fails:
            note(ctx, "failed")
            raise ConnectionResetError(f"gone at {step}")
    return ctx.save(File, b"whole")


@component("stage", "slow")
def slow(ctx: StageContext, *, swallow: bool = False) -> File:
    """Sleeps for half a minute; it may take no for an answer once."""
    note(ctx, "slow")
    if swallow:
        try:
            time.sleep(30)
        except Exception:  # noqa: BLE001 - what careless code does
            note(ctx, "swallowed")
    time.sleep(30)
    return ctx.save(File, b"")


@component("stage", "quits")
def quits(ctx: StageContext) -> File:
    """Ends the program, as a script does."""
    sys.exit(0)


WITH_THESE = INDEX.merged([spec_of(flaky), spec_of(slow), spec_of(quits)])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


def staged(name: str, use: str, retries: Retries = Retries(), **fields: object) -> StageSpec:  # noqa: B008
    described = complete(WITH_THESE, "stage", {"use": use, **fields})
    return StageSpec(name=name, stage=described, retries=retries)


def run(store: Store, spec: PipelineSpec, **more: Any) -> RunResult:
    return run_pipeline(spec, store, WITH_THESE, store.root.parent, **more)


def ran(store: Store) -> list[str]:
    return (store.root.parent / "ran.log").read_text().splitlines()


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


TWICE = Retries(times=2, backoff_s=0.0)


def test_another_try_continues_from_the_last_checkpoint(store):
    heard = Heard()
    result = run(store, pipeline(staged("a", "flaky", TWICE, fails=2)), listeners=[heard])
    assert result.status == "done"
    assert ran(store) == ["flaky 1", "failed", "flaky 2", "failed", "flaky 3", "flaky 4"]
    told = [e for e in heard.events if isinstance(e, StageRetried)]
    assert [(e.tries, e.most) for e in told] == [(1, 3), (2, 3)]
    assert "gone at 1" in told[0].problem
    assert sum(isinstance(e, (StageStarted, StageFinished)) for e in heard.events) == 2


def test_the_tries_stand_in_the_record_and_in_the_runs(store):
    result = run(store, pipeline(staged("a", "flaky", TWICE, fails=2)))
    record = store.records.stage(result.stages["a"].fingerprint)
    assert record.observed["tries"] == 3
    assert store.records.get("run", result.run)["facts"]["observed"] == {"a": {"tries": 3}}


def test_a_result_of_several_tries_is_that_of_one(store, tmp_path):
    (tmp_path / "other").mkdir()
    with Store.open(tmp_path / "other" / ".aidn", durability="process") as other:
        (tmp_path / "other" / "ran.log").write_text("")
        straight = run(other, pipeline(staged("a", "flaky", fails=0)))
    found = run(store, pipeline(staged("b", "flaky", TWICE, fails=2)))
    assert found.stages["b"].outputs == straight.stages["a"].outputs


def test_when_the_tries_are_spent_the_last_error_counts(store):
    result = run(store, pipeline(staged("a", "flaky", TWICE, fails=9)))
    assert isinstance(result.error, StageFailed)
    assert "gone at 3" in result.error.problem


def test_a_failure_that_is_not_meant_is_not_tried_again(store):
    retries = replace(TWICE, on=("TimeoutError",))
    assert run(store, pipeline(staged("a", "flaky", retries))).status == "failed"
    assert ran(store).count("failed") == 1


@pytest.mark.parametrize("name", ["ConnectionResetError", "OSError", "StageFailed"])
def test_a_failure_is_meant_by_its_name_or_one_it_derives_from(store, name):
    retries = replace(TWICE, on=(name,))
    assert run(store, pipeline(staged("a", "flaky", retries))).status == "done"


def test_a_name_is_known_for_what_was_raised_elsewhere(store):
    retries = replace(TWICE, on=("OSError",))
    result = run(store, pipeline(staged("a", "flaky", retries)), executor=BackwardsExecutor())
    assert result.status == "done"


def test_a_process_that_died_is_tried_again(store):
    died = [Ended(name="a", exit_code=-9)]

    def first_dies(_: Task) -> Ended | None:
        return died.pop() if died else None

    executor = BackwardsExecutor(before=first_dies)
    result = run(store, pipeline(staged("a", "flaky", TWICE, fails=0)), executor=executor)
    assert result.status == "done"
    assert store.records.stage(result.stages["a"].fingerprint).observed["tries"] == 2


def test_others_run_while_one_waits_for_its_next_try(store):
    heard = Heard()
    patient = Retries(times=1, backoff_s=0.3)
    spec = pipeline(staged("a", "flaky", patient), staged("b", "write"))
    assert run(store, spec, listeners=[heard]).status == "done"
    ended = [e.stage for e in heard.events if isinstance(e, StageFinished)]
    assert ended == ["b", "a"]


def test_a_stage_that_waits_for_a_try_fails_with_what_it_failed_of(store):
    patient = Retries(times=1, backoff_s=60)
    spec = pipeline(staged("a", "flaky", patient), staged("b", "flaky", fails=9))
    result = run(store, spec)
    assert {n: s.status for n, s in result.stages.items()} == {"a": "failed", "b": "failed"}


FAILED = StageFailed("no", where="here")


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (FAILED, 1.0),
        (DataError("no", where="here"), 1.0),
        (StageDied("no", where="here"), 1.0),
        (StageTimedOut("no", where="here"), 1.0),
        (GateNotMet("no", where="here"), None),
        (Interrupted(2), None),
        (StorageFull("no", where="here"), None),
        (ConfigError("no", where="here"), None),
    ],
)
def test_any_failure_of_the_stage_itself_is_tried_again(error: AidnError, pause: float | None):
    assert pause_before_retry(Retries(times=1), 1, error) == pause


def test_a_store_error_is_tried_again_if_it_is_named():
    retries = Retries(times=1, on=("CorruptObject",))
    assert pause_before_retry(retries, 1, CorruptObject("no", where="here")) == 1.0


def test_each_pause_is_twice_the_one_before_up_to_a_limit():
    retries = Retries(times=2000, backoff_s=0.5)
    pauses = [pause_before_retry(retries, tries, FAILED) for tries in (1, 2, 3, 2000, 2001)]
    assert pauses == [0.5, 1.0, 2.0, LONGEST_S, None]


def test_a_stage_that_takes_too_long_is_ended(store):
    started = time.monotonic()
    spec = pipeline(replace(staged("a", "slow"), timeout_s=0.2), staged("b", "write"))
    result = run(store, spec)
    assert isinstance(result.error, StageTimedOut)
    assert result.error.where == "stages.a.timeout_s"
    assert time.monotonic() - started < 5


def test_a_timeout_that_is_swallowed_comes_again(store):
    result = run(store, pipeline(replace(staged("a", "slow", swallow=True), timeout_s=0.2)))
    assert isinstance(result.error, StageTimedOut)
    assert ran(store) == ["slow", "swallowed"]


def test_each_try_has_its_own_time(store):
    result = run(store, pipeline(replace(staged("a", "slow", TWICE), timeout_s=0.2)))
    assert isinstance(result.error, StageTimedOut)
    assert ran(store) == ["slow"] * 3


def test_a_stage_in_time_is_not_ended_after_it(store):
    spec = pipeline(replace(staged("a", "write"), timeout_s=0.3))
    assert run(store, spec).status == "done"
    time.sleep(0.4)


def test_a_timeout_that_cannot_be_kept_is_refused(store):
    caught: list[AidnError] = []

    def elsewhere() -> None:
        try:
            run(store, pipeline(replace(staged("a", "write"), timeout_s=1.0)))
        except AidnError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert isinstance(caught[0], ConfigError)
    assert "run.executor=processes" in caught[0].remedy


def test_what_is_forced_is_done_again_in_its_second_try_too(store):
    spec = pipeline(staged("a", "flaky", Retries(times=1, backoff_s=0.0)))
    assert run(store, spec).status == "done"
    (store.root.parent / "ran.log").unlink()
    forced = run(store, spec, force=["a"]).stages["a"]
    assert (forced.action, forced.status) == ("resume", "done")
    assert ran(store) == ["flaky 1", "failed", "flaky 2", "flaky 3", "flaky 4"]


def test_a_stage_that_exits_is_a_failed_one(store):
    found = run(store, pipeline(staged("a", "quits")))
    assert found.status == "failed"
    assert isinstance(found.error, StageFailed)
    assert "does not exit" in found.error.remedy
