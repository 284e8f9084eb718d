"""`gc`: what nothing needs goes, the least valuable first; what is needed stays; all undoable."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.core.artifact import artifact_from_json
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import StoreError
from aidn_pipeline.store.check import check
from aidn_pipeline.store.gc import Collector, pin, purge, undo
from aidn_pipeline.store.logs import log_file
from aidn_pipeline.store.store import Store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def ran(home: Path, spec: PipelineSpec) -> RunResult:
    """One run in a process of its own, as far as the store can tell."""
    with Store.open(home, durability="process") as store:
        result = run_pipeline(spec, store, INDEX, home.parent)
    assert result.status == "done"
    return result


def written(text: str) -> PipelineSpec:
    return pipeline(stage("start", "write", text=text))


def has(home: Path, result: RunResult, stage_name: str = "start") -> bool:
    with Store.open(home) as store:
        return all(map(store.has, result.stages[stage_name].outputs.values()))


def collected(home: Path, **policy: int) -> int:
    with Store.open(home, durability="process") as store:
        return Collector(store, **policy).apply().objects


def test_a_dry_run_changes_nothing(home):
    old, _ = ran(home, written("old")), ran(home, written("new"))
    with Store.open(home) as store:
        plan = Collector(store, keep_runs=1).plan()
    assert [(r.stage, r.run) for r in plan.removals] == [("start", old.run)]
    assert has(home, old)


def test_the_newest_runs_stay_and_the_others_go(home):
    results = [ran(home, written(text)) for text in "abc"]
    assert collected(home, keep_runs=2) == 1
    assert [has(home, result) for result in results] == [False, True, True]
    with Store.open(home) as store:
        assert check(store) == []


def test_what_was_collected_is_planned_as_run_and_says_why(home):
    ran(home, written("old"))
    ran(home, written("new"))
    collected(home, keep_runs=1)
    with Store.open(home) as store:
        row = make_plan(written("old"), store, INDEX, home.parent).row("start")
    assert (row.action, row.reason) == ("run", "its outputs were removed by gc")


def test_a_result_that_was_made_again_is_no_longer_called_collected(home):
    old = ran(home, written("old"))
    ran(home, written("new"))
    collected(home, keep_runs=1)
    again = ran(home, written("old"))
    with Store.open(home) as store:
        for artifact in again.stages["start"].outputs.values():
            store.objects.path(artifact.digest).unlink()
        row = make_plan(written("old"), store, INDEX, home.parent).row("start")
        assert row.reason == "its outputs are missing from the store"
        assert check(store) != []
    assert old.stages["start"].outputs == again.stages["start"].outputs


def test_an_undo_brings_back_every_byte(home):
    old = ran(home, written("old"))
    ran(home, written("new"))
    collected(home, keep_runs=1)
    with Store.open(home) as store:
        assert undo(store) == 1
        row = make_plan(written("old"), store, INDEX, home.parent).row("start")
        assert row.action == "reuse"
        assert not (home / "trash").exists()
    assert has(home, old)


def test_after_a_purge_nothing_comes_back(home):
    old = ran(home, written("old"))
    ran(home, written("new"))
    collected(home, keep_runs=1)
    with Store.open(home) as store:
        assert purge(store) > 0
        assert undo(store) == 0
        assert check(store) == []
    assert not has(home, old)


def test_a_registered_version_keeps_what_it_was_made_from(home):
    registered = ran(home, whole("kept"))
    for text in "ab":
        ran(home, pipeline(stage("start", "write", text=text)))
    collected(home, keep_runs=0)
    # `toy@1` numbers the metrics of `count`, and that was made from `start`.
    assert has(home, registered, "count")
    assert has(home, registered, "start")
    assert not has(home, registered, "tune")


def test_a_pinned_run_stays_until_it_is_released(home):
    old = ran(home, written("old"))
    ran(home, written("new"))
    with Store.open(home) as store:
        pin(store, old.run)
    assert collected(home, keep_runs=1) == 0
    with Store.open(home) as store:
        pin(store, old.run, keep=False)
    assert collected(home, keep_runs=1) == 1


def test_what_a_live_process_has_put_stays(home):
    with Store.open(home, durability="process") as live:
        kept = live.objects.put(b"put and not yet recorded")
        assert collected(home) == 0
        assert live.objects.read(kept.digest)
    assert collected(home) == 1


def test_a_folder_that_a_live_process_reuses_stays_whole(home):
    spec = pipeline(
        stage("start", "write", text="x"), stage("upper", "upper", {"file": "start.file"})
    )
    old = ran(home, spec)
    ran(home, written("new"))
    with Store.open(home, durability="process") as live:
        assert live.hold(old.stages["upper"].outputs.values(), old.stages["upper"].fingerprint)
        assert collected(home, keep_runs=1) == 0
    assert collected(home, keep_runs=1) > 0


def test_the_last_run_that_was_done_outlives_failures(home):
    good = ran(home, written("good"))
    failing = pipeline(
        stage("start", "write", text="bad"), stage("boom", "boom", {"file": "start.file"})
    )
    for text in "ab":
        failing = pipeline(
            stage("start", "write", text=text), stage("boom", "boom", {"file": "start.file"})
        )
        with Store.open(home, durability="process") as store:
            assert run_pipeline(failing, store, INDEX, home.parent).status == "failed"
    collected(home, keep_runs=1)
    assert has(home, good)


def test_a_budget_takes_the_least_valuable_until_the_store_fits(home):
    big, small = ran(home, written("x" * 40_000)), ran(home, written("y" * 100))
    ran(home, written("new"))
    with Store.open(home) as store:
        total = Collector(store).plan().total
    assert collected(home, keep_runs=1, budget=total) == 0
    assert collected(home, keep_runs=1, budget=total - 30_000) == 1
    assert (has(home, big), has(home, small)) == (False, True)


def test_a_budget_that_cannot_be_met_is_told(home):
    ran(home, written("new"))
    with Store.open(home) as store:
        plan = Collector(store, budget=10).plan()
    assert not plan.fits
    assert plan.removals == ()


def test_a_file_in_the_trash_that_is_none_of_ours_is_named(home):
    with Store.open(home) as store:
        (home / "trash").mkdir()
        (home / "trash" / "notes.txt").write_text("mine")
        with pytest.raises(StoreError, match="no object id"):
            undo(store)
        assert (home / "trash" / "notes.txt").exists()


def unfinished(store: Store) -> None:
    work = store.work("a" * 64)
    work.begin("b3:w")
    work.save({"state": b"x"}, {"step": 1})


def test_unfinished_work_stays_unless_it_is_asked_for_and_comes_back(home):
    with Store.open(home, durability="process") as store:
        unfinished(store)
        assert Collector(store).apply().removals == ()
        taken = Collector(store, unfinished=True).apply()
        assert [removal.work for removal in taken.removals] == ["a" * 64]
        assert not (home / "work" / ("a" * 64)).exists()
        assert undo(store) == 1
        assert len(store.work("a" * 64).records()) == 1


def test_unfinished_work_of_a_live_owner_stays_even_if_it_is_asked_for(home):
    with Store.open(home, durability="process") as store:
        unfinished(store)
        with store.locks.hold(f"work/{'a' * 64}"):
            assert Collector(store, unfinished=True).apply().removals == ()
        assert (home / "work" / ("a" * 64)).is_dir()


def test_what_unfinished_work_names_stays(home):
    with Store.open(home, durability="process") as store:
        ref = store.objects.put(b"named by a trial that is under way")
        work = store.work("a" * 64)
        work.begin("b3:w")
        work.append({"kind": "finish", "outputs": {"file": {"digest": ref.digest, "size": 1}}})
    assert collected(home) == 0


def test_trials_of_a_killed_run_stay_for_the_run_that_went_on_with_them(home):
    tune = stage("tune", "tune", {"file": "start.file"}, steps=200)
    spec = pipeline(stage("start", "write"), tune)
    child = os.fork()
    if child == 0:
        ran(home, spec)
        os._exit(0)
    while len(trials(home)) < 2:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert ran(home, spec).stages["tune"].action == "resume"
    assert len({record["observed"]["run"] for record in trials(home)}) == 2
    collected(home, keep_runs=1)
    assert [outputs_stay(home, record) for record in trials(home)] == [True] * 3


def test_trials_that_another_run_did_stay_for_the_run_that_reused_them(home):
    for values in ([1, 2, 3], [1, 2]):
        tune = stage("tune", "tune", {"file": "start.file"}, values=values)
        ran(home, pipeline(stage("start", "write"), tune))
    collected(home, keep_runs=1)
    assert [outputs_stay(home, record) for record in trials(home)] == [True, True, False]


def trials(home: Path) -> list[dict[str, Any]]:
    if not home.exists():
        return []
    with Store.open(home) as store:
        return [r for r in store.records.iterate("stage") if r["observed"].get("parent") == "tune"]


def outputs_stay(home: Path, record: Mapping[str, Any]) -> bool:
    with Store.open(home) as store:
        return all(store.has(artifact_from_json(a)) for a in record["outputs"].values())


def test_what_was_measured_stays_for_ever(home):
    old = ran(home, whole("old", steps=4))
    ran(home, written("new"))
    collected(home, keep_runs=1)
    with Store.open(home) as store:
        record = store.records.stage(old.stages["count"].fingerprint or "")
        assert record is not None
        assert store.has(record.outputs["metrics"])
        assert [p for p in record.observed["points"] if store.objects.has(p["digest"], p["size"])]
        assert store.has(old.stages["tune"].outputs["params"])
        assert not store.has(old.stages["tune"].outputs["file"])


def test_after_a_purge_an_undo_does_not_call_a_part_whole(home):
    ran(home, whole("a"))
    ran(home, written("b"))
    ran(home, written("c"))
    collected(home, keep_runs=1)
    with Store.open(home, durability="process") as store:
        purge(store)
    ran(home, written("d"))
    collected(home, keep_runs=1)
    with Store.open(home) as store:
        undo(store)
        assert check(store) == []


def with_log(home: Path, result: RunResult, text: str = "printed\n") -> Path:
    log = log_file(home, result.run, "start")
    log.parent.mkdir(parents=True)
    log.write_text(text)
    return log


def test_what_stages_printed_goes_with_the_runs_that_are_not_kept_and_comes_back(home):
    logs = [with_log(home, ran(home, written(text))) for text in "ab"]
    collected(home, keep_runs=1)
    assert [log.exists() for log in logs] == [False, True]
    with Store.open(home) as store:
        assert check(store) == []
        undo(store)
    assert logs[0].read_text() == "printed\n"


def test_a_purge_deletes_what_stages_printed(home):
    logs = [with_log(home, ran(home, written(text))) for text in "ab"]
    collected(home, keep_runs=1)
    with Store.open(home) as store:
        assert purge(store) >= len("printed\n")
    assert not list(home.glob("trash/**/*.log"))
    assert logs[1].exists()


def test_what_a_pinned_run_printed_stays(home):
    first = ran(home, written("a"))
    log = with_log(home, first)
    ran(home, written("b"))
    with Store.open(home) as store:
        pin(store, first.run)
    collected(home, keep_runs=0)
    assert log.exists()
