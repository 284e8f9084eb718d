"""One writer: a second process waits for the same work, or is refused, and is told by whom."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest
from support.toys import INDEX, pipeline, stage

from aidn_pipeline.core.events import StageWaiting
from aidn_pipeline.engine.fingerprint import identify
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import Busy
from aidn_pipeline.store.store import Store

OWNER = """
import sys, time
from pathlib import Path
from aidn_pipeline.store.store import Store
store = Store.open(Path(sys.argv[1]), durability="process")
lock = store.locks.acquire("work/" + sys.argv[2])
store.holders.say(sys.argv[2], "20260101-000000-abcdef")
print("held", flush=True)
time.sleep(float(sys.argv[3]))
"""


class Heard:
    """A listener that keeps who was waited for."""

    def __init__(self) -> None:
        self.holders: list[str] = []

    def on_event(self, event: object) -> None:
        if isinstance(event, StageWaiting):
            self.holders.append(event.holder)


@contextmanager
def owner(root: Path, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Another process that has taken the work of `wanted`."""
    configured = wanted().stages["start"].stage
    identity = identify(INDEX, configured, configured, {}, seed=0, project=root)
    family = identity.family.removeprefix("b3:")
    command = [sys.executable, "-c", OWNER, str(root / ".aidn"), family, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def wanted(**run: object):
    return replace(pipeline(stage("start", "write", text="x")), seed=0, run=run)


def run(root: Path, heard: Heard, **settings: object) -> RunResult:
    with Store.open(root / ".aidn", durability="process") as store:
        return run_pipeline(wanted(**settings), store, INDEX, root, listeners=[heard])


def test_without_waiting_the_holder_is_named_within_a_second(tmp_path):
    with owner(tmp_path) as other:
        started = time.monotonic()
        result = run(tmp_path, Heard(), wait=False)
        assert time.monotonic() - started < 1
    assert isinstance(result.error, Busy)
    assert f"process {other.pid} on" in result.error.problem
    assert "run 20260101-000000-abcdef" in result.error.problem
    assert result.error.exit_code == 1


def test_a_limit_of_waiting_is_kept(tmp_path):
    with owner(tmp_path):
        result = run(tmp_path, Heard(), wait=0.2)
    assert isinstance(result.error, Busy)
    assert "for more than 0.2 s" in result.error.problem


def test_who_is_waited_for_is_told_and_the_work_is_done_after_it(tmp_path):
    heard = Heard()
    with owner(tmp_path, 1) as other:
        assert run(tmp_path, heard).status == "done"
    assert len(heard.holders) == 1
    assert f"process {other.pid} on" in heard.holders[0]
    assert "since" in heard.holders[0]


def test_an_owner_that_is_killed_blocks_nobody(tmp_path):
    with owner(tmp_path) as other:
        Timer(0.3, other.kill).start()
        started = time.monotonic()
        assert run(tmp_path, Heard()).status == "done"
        assert time.monotonic() - started < 10


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_an_owner_that_is_frozen_is_named_as_such(tmp_path):
    with owner(tmp_path) as other:
        os.kill(other.pid, signal.SIGSTOP)
        os.waitpid(other.pid, os.WUNTRACED)
        result = run(tmp_path, Heard(), wait=False)
        os.kill(other.pid, signal.SIGCONT)
    assert isinstance(result.error, Busy)
    assert f"kill -CONT {other.pid}" in result.error.problem


def test_what_a_stranger_wrote_about_itself_is_not_believed(tmp_path):
    heard = Heard()
    with owner(tmp_path, 1.5):
        for file in (tmp_path / ".aidn" / "tmp").glob("*/holder"):
            file.write_bytes(b'[]\n{"work":7}\nrubbish\xff\n' + b'{"a":' * 5000)
        assert run(tmp_path, heard).status == "done"
    assert heard.holders == ["another process, which does not say who it is"]
