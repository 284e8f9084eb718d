"""A sweep killed at any mutating call of the store ends as if it had not been."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import INDEX, recipe

from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.check import check
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.faults import FaultyDisk, in_child

EVERY = 3
"""A kill at every call takes half a minute."""


def run_once(folder: Path, disk: FaultyDisk) -> RunResult:
    spec = recipe(sampler={"use": "random"}, num_trials=4)
    with Store.open(folder / ".aidn", disk=disk) as store:
        return run_pipeline(spec, store, INDEX, folder)


def end(folder: Path, disk: FaultyDisk) -> None:
    """Runs in a child that the disk kills."""
    run_once(folder, disk)


def digests(folder: Path) -> dict[str, Any]:
    """Outputs by fingerprint and the versions, read with a sound disk."""
    with Store.open(folder / ".aidn") as store:
        assert check(store) == []
        stages = {
            record["fingerprint"]: {port: out["digest"] for port, out in record["outputs"].items()}
            for record in store.records.iterate("stage")
        }
        versions = [(v["name"], v["version"]) for v in store.records.iterate("version")]
        return {"stages": stages, "versions": versions}


@pytest.mark.crash
@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_a_kill_during_a_sweep_loses_and_repeats_nothing(fault: Any, tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    straight.mkdir()
    disk = FaultyDisk("count")
    assert run_once(straight, disk).status == "done"
    expected = digests(straight)
    for at in range(1, len(disk.calls) + 1, EVERY):
        if fault == "torn" and disk.calls[at - 1] not in ("write", "append"):
            continue
        folder = tmp_path / str(at)
        folder.mkdir()
        assert in_child(partial(end, folder, FaultyDisk(fault, at))) == 9
        assert run_once(folder, FaultyDisk("count")).status == "done"
        assert digests(folder) == expected, f"{fault} at call {at} ({disk.calls[at - 1]})"
        assert len((folder / "trained.log").read_text().splitlines()) <= 4 + 1
