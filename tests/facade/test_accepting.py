"""Accepting: a result stands for changed work, never silently, never for other inputs."""

from dataclasses import MISSING, dataclass
from pathlib import Path

import pytest
from support.toys import INDEX, TextOut, pipeline, stage

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.config.project import find_project
from aidn_pipeline.core.artifact import File, Params
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.core.stage import Stage, StageContext, port
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import Busy, CorruptObject, UsageError
from aidn_pipeline.facade.accepting import Accepted, accept, withdraw
from aidn_pipeline.facade.explaining import explain
from aidn_pipeline.store.check import check
from aidn_pipeline.store.gc import Collector
from aidn_pipeline.store.lines import is_line
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.faults import FaultyDisk, in_child

REASON = "a variable was renamed"


def counted(by: int = 5, text: str = "hello", steps: int = 3, least: int = 0) -> PipelineSpec:
    return pipeline(
        stage("start", "write", text=text),
        stage("count", "count", {"file": "start.file"}, by=by, steps=steps),
        stage("gate", "gate", {"metrics": "count.metrics"}, least=least),
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store in which the pipeline was run once."""
    (tmp_path / "recipes").mkdir()
    ran(tmp_path / "home", counted())
    return tmp_path / "home"


def ran(home: Path, spec: PipelineSpec) -> dict[str, tuple[str, str]]:
    with Store.open(home, durability="process") as store:
        found = run_pipeline(spec, store, INDEX, home.parent)
    assert found.status == "done"
    return {name: (result.action, result.reason) for name, result in found.stages.items()}


def accepted(home: Path, spec: PipelineSpec, *names: str) -> list[Accepted]:
    with Store.open(home, durability="process") as store:
        return accept(spec, store, INDEX, find_project(home.parent), names, reason=REASON)


def withdrawn(home: Path, spec: PipelineSpec, *names: str) -> list[Accepted]:
    with Store.open(home, durability="process") as store:
        return withdraw(spec, store, INDEX, find_project(home.parent), names)


def planned(home: Path, spec: PipelineSpec) -> dict[str, str]:
    with Store.open(home) as store:
        return {row.name: row.action for row in make_plan(spec, store, INDEX, home.parent).rows}


def refusal(home: Path, spec: PipelineSpec, *names: str) -> str:
    with pytest.raises(UsageError) as error:
        accepted(home, spec, *names)
    assert error.value.remedy
    return error.value.problem


def test_an_accepted_result_is_reused_and_so_is_what_follows(home):
    assert planned(home, counted(by=6)) == {"start": "reuse", "count": "run", "gate": "wait"}
    accepted(home, counted(by=6), "count")
    found = ran(home, counted(by=6))
    assert {action for action, _ in found.values()} == {"reuse"}


def test_a_run_and_a_plan_say_that_it_was_accepted_by_whom_and_why(home):
    (said,) = accepted(home, counted(by=6), "count")
    assert "@" in said.by
    reason = ran(home, counted(by=6))["count"][1]
    assert reason.startswith(f"accepted: {REASON} ({said.by}, ")


def test_what_was_declared_the_same_is_recorded(home):
    (said,) = accepted(home, counted(by=6), "count")
    with Store.open(home) as store:
        record = store.records.stage(said.fingerprint)
    assert record is not None
    assert record.accepted is not None
    assert record.accepted["changes"] == ["by 5 -> 6"]
    assert record.accepted["of"] == said.of != said.fingerprint


def test_withdrawn_it_runs_again_and_history_keeps_it(home):
    (said,) = accepted(home, counted(by=6), "count")
    ran(home, counted(by=6))
    withdrawn(home, counted(by=6), "count")
    assert planned(home, counted(by=6))["count"] == "run"
    with Store.open(home) as store:
        record = store.records.stage(said.fingerprint)
        assert record is not None
        assert record.is_withdrawn
        assert check(store) == []


def test_a_result_of_its_own_takes_the_place_of_a_withdrawn_one(home):
    (said,) = accepted(home, counted(by=6), "count")
    withdrawn(home, counted(by=6), "count")
    assert ran(home, counted(by=6))["count"] == ("run", "by 5 -> 6")
    with Store.open(home) as store:
        record = store.records.stage(said.fingerprint)
    assert record is not None
    assert record.accepted is None


def test_a_withdrawn_result_is_not_continued_from(home):
    accepted(home, counted(by=6), "count")
    assert planned(home, counted(by=6, steps=9))["count"] == "resume"
    withdrawn(home, counted(by=6), "count")
    assert planned(home, counted(by=6, steps=9))["count"] == "run"


def test_unfinished_work_is_kept_where_the_result_was_withdrawn(home):
    (said,) = accepted(home, counted(by=6), "count")
    with Store.open(home, durability="process") as store:
        record = store.records.stage(said.fingerprint)
        assert record is not None
        work = store.work(record.family.removeprefix("b3:"))
        work.begin(said.fingerprint)
        work.append({"kind": "sweep"})
    withdrawn(home, counted(by=6), "count")
    with Store.open(home, durability="process") as store:
        store.recover()
        assert work.folder.is_dir()


def test_nothing_is_withdrawn_that_was_not_accepted(home):
    with pytest.raises(UsageError, match="nothing is accepted for count"):
        withdrawn(home, counted(by=6), "count")


def test_several_stages_are_accepted_together_or_not_at_all(home):
    changed = counted(by=6, text="hallo")
    assert "what it needs would run: start" in refusal(home, changed, "count")
    assert "checked in every run" in refusal(home, counted(by=6, least=1), "count", "gate")
    assert planned(home, counted(by=6))["count"] == "run"
    assert [one.stage for one in accepted(home, changed, "start", "count")] == ["start", "count"]
    assert set(planned(home, changed).values()) == {"reuse"}


def test_other_bytes_of_an_input_are_refused(home):
    ran(home, counted(text="hallo"))
    ran(home, counted(by=5))
    assert "input file changed" in refusal(home, counted(by=6, text="hallo"), "count")


def test_other_bytes_of_a_file_are_refused(home):
    (home.parent / "a.csv").write_text("1")
    read = pipeline(stage("read", "read_file", path="a.csv"))
    ran(home, read)
    (home.parent / "a.csv").write_text("2")
    assert "a.csv changed" in refusal(home, read, "read")


@dataclass(frozen=True)
class Chosen:
    params: Params = port(MISSING, into="settings")


@component("stage", "apply")
@dataclass(frozen=True, kw_only=True)
class Apply(Stage[Chosen, TextOut]):
    """Writes the settings it was given."""

    settings: dict[str, int] = setting(default_factory=lambda: {"by": 0})
    loud: bool = False

    def run(self, inputs: Chosen, ctx: StageContext) -> TextOut:
        return TextOut(ctx.save(File, repr(self.settings).encode()))


def test_params_that_were_chosen_anew_are_refused(home):
    index = Index([*INDEX, spec_of(Apply)])

    def tuned(*values: int, loud: bool) -> PipelineSpec:
        ref = {"params": (PortRef.parse("tune.params"),)}
        described = complete(index, "stage", {"use": "apply", "loud": loud})
        return pipeline(
            stage("start", "write"),
            stage("tune", "tune", {"file": "start.file"}, values=list(values)),
            StageSpec(name="apply", stage=described, inputs=ref),
        )

    project = find_project(home.parent)
    with Store.open(home, durability="process") as store:
        run_pipeline(tuned(1, 2, loud=False), store, index, home.parent)
        run_pipeline(
            pipeline(*list(tuned(1, 3, loud=False).stages.values())[:2]), store, index, home.parent
        )
        with pytest.raises(UsageError, match=r"input params: settings.by 2 -> 3"):
            accept(tuned(1, 3, loud=True), store, index, project, ["apply"], reason=REASON)
        accept(tuned(1, 2, loud=True), store, index, project, ["apply"], reason=REASON)


def test_missing_outputs_are_refused(home):
    with Store.open(home) as store:
        record = explain(counted(), store, INDEX, find_project(home.parent), "count").record
        assert record is not None
        store.objects.path(record.outputs["metrics"].digest).unlink()
    assert "metrics of it is missing" in refusal(home, counted(by=6), "count")


def test_damaged_outputs_are_refused(home):
    with Store.open(home) as store:
        record = explain(counted(), store, INDEX, find_project(home.parent), "count").record
        assert record is not None
        path = store.objects.path(record.outputs["file"].digest)
    path.chmod(0o644)
    path.write_bytes(b"X" * path.stat().st_size)
    with pytest.raises(CorruptObject):
        accepted(home, counted(by=6), "count")


def test_another_number_of_steps_is_refused_for_it_is_continued(home):
    assert "it goes another way: steps 3 -> 9" in refusal(home, counted(steps=9), "count")
    assert planned(home, counted(steps=9))["count"] == "resume"


def test_a_stage_without_a_result_is_refused(home):
    new = pipeline(stage("other", "write", text="x"))
    assert "no earlier result" in refusal(home, new, "other")


def test_an_unknown_stage_is_answered_with_the_nearest(home):
    with pytest.raises(UsageError) as error:
        accepted(home, counted(by=6), "cuont")
    assert error.value.remedy == "did you mean `count`?"


def test_work_that_a_live_process_does_is_not_accepted(home):
    with Store.open(home) as other:
        identity = explain(counted(by=6), other, INDEX, find_project(home.parent), "count").identity
        assert identity is not None
        lock = other.locks.hold(f"work/{identity.family.removeprefix('b3:')}")
        with lock, pytest.raises(Busy):
            accepted(home, counted(by=6), "count")


def test_gc_keeps_what_an_accepted_result_needs_and_check_finds_it_sound(home):
    accepted(home, counted(by=6), "count")
    ran(home, counted(by=6))
    with Store.open(home) as store:
        Collector(store, keep_runs=1).apply()
        assert check(store) == []
    assert set(planned(home, counted(by=6)).values()) == {"reuse"}


def test_gc_takes_an_accepted_result_that_no_run_keeps_and_a_plan_says_so(home):
    accepted(home, pipeline(stage("start", "write", text="hallo")), "start")
    for text in "ab":
        ran(home, counted(text=text))
    with Store.open(home) as store:
        Collector(store, keep_runs=1).apply()
        spec = pipeline(stage("start", "write", text="hallo"))
        row = make_plan(spec, store, INDEX, home.parent).row("start")
    assert (row.action, row.reason) == ("run", "its outputs were removed by gc")


def test_a_line_with_an_acceptance_that_is_none_is_refused(home):
    (said,) = accepted(home, counted(by=6), "count")
    with Store.open(home) as store:
        value = store.records.get("stage", said.fingerprint)
    assert value is not None
    line = {"kind": "stage", "key": said.fingerprint, "value": value}
    assert is_line(line)
    del value["observed"]["accepted"]["of"]
    assert not is_line(line)


@pytest.mark.crash
@pytest.mark.parametrize("verb", ["accept", "undo"])
def test_killed_at_any_call_it_is_done_or_not_and_the_same_again_does_it(verb, home, tmp_path):
    spec = counted(by=6, text="hallo")
    names = ("start", "count")

    def act(disk: FaultyDisk) -> None:
        with Store.open(home, disk=disk) as store:
            place = (spec, store, INDEX, find_project(home.parent), names)
            withdraw(*place) if verb == "undo" else accept(*place, reason=REASON)

    before, after = ("reuse", "run") if verb == "undo" else ("run", "reuse")
    journal = home / "journal" / "000001.log"
    if verb == "undo":
        accepted(home, spec, *names)
    whole = journal.read_bytes()
    counting = FaultyDisk("count")
    act(counting)
    assert counting.calls
    for at in range(1, len(counting.calls) + 1):
        journal.write_bytes(whole)
        (home / "index.sqlite").unlink()
        assert in_child(lambda: act(FaultyDisk("kill", at))) == 9  # noqa: B023
        state = planned(home, spec)["start"]
        assert state in (before, after), f"call {at} ({counting.calls[at - 1]})"
        if state == before:
            act(FaultyDisk("count"))
        assert planned(home, spec)["start"] == after
        with Store.open(home) as store:
            assert check(store) == []
