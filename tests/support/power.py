"""What is done on a drive until its power is cut, and what must be true of it afterwards."""

import json
import os
import shutil
import signal
import sqlite3
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Event, RunStarted, StageFinished
from aidn_pipeline.core.fingerprint import digest_bytes
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.run import RunResult, run_pipeline
from aidn_pipeline.errors import StoreError
from aidn_pipeline.store.check import check
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.facts import Facts
from aidn_pipeline.store.gc import Collector, purge
from aidn_pipeline.store.gc import undo as undo_gc
from aidn_pipeline.store.repair import repair
from aidn_pipeline.store.repair import undo as undo_repair
from aidn_pipeline.store.store import Store, holds
from aidn_pipeline.testing.faults import CRASHED
from aidn_pipeline.tracking.segment import merge, read_segment
from support.acknowledging import INDEX, acknowledge, acknowledged, whole

LIMIT_S = 120
OLD, NEW = "old", "hello"
"""Texts that pipelines begin with."""


class Telling:
    """A listener that acknowledges what the runner says is done."""

    def __init__(self, project: Path, text: str, steps: int) -> None:
        self._project = project
        self._of = f"{text}/{steps}"

    def on_event(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            acknowledge(self._project, "run", run=event.run)
        elif isinstance(event, StageFinished) and event.stage and not event.problem:
            acknowledge(self._project, "stage", key=f"{self._of}/{event.stage}")


def run(
    home: Path,
    project: Path,
    disk: Disk,
    text: str = NEW,
    steps: int = 4,
    made: Callable[[str, int], PipelineSpec] = whole,
) -> RunResult:
    """One pipeline, and its folder written beside the store, as a bundle is."""
    with Store.open(home, disk=disk) as store:
        told = Telling(project, text, steps)
        done = run_pipeline(made(text, steps), store, INDEX, project, listeners=[told])
        if done.error is not None:
            raise done.error
        keys = {f"{text}/{steps}/{name}": ended.fingerprint for name, ended in done.stages.items()}
        acknowledge(project, "done", run=done.run, stages=keys)
        store.checkout(done.stages["many"].outputs["folder"], home.parent / "out" / "many")
        acknowledge(project, "out", digest=done.stages["many"].outputs["folder"].digest)
        return done


def fresh(home: Path, project: Path, disk: Disk) -> None:
    """A run, and the same again with more steps."""
    run(home, project, disk, steps=2)
    run(home, project, disk)


def upkeep(home: Path, project: Path, disk: Disk) -> None:
    """Collects, undoes, collects, empties the trash."""
    with Store.open(home, disk=disk) as store:
        Collector(store, keep_runs=1, unfinished=True).apply()
        acknowledge(project, "collected")
        undo_gc(store)
        acknowledge(project, "back")
        acknowledge(project, "collecting")
        Collector(store, keep_runs=1, unfinished=True).apply()
        acknowledge(project, "collected")
        purge(store)
        acknowledge(project, "purged")


def mending(home: Path, project: Path, disk: Disk) -> None:
    """Repairs, undoes, repairs, makes the index anew, and what was damaged by a run."""
    with Store.open(home, disk=disk) as store:
        repair(store)
        acknowledge(project, "set aside")
        undo_repair(store)
        repair(store)
        acknowledge(project, "set aside")
        store.records.rebuild()
        acknowledge(project, "rebuilt")
    run(home, project, disk, steps=3)


SCENARIOS: dict[str, Callable[[Path, Path, Disk], None]] = {
    "fresh": fresh,
    "upkeep": upkeep,
    "mending": mending,
}


def prepare(scenario: str, home: Path, project: Path) -> None:
    """What is there before: nothing, or a store with a history, and damage to be repaired."""
    project.mkdir(parents=True)
    if scenario == "fresh":
        return
    past = project / "past"
    past.mkdir()
    sound = Disk(durable=False)
    for text, steps in ((OLD, 2), (OLD, 3), (NEW, 2), (NEW, 3)):
        last = run(home, past, sound, text, steps)
    shutil.rmtree(home.parent / "out")
    with Store.open(home, disk=sound) as store:
        store.objects.put(b"of an attempt that was never finished")
    if scenario == "mending":
        damage(home, last)
    (project / "wrong").write_text(json.dumps(list(wrong(home))))


def damage(home: Path, last: RunResult) -> None:
    """One object, one stranger, one piece of unfinished work, some of the index."""
    with Store.open(home, durability="process") as store:
        broken = store.objects.path(last.stages["tally"].outputs["file"].digest)
        work = store.work("a" * 64)
        work.begin("b3:w")
        work.append({"kind": "told", "step": 1})
    for file in (broken, work.folder / "journal.log"):
        file.chmod(0o644)
        file.write_bytes(b"X" + file.read_bytes()[1:])
    (home / "objects" / "notes").mkdir()
    (home / "objects" / "notes" / "mine.txt").write_text("mine")
    with sqlite3.connect(home / "index.sqlite") as db:
        db.execute("DELETE FROM fact WHERE run IS NOT NULL")
    db.close()


def forked(work: Callable[[], object], errors: Path) -> int:
    """Starts a child with a process group of its own; what it raises is written to a file."""
    child = os.fork()
    if child == 0:
        code = CRASHED
        try:
            os.setsid()
            signal.alarm(LIMIT_S)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may get out of a forked child
            errors.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    return child


def state(home: Path) -> dict[str, Any]:
    """Everything that must equal an undisturbed doing of the same."""
    with Store.open(home, durability="process") as store:
        facts = Facts(store)
        lines = Counter(r["fingerprint"] for r in store.records.iterate("stage"))
        return {
            "stages": {
                key: {port: out["digest"] for port, out in record["outputs"].items()}
                for key, record in sorted(facts.stages.items())
            },
            "points": {key: points(store, record) for key, record in facts.stages.items()},
            "most": max(lines.values(), default=0),
            "versions": sorted(
                (v["name"], v["version"], v["digest"]) for v in store.records.iterate("version")
            ),
            "collected": sorted(facts.collected),
            "in_trash": sorted(facts.in_trash),
            "wrong": findings(store),
            "left": left(home),
            "out": written(home.parent / "out"),
        }


def wrong(home: Path) -> dict[str, str]:
    """What `check` finds: the id or the path, and what is wrong with it."""
    with Store.open(home, durability="process") as store:
        return findings(store)


def findings(store: Store) -> dict[str, str]:
    """What `check` finds in an open store."""
    root = str(store.root)
    return {f.id or f.path.replace(root, ""): f"{f.kind}: {f.problem}" for f in check(store)}


def left(home: Path) -> list[str]:
    """What only a live or an interrupted process has."""
    inside = [p for part in ("work", "tmp") for p in (home / part).glob("*")]
    outside = [*home.parent.rglob(".*.new"), *home.parent.rglob(".*.old"), *home.glob("*.new")]
    return sorted(str(p.relative_to(home.parent)) for p in [*inside, *outside])


def written(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): digest_bytes(p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def points(store: Store, record: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """What was measured, by name."""
    segments = [store.objects.path(ref["digest"]) for ref in record["observed"]["points"]]
    return merge(read_segment(path) for path in segments if path.exists())


def objects(home: Path) -> set[str]:
    with Store.open(home, durability="process") as store:
        return set(store.objects.ids())


def fingerprints(project: Path) -> dict[str, str]:
    """Of every stage that was done, by text, steps and name."""
    done = [line["stages"] for line in acknowledged(project) if line["what"] == "done"]
    return {key: fingerprint for stages in done for key, fingerprint in stages.items()}


def broken_promises(home: Path, project: Path, keys: Mapping[str, str]) -> list[str]:
    """What was acknowledged and is not so, read right after the power came back.

    Args:
        home: the store.
        project: where the acknowledgements are.
        keys: fingerprints of an undisturbed doing, as `fingerprints` gives them.
    """
    before = project / "wrong"
    known = json.loads(before.read_text()) if before.exists() else []
    with Store.open(home, durability="process") as store:
        found = findings(store)
        problems = [f"{place}: {what}" for place, what in found.items() if place not in known]
        for line in acknowledged(project):
            promise = PROMISES.get(line["what"])
            problem = promise(store, line, keys) if promise else ""
            if problem:
                problems.append(problem)
    return problems


def _object(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    artifact = Artifact(line["digest"], 0, folder=line["folder"])
    try:
        store.files(artifact)
    except Exception as error:  # noqa: BLE001 - whatever it is, the bytes are not there
        return f"object {line['digest'][:12]}: {error!r}"
    return ""


def _stage(store: Store, line: Mapping[str, Any], keys: Mapping[str, str]) -> str:
    record = store.records.stage(keys[line["key"]])
    if record is None:
        return f"stage {line['key']} was done and is not known"
    return "".join(
        _object(store, {"digest": out.digest, "folder": out.folder}, keys)
        for out in record.outputs.values()
    )


def _committed(store: Store, work: str, steps: int) -> bool:
    return any(
        record.extends.get("steps", steps) >= steps and all(map(store.has, record.outputs.values()))
        for record in store.records.stages_of_family(f"b3:{work}")
    )


def _checkpoint(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    if _committed(store, line["work"], line["step"]):
        return ""
    work = store.work(line["work"])
    known = {e["number"] for e in work.entries() if e["kind"] == "checkpoint"}
    if line["number"] not in known:
        return f"checkpoint {line['number']} of step {line['step']} is not known"
    try:
        for record in work.records():
            work.open(record)
    except Exception as error:  # noqa: BLE001 - whatever it is, the checkpoint is lost
        return f"checkpoint: {error!r}"
    return ""


def _entry(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    if _committed(store, line["work"], line["step"]):
        return ""
    told = [e["step"] for e in store.work(line["work"]).entries() if e["kind"] == "told"]
    return "" if line["step"] in told else f"entry {line['step']} of a journal is lost"


def _trial(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    if _committed(store, line["work"], 0):
        return ""
    told = [e["by"] for e in store.work(line["work"]).entries() if e["kind"] == "finish"]
    return "" if line["by"] in told else f"trial {line['by']} is lost"


def _version(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    known = [(v["name"], v["version"], v["digest"]) for v in store.records.iterate("version")]
    wanted = (line["name"], line["number"], line["digest"])
    return "" if wanted in known else f"version {line['number']} is lost"


def _run(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    return "" if store.records.get("run", line["run"]) else f"run {line['run']} is lost"


def _done(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    record = store.records.get("run", line["run"])
    return "" if record and record["status"] == "done" else f"run {line['run']} is not done"


def _out(store: Store, line: Mapping[str, Any], _: Mapping[str, str]) -> str:
    try:
        refs = store.refs(Artifact(line["digest"], 0, folder=True))
    except StoreError as error:
        return f"the folder that was written: {error!r}"
    is_whole = holds(store.root.parent / "out" / "many", refs)
    return "" if is_whole else "the folder that was written is not whole"


PROMISES: dict[str, Callable[[Store, Mapping[str, Any], Mapping[str, str]], str]] = {
    "stage": _stage,
    "checkpoint": _checkpoint,
    "entry": _entry,
    "trial": _trial,
    "version": _version,
    "run": _run,
    "done": _done,
    "out": _out,
}
