"""Kill `gc`, `check --repair` and their undoing at any call: the same again ends the same."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import StorageFull, StorageUnwritable
from aidn_pipeline.store.check import check
from aidn_pipeline.store.facts import Facts
from aidn_pipeline.store.gc import Collector, purge, undo
from aidn_pipeline.store.repair import repair
from aidn_pipeline.store.repair import undo as undo_repair
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.faults import FaultyDisk, in_child


def collect(store: Store) -> None:
    Collector(store, keep_runs=1, unfinished=True).apply()


def rebuild(store: Store) -> None:
    store.records.rebuild()


def lose_rows(store: Store) -> None:
    with sqlite3.connect(store.root / "index.sqlite") as db:
        db.execute("DELETE FROM fact WHERE run IS NOT NULL")


BEFORE: dict[str, tuple[Callable[[Store], object], ...]] = {
    "collect": (),
    "undo": (collect,),
    "purge": (collect,),
    "repair": (),
    "undo_repair": (repair,),
    "rebuild": (lose_rows,),
}
VERBS: dict[str, Callable[[Store], object]] = {
    "collect": collect,
    "undo": undo,
    "purge": purge,
    "repair": repair,
    "undo_repair": undo_repair,
    "rebuild": rebuild,
}


@pytest.fixture(scope="module")
def old_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of which one is kept, an orphan, a damaged object, a stranger, damaged work."""
    home = tmp_path_factory.mktemp("old") / "home"
    for text in "ab":
        with Store.open(home, durability="process") as store:
            run_pipeline(whole(text), store, INDEX, home.parent)
    with Store.open(home, durability="process") as store:
        kept = run_pipeline(
            pipeline(stage("start", "write", text="kept")), store, INDEX, home.parent
        )
        store.objects.put(b"of an attempt that was never finished")
        work = store.work("a" * 64)
        work.begin("b3:w")
        work.append({"kind": "sweep"})
        damage(work.folder / "journal.log")
        damage(store.objects.path(kept.stages["start"].outputs["file"].digest))
    (home / "objects" / "notes").mkdir()
    (home / "objects" / "notes" / "mine.txt").write_text("mine")
    return home


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"X" + path.read_bytes()[1:])


def prepared(old_store: Path, verb: str, folder: Path) -> Path:
    shutil.copytree(old_store, folder)
    for before in BEFORE[verb]:
        with Store.open(folder, durability="process") as store:
            before(store)
    return folder


def done(home: Path, verb: str, disk: FaultyDisk) -> None:
    with Store.open(home, disk=disk) as store:
        VERBS[verb](store)


def state(home: Path) -> dict[str, object]:
    with Store.open(home) as store:
        facts = Facts(store)
        return {
            "files": {
                str(path.relative_to(home)): path.read_bytes()
                for part in ("objects", "trash", "quarantine", "work")
                for path in sorted((home / part).rglob("*"))
                if path.is_file()
            },
            "collected": facts.collected,
            "in_trash": facts.in_trash,
            "wrong": sorted((f.kind, f.path.replace(str(home), "")) for f in check(store)),
        }


def left(home: Path) -> list[str]:
    """What the next opening for running has to sweep."""
    with Store.open(home) as store:
        store.scratch.sweep()
    return sorted(p.name for p in (home / "tmp").glob("*"))


@pytest.mark.crash
@pytest.mark.parametrize("verb", VERBS)
def test_a_kill_at_any_call_ends_the_same_when_it_is_done_again(verb, old_store, tmp_path):
    counting = FaultyDisk("count")
    undisturbed = prepared(old_store, verb, tmp_path / "undisturbed")
    done(undisturbed, verb, counting)
    expected = state(undisturbed)
    assert counting.calls
    for at in range(1, len(counting.calls) + 1):
        home = prepared(old_store, verb, tmp_path / str(at))
        status = in_child(lambda: done(home, verb, FaultyDisk("kill", at)))  # noqa: B023
        assert status == 9, f"call {at} ({counting.calls[at - 1]}) did not kill"
        done(home, verb, FaultyDisk("count"))
        found = state(home)
        assert found == expected, f"call {at} ({counting.calls[at - 1]})"
        assert left(home) == []
        shutil.rmtree(home)


@pytest.mark.crash
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_failing_disk_is_named_and_the_same_again_goes_on(verb, fault, old_store, tmp_path):
    counting = FaultyDisk("count")
    undisturbed = prepared(old_store, verb, tmp_path / "undisturbed")
    done(undisturbed, verb, counting)
    expected = state(undisturbed)
    for at in range(1, len(counting.calls) + 1, 3):
        home = prepared(old_store, verb, tmp_path / str(at))
        # The index is a cache: where it cannot be written, the work is done all the same.
        with suppress(StorageFull, StorageUnwritable):
            done(home, verb, FaultyDisk(fault, at))
        done(home, verb, FaultyDisk("count"))
        assert state(home) == expected, f"{fault} at call {at} ({counting.calls[at - 1]})"
        shutil.rmtree(home)
