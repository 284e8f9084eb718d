"""Several stages in flight: the same results in whatever order they end; how a run ends."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.executors import BackwardsExecutor
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.core.events import Event, Progress, RunStarted, StageFinished, StageStarted
from aidn_pipeline.core.pipeline import Claim, PipelineSpec, StageSpec
from aidn_pipeline.engine.executors.base import Ended, Task
from aidn_pipeline.engine.failure import RaisedElsewhere
from aidn_pipeline.engine.outcome import RunResult, StageResult
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import (
    ConfigError,
    DataError,
    GateNotMet,
    Interrupted,
    StageDied,
    StageFailed,
    StageTimedOut,
)
from aidn_pipeline.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a task sets in its own process is this one's here.
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def backwards() -> BackwardsExecutor:
    return BackwardsExecutor()


def run(store: Store, spec: PipelineSpec, **more: Any) -> RunResult:
    return run_pipeline(with_room(spec), store, INDEX, store.root.parent, **more)


def with_room(spec: PipelineSpec) -> PipelineSpec:
    """The budget of a test is not that of the machine it runs on."""
    return replace(spec, run={"resources": {"cpu": 4, "gpu": 1, "memory": 100}, **spec.run})


def claiming(spec: PipelineSpec, **claims: Claim) -> PipelineSpec:
    changed = {n: replace(spec.stages[n], resources=claim) for n, claim in claims.items()}
    return replace(spec, stages={**spec.stages, **changed})


def three(*more: StageSpec, **keys: object) -> PipelineSpec:
    """Three stages that need nothing."""
    return pipeline(*(stage(n, "write", text=n) for n in ("one", "two", "three")), *more, **keys)


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def test_results_are_those_of_a_straight_run(store, backwards, tmp_path):
    (tmp_path / "other").mkdir()
    with Store.open(tmp_path / "other" / ".aidn") as straight:
        expected = run(straight, whole())
    found = run(store, whole(), executor=backwards)
    assert any(len(names) > 1 for names in backwards.together)
    facts = {n: (s.action, s.fingerprint, s.outputs) for n, s in expected.stages.items()}
    assert {n: (s.action, s.fingerprint, s.outputs) for n, s in found.stages.items()} == facts
    assert list(found.stages) == list(expected.stages)


@st.composite
def graphs(draw: st.DrawFn) -> PipelineSpec:
    """Stages of which some fail, some with leave to, each after what it needs."""
    stages = [stage("s0", "write", text="0")]
    for number in range(1, draw(st.integers(2, 5))):
        kind = draw(st.sampled_from(["none", "none", "data"]))
        needed = f"s{draw(st.integers(0, number - 1))}.file"
        made = stage(f"s{number}", "boom", {"file": needed}, kind=kind)
        may = draw(st.sampled_from(["stop", "continue"])) if kind == "data" else "stop"
        stages.append(replace(made, on_failure=may, resources=Claim(cpu=0)))
    return pipeline(*stages)


@settings(max_examples=25, deadline=None)
@given(graphs(), st.randoms(use_true_random=False), st.integers(2, 4))
def test_whatever_ends_first_each_stage_that_is_done_gives_the_same(graph, random, slots):
    found: list[dict[str, StageResult]] = []
    for executor in (None, BackwardsExecutor(slots, pick=random.randrange)):
        with (
            TemporaryDirectory() as folder,
            Store.open(Path(folder) / ".aidn", durability="process") as opened,
        ):
            result = run(opened, graph, executor=executor)
            found.append(dict(result.stages))
            assert list(result.stages) == list(graph.stages)
            stops = any(
                s.on_failure == "stop" and s.stage.get("kind") == "data"
                for n, s in graph.stages.items()
                if result.stages[n].status == "failed"
            )
            # Nothing that could run is left out, unless a failure stopped the run.
            for name, one in graph.stages.items():
                above = [r.stage for refs in one.inputs.values() for r in refs]
                ready = all(result.stages[n].status == "done" for n in above)
                assert stops or ready == (result.stages[name].status != "skipped")
    straight, mixed = found
    for name in graph.stages:
        if straight[name].status == mixed[name].status == "done":
            assert straight[name].outputs == mixed[name].outputs
            assert straight[name].fingerprint == mixed[name].fingerprint
    if all(
        s.on_failure == "continue" or s.stage.get("kind") != "data" for s in graph.stages.values()
    ):
        assert {n: s.status for n, s in straight.items()} == {n: s.status for n, s in mixed.items()}


def test_what_was_done_elsewhere_is_reused_without_a_task(store, backwards):
    run(store, whole(), executor=backwards)
    again = BackwardsExecutor()
    result = run(store, whole(), executor=again)
    assert {s.action for s in result.stages.values()} == {"reuse"}
    assert again.together == []


def test_listeners_hear_what_happens_in_a_task_in_its_stages_name(store, backwards):
    heard = Heard()
    (store.root.parent / "rows.txt").write_text("x")
    spec = pipeline(stage("one", "read_file", path="rows.txt"), stage("two", "write", text="y"))
    run(store, spec, executor=backwards, listeners=[heard])
    assert [e.stage for e in heard.events if isinstance(e, Progress)] == ["one"]
    assert isinstance(heard.events[0], RunStarted)
    started = [e.stage for e in heard.events if isinstance(e, StageStarted)]
    ended = [e.stage for e in heard.events if isinstance(e, StageFinished)]
    assert (started, ended) == (["one", "two"], ["two", "one"])


def test_the_longest_chain_by_recorded_seconds_starts_first(store, backwards):
    spec = three(stage("upper", "upper", {"file": "three.file"}))
    first = run(store, spec, executor=backwards)
    for name, seconds in {"one": 30.0, "two": 50.0, "three": 10.0, "upper": 25.0}.items():
        record = store.records.stage(first.stages[name].fingerprint)
        changed = replace(record, observed={**record.observed, "seconds": seconds})
        store.records.append("stage", record.fingerprint, changed.to_json())
    again = BackwardsExecutor()
    run(store, spec, executor=again, force=list(spec.stages))
    assert again.together[2] == ["two", "three", "one"]


@pytest.mark.parametrize(
    ("claim", "most"),
    [
        (Claim(cpu=2), 2),
        (Claim(gpu=1), 1),
        (Claim(memory=40), 2),
        (Claim(mutex=("disk",)), 1),
        (Claim(cpu=0), 3),
    ],
)
def test_what_runs_together_stays_within_the_budget(store, backwards, claim, most):
    spec = claiming(three(), one=claim, two=claim, three=claim)
    assert run(store, spec, executor=backwards).status == "done"
    assert max(map(len, backwards.together)) == most


def test_a_stage_has_the_devices_it_claims_for_itself(store, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    found: dict[str, list[str]] = {}

    def look(task: Task) -> None:
        found[task.name] = task.payload["devices"]

    one, two = Claim(gpu=1), Claim(gpu=2)
    spec = claiming(three(stage("plain", "write", text="plain")), one=two, two=one, three=one)
    spec = replace(spec, run={"resources": {"cpu": 4}})
    executor = BackwardsExecutor(before=look)
    assert run_pipeline(spec, store, INDEX, store.root.parent, executor=executor).status == "done"
    assert found["one"] == ["3", "5"]
    assert found["two"] == ["7"]
    assert len(found["three"]) == 1
    assert found["plain"] == []


@pytest.mark.parametrize(
    ("claim", "key"),
    [(Claim(cpu=5), "cpu"), (Claim(gpu=2), "gpu"), (Claim(memory=101), "memory")],
)
def test_a_claim_that_never_fits_is_refused_before_anything_runs(store, claim, key):
    with pytest.raises(ConfigError) as caught:
        run(store, claiming(three(), two=claim))
    assert caught.value.exit_code == 2
    assert f"stages.two.resources.{key}" in caught.value.where
    assert f"run.resources.{key}" in caught.value.remedy
    assert list(store.records.iterate("run")) == []


def test_a_component_of_the_running_program_is_refused_elsewhere(store, backwards):
    live = INDEX.find("stage", "write")
    index = INDEX.merged([replace(live, module="__main__")])
    with pytest.raises(ConfigError) as caught:
        run_pipeline(with_room(three()), store, index, store.root.parent, executor=backwards)
    assert "run.executor=inline" in caught.value.remedy
    elsewhere = replace(three(), run={"executor": "processes"})
    with pytest.raises(ConfigError):
        make_plan(elsewhere, store, index, store.root.parent)


def failing(kind: str = "data") -> PipelineSpec:
    return pipeline(
        stage("start", "write"),
        stage("slow", "count", {"file": "start.file"}),
        stage("behind", "upper", {"file": "slow.file"}),
        stage("bad", "boom", {"file": "start.file"}, kind=kind),
        stage("after", "upper", {"file": "bad.file"}),
    )


def test_after_a_failure_what_runs_is_finished_and_nothing_is_started(store):
    executor = BackwardsExecutor(slots=2)
    result = run(store, failing(), executor=executor)
    assert isinstance(result.error, DataError)
    assert (result.error.where, result.error.remedy) == ("rows.csv", "add rows")
    assert {n: s.status for n, s in result.stages.items()} == {
        "start": "done",
        "slow": "done",
        "behind": "skipped",
        "bad": "failed",
        "after": "skipped",
    }


def test_a_foreign_exception_comes_back_with_its_trace(store, backwards):
    error = run(store, failing("value"), executor=backwards).error
    assert isinstance(error, StageFailed)
    cause = error.__cause__
    assert isinstance(cause, RaisedElsewhere)
    assert (cause.text, cause.kinds[0]) == ("ValueError: no good", "ValueError")
    assert cause.frames[-1].name == "boom"
    assert "raise ValueError" in cause.trace


def test_a_gate_that_is_not_met_comes_back_as_one(store, backwards):
    gate = stage("gate", "gate", {"metrics": "count.metrics"}, least=100)
    spec = whole()
    result = run(store, replace(spec, stages={**spec.stages, "gate": gate}), executor=backwards)
    assert (result.status, type(result.error)) == ("gate_not_met", GateNotMet)


@pytest.mark.parametrize(
    ("ended", "error", "said"),
    [
        (Ended(name="two", exit_code=-9), StageDied, "killed by signal 9"),
        (Ended(name="two", exit_code=3), StageDied, "exit code 3"),
        (Ended(name="two", timed_out=True, seconds=2.0), StageTimedOut, "2.0 s"),
    ],
)
def test_a_task_that_gives_no_answer_is_a_typed_failure(store, ended, error, said):
    executor = BackwardsExecutor(before=lambda task: ended if task.name == "two" else None)
    result = run(store, three(), executor=executor)
    assert type(result.error) is error
    assert said in result.error.problem
    assert result.error.exit_code == 3
    assert result.stages["one"].status == "done"


def test_what_the_host_saw_stands_in_the_runs_record(store):
    log = store.root.parent / "two.log"
    ended = Ended(name="two", exit_code=-9, peak_memory=1234, log=log)
    executor = BackwardsExecutor(before=lambda task: ended if task.name == "two" else None)
    result = run(store, three(), executor=executor)
    record = store.records.get("run", result.run)
    assert record["facts"]["observed"] == {
        "two": {"peak_memory": 1234, "exit_code": -9, "log": str(log)}
    }
    assert record["facts"]["executor"] == "inline"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_nothing_is_started(store, signum):
    def kick(task: Task) -> None:
        os.kill(os.getpid(), signum)

    executor = BackwardsExecutor(slots=2, before=kick)
    result = run(store, three(), executor=executor)
    assert executor.signals == [signum]
    assert len(executor.together) == 2
    assert (result.status, result.error.exit_code) == ("interrupted", 128 + signum)
    assert run(store, three()).status == "done"


def test_a_second_signal_kills_what_runs(store):
    def twice(task: Task) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    executor = BackwardsExecutor(before=twice)
    result = run(store, three(), executor=executor)
    assert isinstance(result.error, Interrupted)
    assert executor.killed == ["one", "two"]
    assert executor.closed
    assert {s.status for s in result.stages.values()} == {"interrupted"}


def test_an_executor_that_breaks_fails_the_run_and_is_closed(store):
    def broken(task: Task) -> None:
        raise StageDied("the server died", where="processes")

    executor = BackwardsExecutor(before=broken)
    result = run(store, three(), executor=executor)
    assert result.error.problem == "the server died"
    assert executor.closed
