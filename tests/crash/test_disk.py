"""A disk that is really full, or a file that may not grow; the long series is the script beside."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.calls import PLAIN
from support.series import module_of
from support.source import ROOT

from aidn_pipeline.core.record import RunRecord
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.journal import JournalFile
from aidn_pipeline.store.store import Store

SCRIPT = Path(__file__).with_name("disk_series.py")


@pytest.fixture(scope="module")
def disk_series() -> ModuleType:
    return module_of(SCRIPT)


@pytest.mark.crash
@pytest.mark.slow
def test_a_full_disk_is_named_and_the_same_command_goes_on_with_room(disk_series):
    if why := disk_series.missing():
        pytest.skip(why)
    rows = disk_series.series("plain", 4, None)
    assert [row["problems"] for row in rows] == [[]] * 4
    assert any(row["code"] for row in rows)


def ran(run: str) -> dict[str, Any]:
    """The record of a run without stages."""
    return RunRecord(
        run=run, recipe="any", status="done", started=0.0, stages={}, facts={}
    ).to_json()


def test_an_index_that_finds_no_space_is_kept_in_memory(disk_series):
    if why := disk_series.missing():
        pytest.skip(why)
    with disk_series.disk(2**20) as folder:
        journal = JournalFile(folder / "store" / "journal" / "000001.log", Disk(durable=False))
        journal.extend({"kind": "run", "key": str(n), "value": ran(str(n))} for n in range(3000))
        disk_series.fill(folder, leaving=64 * 1024)
        with Store.open(folder / "store", durability="process") as store:
            assert store.records.get("run", "7") == ran("7")
            assert len(store.records.runs(4000)) == 3000
            store.records.append("run", "more", ran("more"))
            assert store.records.runs(1) == [ran("more")]


def unmeasured() -> dict[str, str]:
    """The environment without the measure of coverage, whose own file may not grow either."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_named_and_the_same_command_goes_on(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(PLAIN, project)

    def run(limit: str) -> tuple[int, str]:
        command = f'ulimit -f {limit}; exec "$0" -m aidn_pipeline.cli.main recipe=plain'
        done = subprocess.run(
            ["/bin/sh", "-c", command, sys.executable],
            cwd=project,
            env={**unmeasured(), "PYTHONPATH": str(ROOT), "AIDN_TRUST": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        return done.returncode, done.stdout + done.stderr

    code, said = run("100")
    assert code == 1
    assert "error: a file would exceed the size limit while writing an object: 200,000" in said
    assert f"at: {project}" in said
    assert "Traceback" not in said
    assert run("unlimited")[0] == 0
