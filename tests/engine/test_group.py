"""Group commit: nothing is told before it is durable, no record is durable before its objects."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.core.events import StageFinished
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import AidnError, StorageFull, StorageUnwritable, StoreError
from aidn_pipeline.store.check import check
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.group import MOST
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.faults import FaultyDisk, in_child

ID = re.compile(rb"b3:[0-9a-f]{64}")


def many(count: int) -> PipelineSpec:
    return pipeline(*(stage(f"s{n}", "write", text=f"text {n}") for n in range(count)))


def read() -> PipelineSpec:
    """Brief stages, one of which reads what another made before that is durable."""
    reader = stage("reader", "upper", {"file": "s1.file"})
    found = many(5)
    return replace(found, stages={**found.stages, "reader": reader})


class Told:
    """A listener that writes down, outside of the store, which stages it was told are done."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def on_event(self, event: object) -> None:
        if isinstance(event, StageFinished) and not event.problem:
            with self.file.open("a") as file:
                file.write(f"{event.stage}\n")

    def names(self) -> list[str]:
        return self.file.read_text().split() if self.file.exists() else []


def run(folder: Path, spec: PipelineSpec, disk: Disk) -> RunResult:
    with Store.open(folder / ".aidn", disk=disk) as store:
        told = Told(folder / "told.log")
        return run_pipeline(spec, store, INDEX, folder, listeners=[told])


def committed(folder: Path) -> Mapping[str, StageRecord]:
    """Records by stage name whose outputs are there to the byte, read with a sound disk."""
    with Store.open(folder / ".aidn", durability="process") as store:
        found = [StageRecord.from_json(r) for r in store.records.iterate("stage")]
        for record in found:
            for artifact in record.outputs.values():
                store.files(artifact)
        return {record.observed["stage"]: record for record in found}


class Ordered(Disk):
    """Knows what a power cut would leave, and looks at each journal line before it is written."""

    def __init__(self, root: Path) -> None:
        super().__init__(durable=True)
        self.root = root
        self.flushed: set[int] = set()
        self.placed: set[Path] = set()
        self.missing: list[str] = []
        self.lines = 0
        self.appends = 0

    def _flush(self, fds) -> None:
        for fd in fds:
            facts = os.fstat(fd)
            self.flushed.add(facts.st_ino)
            self.placed.discard(Path(f"/proc/self/fd/{fd}").resolve())

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.placed.add(target.parent.resolve())

    def append(self, fd: int, line: bytes, path: Path) -> None:
        if path.name == "000001.log":
            self.appends += 1
            for text in line.splitlines():
                self.lines += 1
                self.look(json.loads(text.split(b" ", 3)[3]))
        super().append(fd, line, path)

    def look(self, fact: dict) -> None:
        if fact["kind"] != "stage":
            return
        value = fact["value"]
        named = [out["digest"] for out in value["outputs"].values()]
        named += [point["digest"] for point in value["observed"]["points"]]
        for digest in named:
            path = self.root / "objects" / digest[3:5] / digest[5:]
            if path.stat().st_ino not in self.flushed or path.parent.resolve() in self.placed:
                self.missing.append(digest)
            folder = any(out["digest"] == digest and out["folder"] for out in fact_outputs(value))
            if folder:
                named += [m.decode() for m in ID.findall(path.read_bytes())]


def fact_outputs(value: dict) -> list[dict]:
    return [{"folder": False, **out} for out in value["outputs"].values()]


@pytest.mark.parametrize("spec", [whole(), many(70)], ids=["whole", "many"])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_every_object_is_durable_before_a_record_names_it(spec, tmp_path):
    disk = Ordered(tmp_path / ".aidn")
    assert run(tmp_path, spec, disk).status == "done"
    assert disk.missing == []
    assert disk.lines >= len(spec.stages) + 2


def test_brief_stages_share_their_flushes(tmp_path):
    disk = Ordered(tmp_path / ".aidn")
    assert run(tmp_path, many(4 * MOST), disk).status == "done"
    # How many depends on how fast the machine is.
    assert disk.appends < 4 * MOST


def test_what_waits_is_known_here_and_to_nobody_else(tmp_path):
    record = StageRecord(
        fingerprint="b3:" + "1" * 64,
        family="b3:" + "2" * 64,
        base="b3:" + "3" * 64,
        component="stage/write",
        hashed={},
        extends={},
        outputs={},
    )
    told: list[str] = []
    one = Store.open(tmp_path, durability="process")
    two = Store.open(tmp_path, durability="process")
    with one, two, one.group.gathering():
        one.group.commit(record)
        one.group.then(lambda: told.append("done"))
        assert one.records.stage(record.fingerprint) == record
        assert one.records.stages_of_family(record.family) == [record]
        assert two.records.stage(record.fingerprint) is None
        assert told == []
        one.group.flush()
        assert two.records.stage(record.fingerprint) == record
        assert told == ["done"]


def test_the_work_of_equal_stages_that_waits_is_reused(tmp_path):
    spec = pipeline(*(stage(f"s{n}", "write", text=f"text {n % 3}") for n in range(9)))
    assert run(tmp_path, spec, Disk(durable=False)).status == "done"
    assert (tmp_path / "ran.log").read_text().splitlines() == ["write"] * 3


@pytest.mark.crash
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_a_kill_at_any_call_loses_nothing_that_was_told(fault, durable, tmp_path):
    counted = FaultyDisk("count", durable=durable)
    (tmp_path / "all").mkdir()
    assert run(tmp_path / "all", many(6), counted).status == "done"
    points = [
        n
        for n, call in enumerate(counted.calls, 1)
        if fault == "kill" or call in ("write", "append")
    ]
    for at in points:
        folder = tmp_path / str(at)
        folder.mkdir()
        in_child(lambda: run(folder, many(6), FaultyDisk(fault, at, durable=durable)))  # noqa: B023
        told = Told(folder / "told.log").names()
        assert set(told) <= committed(folder).keys(), f"{fault} at call {at}"
        assert run(folder, many(6), FaultyDisk("count", durable=durable)).status == "done"
        with Store.open(folder / ".aidn") as store:
            assert check(store) == []
        left = [p for part in ("work", "tmp") for p in (folder / ".aidn" / part).glob("*")]
        assert left == []


@pytest.mark.crash
@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_failing_disk_takes_back_what_it_could_not_keep(fault, sticky, tmp_path):
    counted = FaultyDisk("count", durable=True)
    (tmp_path / "all").mkdir()
    assert run(tmp_path / "all", read(), counted).status == "done"
    for at in range(1, len(counted.calls) + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        done: list[str] = []
        try:
            result = run(folder, read(), FaultyDisk(fault, at, sticky=sticky, durable=True))
            done = [name for name, ended in result.stages.items() if ended.status == "done"]
            error: AidnError | None = result.error
        except StoreError as raised:
            error = raised
        assert error is None or isinstance(error, (StorageFull, StorageUnwritable))
        kept = committed(folder).keys()
        assert set(done) <= kept, f"{fault} at call {at} ({counted.calls[at - 1]})"
        assert set(Told(folder / "told.log").names()) <= kept
        assert run(folder, read(), FaultyDisk("count", durable=True)).status == "done"
