"""Tasks in processes of their own: however one ends, that is told, and nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.source import ROOT
from support.unruly import LINE

from aidn_pipeline.core.events import Notice, StageOutput, event_from_json
from aidn_pipeline.engine.executors import capture
from aidn_pipeline.engine.executors.base import Ended, Task, Told
from aidn_pipeline.engine.executors.processes import ProcessExecutor
from aidn_pipeline.engine.failure import RaisedElsewhere
from aidn_pipeline.engine.retrying import failure_of
from aidn_pipeline.errors import Interrupted, StageDied, StageFailed, StageTimedOut

WORK = "support.unruly:work"
SOON_S = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
"""Within which nothing may be left of a run whose runner was killed; longer where cores are few."""


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    found = ProcessExecutor(4, entry=WORK, grace_s=0.3)
    yield found
    found.close()


@pytest.fixture
def do(executor: ProcessExecutor, tmp_path: Path) -> Callable[..., Ended]:
    def one(way: str, **more: object) -> Ended:
        start(executor, way, tmp_path, **more)
        return ended(executor)[0]

    return one


def start(
    executor: ProcessExecutor,
    way: str,
    folder: Path,
    *,
    timeout_s: float | None = None,
    name: str = "",
    **payload: object,
) -> None:
    executor.start(
        Task(
            name=name or way,
            payload={"way": way, "folder": str(folder), **payload},
            timeout_s=timeout_s,
            log=folder / "logs" / f"{name or way}.log",
        )
    )


def ended(executor: ProcessExecutor, number: int = 1, within_s: float = 60.0) -> list[Ended]:
    found: list[Ended] = []
    until = time.monotonic() + within_s
    while len(found) < number:
        assert time.monotonic() < until, "a task did not end"
        found += [told for told in executor.wait(1.0) if isinstance(told, Ended)]
    return found


def told_until_ended(executor: ProcessExecutor) -> list[Told]:
    found: list[Told | Ended] = []
    while not any(isinstance(one, Ended) for one in found):
        found += executor.wait(1.0)
    return [one for one in found if isinstance(one, Told)]


def until(true: Callable[[], bool], within_s: float = 10.0) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_s, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - began


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_in(folder: Path) -> list[int]:
    until(lambda: (folder / "pids").exists() and bool((folder / "pids").read_text()))
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_a_task_answers_from_a_process_of_its_own_with_one_thread(do):
    first, second = do("behaves"), do("behaves")
    assert first.answer is not None
    assert second.answer is not None
    assert len({os.getpid(), first.answer["pid"], second.answer["pid"]}) == 3
    assert first.answer["threads"] == 1
    assert first.answer["dice"] != second.answer["dice"]
    assert (first.exit_code, first.timed_out) == (0, False)
    assert first.peak_memory is not None
    assert first.peak_memory > 1_000_000


def test_what_a_task_tells_comes_in_order_and_before_its_end(executor, tmp_path):
    start(executor, "behaves", tmp_path)
    told = [event_from_json(one.event) for one in told_until_ended(executor)]
    assert told == [Notice(text="begun"), StageOutput(stage="behaves", lines=("fine",))]


def test_several_tasks_run_at_once(executor, tmp_path):
    for number in range(4):
        start(executor, "behaves", tmp_path, name=f"t{number}", until_stopped=True)
    executor.interrupt(signal.SIGTERM)
    assert {type(failure_of(one)) for one in ended(executor, 4)} == {Interrupted}


@pytest.mark.parametrize(
    ("way", "kind", "words"),
    [
        ("leaks", StageFailed, "MemoryError"),
        ("exits", StageDied, "the process of stage 'exits' exited with code 3 and without a word"),
        ("leaves", StageDied, "exited with code 1"),
        ("is_odd", StageFailed, "Odd: an odd thing"),
        ("is_mute", StageFailed, "Mute: (its text raised RuntimeError)"),
        ("crashes", StageDied, "was killed by SIGSEGV"),
        ("is_killed", StageDied, "was killed by SIGKILL (out of memory?); its memory peak was 0.0"),
        ("debugs", StageFailed, "a debugger needs a terminal"),
        ("debugs_by_hand", StageFailed, "a debugger needs a terminal"),
        ("asks", StageFailed, "EOFError"),
        ("scribbles", StageDied, "wrote something into the pipe of its answers that is none"),
    ],
)
def test_a_task_that_ends_badly_is_a_typed_failure(do, way, kind, words):
    error = failure_of(do(way))
    assert type(error) is kind
    assert words in error.problem
    assert error.remedy
    assert do("behaves").answer is not None


def test_an_exception_comes_with_its_frames(do):
    cause = failure_of(do("is_odd")).__cause__
    assert isinstance(cause, RaisedElsewhere)
    assert [frame.name for frame in cause.frames][-2:] == ["work", "is_odd"]


def test_a_process_that_ends_without_a_word_shows_its_last_lines(do, tmp_path):
    error = failure_of(do("exits"))
    assert str(tmp_path / "logs" / "exits.log") in error.where
    assert error.where.endswith("| before the exit")


def test_a_crash_leaves_the_python_frames_in_the_log(do):
    assert "support/unruly.py" in failure_of(do("crashes")).where


def test_a_debugger_says_where_it_was_asked_for(do):
    error = failure_of(do("debugs"))
    assert "run.executor=inline" in error.remedy
    assert "unruly.py:" in error.where


def test_a_group_without_memory_ends_as_out_of_memory(do, tmp_path):
    group = memory_group(64 << 20)
    (tmp_path / "group").write_text(str(group))
    try:
        error = failure_of(do("leaks_in_a_group"))
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    assert isinstance(error, StageDied)
    assert "was killed by SIGKILL when the machine was out of memory" in error.problem


def memory_group(size: int) -> Path:
    for root, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        group = Path("/sys/fs/cgroup") / root / f"aidn-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(size))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        return group
    pytest.skip("no control group for memory can be made here: that needs root and cgroups")


def test_output_keeps_its_beginning_and_its_end_in_a_bounded_file(do):
    found = do("is_loud")
    assert found.answer is not None
    assert found.log is not None
    text = found.log.read_bytes()
    assert len(text) < 2 * capture.KEPT + 100
    assert text.startswith(LINE)
    assert text.endswith(b"last words\n")
    (left_out,) = [line for line in text.splitlines() if line.startswith(b"...")]
    assert int(left_out.split()[1]) + len(text) - len(left_out) - 2 == len(LINE) * 1_000_000 + 11


def test_a_growing_log_gives_the_space_of_its_middle_back(tmp_path):
    log = capture.open_log(tmp_path / "log")
    middle = capture.Middle(log)
    for _ in range(10):
        os.write(log, LINE * 50_000)
        middle.release()
    status = os.fstat(log)
    os.close(log)
    assert status.st_size == len(LINE) * 500_000
    assert status.st_blocks * 512 <= 2 * capture.KEPT + capture.SLACK + 2 * capture.BLOCK


def follower(folder: Path, text: bytes) -> capture.Follower:
    log = capture.open_log(folder / "log")
    found = capture.Follower(log)
    os.write(log, text)
    return found


def test_a_progress_bar_is_shown_as_it_stands_at_the_end(tmp_path):
    assert follower(tmp_path, b"10%\r50%\r100%\r\nnext\n").lines() == (["100%", "next"], 0)


def test_a_line_is_shown_once_it_is_whole_or_nothing_follows(tmp_path):
    found = follower(tmp_path, b"one\ntwo")
    assert found.lines() == (["one"], 0)
    assert found.lines() == ([], 0)
    assert found.lines(ended=True) == (["two"], 0)


def test_of_a_flood_the_last_lines_are_shown_and_the_rest_is_counted(tmp_path):
    lines, left_out = follower(tmp_path, LINE * 10_000 + b"the end\n").lines()
    assert (len(lines), lines[-1]) == (capture.LIVE_LINES, "the end")
    assert left_out + sum(len(line) + 1 for line in lines) == pytest.approx(1_000_008, abs=1000)


def test_only_the_owner_reads_a_log_and_an_empty_one_is_not_kept(do, tmp_path):
    log = do("behaves").log
    assert log is not None
    assert log.stat().st_mode & 0o777 == 0o600
    assert do("forks").log is None
    assert [path.name for path in log.parent.iterdir()] == ["behaves.log"]


def test_children_do_not_outlive_their_task(do, tmp_path):
    assert do("forks").answer is not None
    until(lambda: not any(map(alive, pids_in(tmp_path))), SOON_S)


def test_a_task_that_ignores_sigterm_is_killed_after_the_grace_period(do):
    began = time.monotonic()
    error = failure_of(do("ignores_sigterm", timeout_s=0.3))
    assert isinstance(error, StageTimedOut)
    assert "timeout_s" in error.remedy
    assert time.monotonic() - began < 10


def test_a_timeout_asks_first(do):
    found = do("behaves", timeout_s=0.3, until_stopped=True)
    assert (found.timed_out, found.exit_code) == (True, 1)
    assert found.seconds < 2


def test_a_timeout_ends_what_the_task_started(do, tmp_path):
    assert isinstance(failure_of(do("forks_and_hangs", timeout_s=0.3)), StageTimedOut)
    until(lambda: not any(map(alive, pids_in(tmp_path))), SOON_S)


def test_a_task_killed_from_outside_is_a_typed_failure(executor, tmp_path):
    start(executor, "forks_and_hangs", tmp_path)
    until(lambda: executor.wait(0.1) is not None and (tmp_path / "pids").exists())
    os.kill(pids_in(tmp_path)[0], signal.SIGKILL)
    assert "was killed by SIGKILL" in failure_of(ended(executor)[0]).problem
    until(lambda: not any(map(alive, pids_in(tmp_path))), SOON_S)


def test_a_task_that_tells_without_end_neither_starves_the_others_nor_outlives_its_time(
    executor, tmp_path
):
    start(executor, "floods", tmp_path, timeout_s=1.0)
    start(executor, "behaves", tmp_path)
    first, second = ended(executor, 2, within_s=30.0)
    assert (first.name, second.name) == ("behaves", "floods")
    assert first.answer is not None
    assert second.timed_out


def test_kill_ends_one_task_and_spares_the_others(executor, tmp_path):
    start(executor, "forks_and_hangs", tmp_path)
    start(executor, "behaves", tmp_path, until_stopped=True)
    pids = pids_in(tmp_path)
    executor.wait(0.1)
    executor.kill("forks_and_hangs")
    assert [one.name for one in ended(executor)] == ["forks_and_hangs"]
    executor.interrupt(signal.SIGINT)
    assert [one.name for one in ended(executor)] == ["behaves"]
    until(lambda: not alive(pids[1]), SOON_S)


def test_close_leaves_no_process(executor, tmp_path):
    start(executor, "forks_and_hangs", tmp_path)
    pids = pids_in(tmp_path)
    server = executor._server
    assert server is not None
    executor.close()
    assert not any(map(alive, [*pids, server.pid]))


def test_a_killed_server_fails_its_tasks_and_the_next_task_gets_a_new_one(executor, do, tmp_path):
    start(executor, "forks_and_hangs", tmp_path)
    pids = pids_in(tmp_path)
    executor.wait(0.1)
    os.kill(executor._server.pid, signal.SIGKILL)
    error = failure_of(ended(executor)[0])
    assert isinstance(error, StageDied)
    assert "the server of the stages' processes was killed by SIGKILL" in error.problem
    until(lambda: not any(map(alive, pids[:2])), SOON_S)
    assert do("behaves").answer is not None
    os.kill(pids[2], signal.SIGKILL)  # in a session of its own, it had left for good


def test_a_server_killed_between_two_tasks_is_started_anew(executor, do):
    assert do("behaves").answer is not None
    os.kill(executor._server.pid, signal.SIGKILL)
    assert do("behaves").answer is not None


def test_a_server_that_cannot_start_says_why(executor, do, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    assert "No module named" in failure_of(do("behaves")).problem


RUNNER = """\
import sys, time
from pathlib import Path
from aidn_pipeline.engine.executors.base import Task
from aidn_pipeline.engine.executors.processes import ProcessExecutor
executor = ProcessExecutor(4, entry="support.unruly:work")
for folder in map(Path, sys.argv[2:]):
    payload = {"way": sys.argv[1], "folder": str(folder)}
    executor.start(Task(name=folder.name, payload=payload, log=folder / "log"))
executor.wait(600)
while True:
    executor.wait(600)
"""


OLD_KERNEL = """\
import os
def refused(*_):
    raise OSError(38, "no such call")
os.pidfd_open = refused
"""


@pytest.mark.crash
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("before", ["", OLD_KERNEL], ids=["pidfd", "pipe"])
def test_nothing_outlives_a_runner_even_in_a_c_function_that_holds_the_lock(
    tmp_path, signum, before
):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    runner = subprocess.Popen(
        [sys.executable, "-c", before + RUNNER, "forks_and_hangs", *map(str, folders)],
        env=environment,
    )
    pids = [pid for folder in folders for pid in pids_in(folder)]
    assert all(map(alive, pids))
    runner.send_signal(signum)
    runner.wait()
    assert until(lambda: not any(map(alive, pids)), SOON_S) <= SOON_S


@pytest.mark.crash
def test_a_runner_killed_while_the_server_imports_leaves_nothing(tmp_path):
    (tmp_path / "slow_import.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'pids')!r}).write_text(str(os.getpid()))\n"
        "for _ in range(6000): time.sleep(0.01)\n"
    )
    code = RUNNER.replace("log=folder", "preload=('slow_import',), log=folder")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", tmp_path)))
    runner = subprocess.Popen(
        [sys.executable, "-c", code, "behaves", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
    )
    pids = pids_in(tmp_path)
    runner.kill()
    runner.wait()
    until(lambda: not any(map(alive, pids)), SOON_S)
