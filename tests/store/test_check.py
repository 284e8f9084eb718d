"""`check`: what is damaged is found, told with what depends on it, set aside, and made anew."""

import sqlite3
from pathlib import Path

import pytest
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.check import Finding, check
from aidn_pipeline.store.repair import repair, undo
from aidn_pipeline.store.store import Store

SPEC = pipeline(stage("start", "write", text="x"), stage("upper", "upper", {"file": "start.file"}))


def ran(home: Path, spec: PipelineSpec = SPEC, *force: str) -> RunResult:
    with Store.open(home, durability="process") as store:
        result = run_pipeline(
            spec, store, INDEX, home.parent, facts={"asked": "toy", "overrides": []}, force=force
        )
    assert result.status == "done"
    return result


def damaged(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def found(home: Path) -> list[Finding]:
    with Store.open(home) as store:
        return check(store)


def mended(home: Path) -> tuple[list[Finding], list[Finding]]:
    with Store.open(home) as store:
        return repair(store)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def place(home: Path, result: RunResult, port: str) -> Path:
    name, _, output = port.partition(".")
    with Store.open(home) as store:
        return store.objects.path(result.stages[name].outputs[output].digest)


def test_a_damaged_object_is_told_with_what_depends_on_it(home):
    result = ran(home)
    damaged(place(home, result, "start.file"))
    (finding,) = found(home)
    assert finding.kind == "object"
    assert finding.used_by is not None
    assert finding.used_by.made_by == ("start.file", "upper.folder")
    assert finding.used_by.stages == ("upper",)
    assert finding.used_by.runs == (result.run,)
    assert finding.used_by.command == "aidn-run recipe=toy"


def test_a_version_that_stands_on_a_damaged_object_is_named(home):
    damaged(place(home, ran(home, whole()), "start.file"))
    (finding,) = found(home)
    assert finding.used_by is not None
    assert finding.used_by.models == ("toy@1",)


def test_a_repair_sets_aside_and_the_next_run_makes_it_anew(home):
    path = place(home, ran(home), "start.file")
    damaged(path)
    done, left = mended(home)
    assert [f.kind for f in done] == ["object"]
    assert [f.kind for f in left] == ["reference"]
    assert not path.exists()
    assert ran(home).stages["start"].action == "run"
    assert found(home) == []


def test_a_repair_can_be_undone(home):
    path = place(home, ran(home), "start.file")
    damaged(path)
    before = path.read_bytes()
    mended(home)
    with Store.open(home) as store:
        assert undo(store) == (1, 0)
    assert path.read_bytes() == before


def test_an_undone_repair_leaves_what_was_made_anew(home):
    path = place(home, ran(home), "start.file")
    damaged(path)
    mended(home)
    ran(home)
    with Store.open(home) as store:
        assert undo(store) == (0, 1)
    assert found(home) == []


def test_a_lost_trial_is_made_again_by_the_command_that_is_told(home):
    ran(home, whole())
    with Store.open(home) as store:
        (trial, *_) = [
            record
            for record in store.records.iterate("stage")
            if record["observed"]["stage"].startswith("trial")
        ]
        store.objects.path(trial["outputs"]["file"]["digest"]).unlink()
    (finding,) = found(home)
    assert finding.used_by is not None
    assert finding.used_by.command == "aidn-run recipe=toy --force tune"
    ran(home, whole(), "tune")
    assert found(home) == []


def test_lost_metric_points_are_told_with_the_stage_to_force(home):
    result = ran(home, whole())
    with Store.open(home) as store:
        record = store.records.stage(result.stages["count"].fingerprint or "")
        assert record is not None
        store.objects.path(record.observed["points"][0]["digest"]).unlink()
    (finding,) = found(home)
    assert finding.used_by is not None
    assert finding.used_by.command == "aidn-run recipe=toy --force count"
    ran(home, whole(), "count")
    assert found(home) == []


def test_a_strangers_file_is_set_aside_and_brought_back(home):
    ran(home)
    stranger = home / "objects" / "notes" / "mine.txt"
    stranger.parent.mkdir()
    stranger.write_text("mine")
    assert [f.kind for f in found(home)] == ["stranger"]
    assert mended(home)[1] == []
    with Store.open(home) as store:
        assert undo(store) == (1, 0)
    assert stranger.read_text() == "mine"


def changed_index(home: Path, statement: str) -> list[Finding]:
    with sqlite3.connect(home / "index.sqlite") as db:
        db.execute(statement)
    return found(home)


def test_an_index_row_without_a_journal_line_is_found_and_the_index_made_anew(home):
    ran(home)
    statement = "INSERT INTO stage VALUES (7, NULL, NULL, 5, 5)"
    (finding,) = changed_index(home, statement)
    assert "1 rows without a line in the journal" in finding.problem
    assert mended(home)[1] == []


def test_a_journal_line_without_an_index_row_is_found(home):
    ran(home)
    (finding,) = changed_index(home, "DELETE FROM fact WHERE run IS NOT NULL")
    assert "lacks the newest line of 1 keys" in finding.problem
    with Store.open(home) as store:
        store.records.rebuild()
        assert check(store) == []


def test_damaged_unfinished_work_starts_again_from_its_beginning(home):
    ran(home)
    with Store.open(home) as store:
        work = store.work("a" * 64)
        work.begin("b3:w")
        work.save({"state": b"x"}, {"step": 1})
    damaged(home / "work" / ("a" * 64) / "journal.log")
    assert [f.kind for f in found(home)] == ["work"]
    assert mended(home)[1] == []
    assert not (home / "work" / ("a" * 64)).exists()
    with Store.open(home) as store:
        assert undo(store) == (1, 0)
    assert [f.kind for f in found(home)] == ["work"]


def test_work_of_a_live_owner_is_left_alone(home):
    with Store.open(home) as store:
        work = store.work("a" * 64)
        work.begin("b3:w")
        work.append({"kind": "sweep"})
        damaged(home / "work" / ("a" * 64) / "journal.log")
        with store.locks.hold(f"work/{'a' * 64}"):
            assert found(home) == []


def test_a_damaged_journal_is_named_and_left_alone(home):
    ran(home)
    with Store.open(home) as store:
        damaged(home / "journal" / "000001.log")
        done, left = repair(store)
    assert done == []
    assert [f.kind for f in left] == ["journal"]


def test_every_finding_is_told_as_json(home):
    damaged(place(home, ran(home), "start.file"))
    (finding,) = found(home)
    told = finding.to_json()
    assert told["command"] == "aidn-run recipe=toy"
    assert set(told) == {"kind", "path", "id", "problem", "remedy", "command", "used_by"}
