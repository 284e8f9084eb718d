"""Cells of a matrix in the engine: gathering, going on without one that failed, skipping."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.toys import INDEX, pipeline, stage

from aidn_pipeline.core.events import Event, Notice
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


def run(store: Store, spec: PipelineSpec, **more: Any) -> RunResult:
    return run_pipeline(spec, store, INDEX, store.root.parent, **more)


def cells(*kinds: str, on_failure: Any = "continue") -> list[StageSpec]:
    """A raw text for each kind, what `boom` makes of it, what follows, and all of those joined."""
    names = [f"[k={k}]" for k in range(len(kinds))]
    made = [stage(f"raw{n}", "write", text=n) for n in names]
    made += [
        replace(
            stage(f"work{n}", "boom", {"file": f"raw{n}.file"}, kind=kind),
            cell={"k": k},
            on_failure=on_failure,
        )
        for k, (n, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    made += [
        replace(stage(f"after{n}", "boom", {"file": f"work{n}.file"}, kind="none"), cell={"k": k})
        for k, n in enumerate(names)
    ]
    refs = tuple(PortRef(f"after{n}", "file", cell=(("k", k),)) for k, n in enumerate(names))
    return [*made, replace(stage("joined", "collect"), inputs={"files": refs})]


def joined(store: Store, result: RunResult) -> Any:
    artifact = result.stages["joined"].outputs["file"]
    return json.loads(store.objects.verified(artifact.digest).read_bytes())


def test_what_is_gathered_comes_in_order_with_the_values_of_each_cell(store):
    result = run(store, pipeline(*cells("none", "none")))
    assert joined(store, result) == [[{"k": 0}, "[k=0]"], [{"k": 1}, "[k=1]"]]


def test_one_cell_alone_is_gathered_as_one_of_many(store):
    assert joined(store, run(store, pipeline(*cells("none")))) == [[{"k": 0}, "[k=0]"]]


def test_one_reference_to_a_port_of_many_is_given_as_one_of_many(store):
    made = stage("made", "write", text="x")
    spec = pipeline(made, stage("joined", "collect", {"files": "made.file"}))
    assert joined(store, run(store, spec)) == [[{}, "x"]]


def test_a_cell_is_the_same_work_when_the_axis_grows(store):
    run(store, pipeline(*cells("none", "none")))
    result = run(store, pipeline(*cells("none", "none", "none")))
    assert [result.stages[f"work[k={k}]"].action for k in range(3)] == ["reuse", "reuse", "run"]
    assert result.stages["joined"].action == "run"


def test_a_cell_that_fails_fails_the_run(store):
    result = run(store, pipeline(*cells("none", "data", on_failure="stop")))
    assert (result.status, result.error.problem) == ("failed", "empty")
    assert result.stages["joined"].status == "skipped"


def test_a_run_goes_on_without_a_cell_that_may_fail_and_says_so(store):
    events: list[Event] = []

    class Told:
        def on_event(self, event: Event) -> None:
            events.append(event)

    result = run(store, pipeline(*cells("none", "data", "none")), listeners=[Told()])
    assert (result.status, result.error) == ("done", None)
    assert result.stages["work[k=1]"].status == "failed"
    assert result.stages["after[k=1]"].reason == "needs work[k=1]"
    assert joined(store, result) == [[{"k": 0}, "[k=0]"], [{"k": 2}, "[k=2]"]]
    warned = [e.text for e in events if isinstance(e, Notice) and e.level == "warning"]
    assert warned == ["work[k=1] failed, the run goes on without it: empty"]


def test_a_run_of_which_every_cell_failed_has_failed(store):
    result = run(store, pipeline(*cells("data", "data")))
    assert (result.status, result.error.problem) == ("failed", "empty")


def test_a_cell_that_failed_is_run_again_by_the_same_command(store):
    run(store, pipeline(*cells("none", "data")))
    result = run(store, pipeline(*cells("none", "data")))
    assert result.stages["work[k=1]"].action == "run"
    assert result.stages["joined"].action == "reuse"


def test_a_wanted_cell_that_failed_fails_the_run(store):
    wanted = stage("wanted", "boom", kind="none")
    wanted = replace(wanted, inputs={"file": (PortRef("after[k=1]", "file"),)})
    result = run(store, pipeline(*cells("none", "data"), wanted))
    assert (result.status, result.stages["wanted"].status) == ("failed", "skipped")
    assert result.error.problem == "empty"


def test_a_stage_that_may_fail_fails_the_run_once_the_others_are_done(store):
    broken = replace(stage("broken", "boom", {"file": "raw.file"}), on_failure="continue")
    spec = pipeline(stage("raw", "write"), broken, stage("upper", "upper", {"file": "raw.file"}))
    result = run(store, spec)
    assert (result.status, result.stages["upper"].status) == ("failed", "done")
    assert "no good" in result.error.problem


def test_a_skipped_stage_is_skipped_for_its_reason_and_the_run_is_done(store):
    spec = pipeline(
        stage("start", "write"),
        replace(stage("upper", "upper", {"file": "start.file"}), skip="`when` is false"),
    )
    result = run(store, spec)
    assert result.status == "done"
    found = result.stages["upper"]
    assert (found.action, found.status, found.reason) == ("skip", "skipped", "`when` is false")
    row = make_plan(spec, store, INDEX, store.root.parent).row("upper")
    assert (row.action, row.reason) == ("skip", "`when` is false")


def test_planning_a_gather_gives_the_fingerprint_that_running_it_gives(store):
    spec = pipeline(*cells("none", "none"))
    result = run(store, spec)
    row = make_plan(spec, store, INDEX, store.root.parent).row("joined")
    assert (row.action, row.fingerprint) == ("reuse", result.stages["joined"].fingerprint)
