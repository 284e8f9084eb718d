"""Kill, tear, fill or fail any mutating call of a run: the same command ends as if undisturbed."""

from collections import Counter
from pathlib import Path

import pytest
from support.toys import INDEX, whole

from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import AidnError, StorageFull, StorageUnwritable, StoreError
from aidn_pipeline.store.check import check
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.faults import Fault, FaultyDisk, in_child

CLOCKED = 5
"""Calls that may be fewer than the last time."""
PARTS = 8
"""The calls are dealt to as many tests, so that they can run in parallel."""


def run_once(folder: Path, disk: FaultyDisk) -> RunResult:
    with Store.open(folder / ".aidn", disk=disk) as store:
        return run_pipeline(whole(), store, INDEX, folder)


def state(folder: Path) -> dict[str, object]:
    """Everything that must equal an undisturbed run, read with a sound disk."""
    with Store.open(folder / ".aidn") as store:
        assert check(store) == []
        stages = {
            record["fingerprint"]: {port: out["digest"] for port, out in record["outputs"].items()}
            for record in store.records.iterate("stage")
        }
        lines = Counter(record["fingerprint"] for record in store.records.iterate("stage"))
        versions = [
            (v["name"], v["version"], v["digest"]) for v in store.records.iterate("version")
        ]
        wanted = {digest for outputs in stages.values() for digest in outputs.values()}
        left = sorted(
            p.name
            for part in ("work", "tmp", "quarantine")
            for p in (folder / ".aidn" / part).glob("*")
        )
        return {
            "stages": stages,
            "once": set(lines.values()),
            "versions": versions,
            "has": wanted,
            "left": left,
        }


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, object], list[str], list[str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    disk = FaultyDisk("count")
    assert run_once(folder, disk).status == "done"
    return state(folder), disk.calls, (folder / "ran.log").read_text().splitlines()


def points_of(fault: Fault, calls: list[str], part: int) -> list[int]:
    wanted = [
        n for n, call in enumerate(calls, 1) if fault != "torn" or call in ("write", "append")
    ]
    return wanted[part::PARTS]


@pytest.mark.crash
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_a_kill_at_any_call_loses_nothing(fault, part, undisturbed, tmp_path):
    expected, calls, ran = undisturbed
    for at in points_of(fault, calls, part):
        folder = tmp_path / str(at)
        folder.mkdir()
        status = in_child(lambda: run_once(folder, FaultyDisk(fault, at)))  # noqa: B023
        # What is flushed together is a matter of the clock, too: the last calls may not come.
        reached = status == 9 or (status == 0 and at > len(calls) - CLOCKED)
        assert reached, f"call {at} ({calls[at - 1]}) did not kill"
        assert run_once(folder, FaultyDisk("count")).status == "done"
        assert state(folder) == expected, f"{fault} at call {at} ({calls[at - 1]})"
        twice = Counter((folder / "ran.log").read_text().splitlines()) - Counter(ran)
        assert twice.total() <= 1, f"done twice after {fault} at call {at}: {twice}"


@pytest.mark.crash
@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_failing_disk_is_named_and_loses_nothing(fault, sticky, undisturbed, tmp_path):
    expected, calls, _ = undisturbed
    for at in range(1, len(calls) + 1, 3):
        folder = tmp_path / str(at)
        folder.mkdir()
        try:
            result = run_once(folder, FaultyDisk(fault, at, sticky=sticky))
            error: AidnError | None = result.error
        except StoreError as raised:
            error = raised
        if error is not None:
            assert isinstance(error, (StorageFull, StorageUnwritable)), f"call {at}: {error!r}"
            assert error.where
        assert run_once(folder, FaultyDisk("count")).status == "done"
        assert state(folder) == expected, f"{fault} at call {at} ({calls[at - 1]})"
