"""The executor that gives every task a process of its own, forked from a server that is warm."""

import contextlib
import fcntl
import json
import os
import select
import selectors
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aidn_pipeline.core.events import StageOutput, event_from_json, event_to_json
from aidn_pipeline.engine.executors import capture, ending, linux
from aidn_pipeline.engine.executors.base import Ended, Task, Told
from aidn_pipeline.engine.executors.connection import Connection
from aidn_pipeline.engine.failure import error_from_json, error_to_json
from aidn_pipeline.engine.stopping import GRACE_S
from aidn_pipeline.errors import StageDied
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.logs import last_lines

STEP_S = 0.25
"""Longest sleep between two looks at deadlines and logs."""
AFTER_GRACE_S = 2.0
"""Added to the grace period, in which the process itself gives up first."""
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one event or answer; more is no message of ours."""
PIPE_SIZE = 1 << 20
LAST = 12
"""Lines of its output that are told of a process that ended without a word."""
LOST_S = 5.0
"""Seconds to wait for the processes of a server that died, which die with it."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A task that was started."""

    task: Task
    log: int
    follower: capture.Follower
    started: float
    oom_kills: int | None
    number: int = 0
    launches: int = 0
    pipe: int = -1
    pid: int = 0
    open: bool = True
    asked: int = 0
    deadline: float | None = None
    kill_at: float | None = None
    next_look: float = 0.0
    timed_out: bool = False
    killed: bool = False
    buffer: bytearray = field(default_factory=bytearray)
    answer: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


def open_executor(*, entry: str, slots: int) -> "ProcessExecutor":
    """An executor for `slots` tasks at once; see `ProcessExecutor`."""
    return ProcessExecutor(slots, entry=entry)


class ProcessExecutor:
    """Runs each task in a process group of its own.

    Args:
        slots: how many tasks may run at once.
        entry: `module:function`, called in the task's process with the payload, `emit` and the flag
            that says whether an end was asked for.
        grace_s: seconds that a task has to end in good order when it is asked to.
    """

    def __init__(
        self,
        slots: int,
        *,
        entry: str,
        grace_s: float = GRACE_S,
    ) -> None:
        self._slots = slots
        self._entry = entry
        self._grace_s = grace_s
        self._number = 0
        self._running: dict[str, Running] = {}
        self._ready: list[Told | Ended] = []
        self._server: Connection | None = None

    @property
    def slots(self) -> int:
        """How many tasks may run at once."""
        return self._slots

    def start(self, task: Task) -> None:
        """Asks the server for a process; the first task starts it."""
        place = task.log or Path(tempfile.gettempdir())
        with typed(place, "opening the log of a stage"):
            log = _temporary() if task.log is None else capture.open_log(task.log)
        running = self._running[task.name] = Running(
            task=task,
            log=log,
            follower=capture.Follower(log),
            started=time.monotonic(),
            oom_kills=linux.out_of_memory_kills(),
        )
        with typed(place, "starting the process of a stage"):
            self._launch(running)

    def wait(self, timeout_s: float | None) -> Sequence[Told | Ended]:
        """Blocks until a task told something or ended, or for `timeout_s`."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = STEP_S if until is None else until - time.monotonic()
            self._look(max(0.0, min(STEP_S, left)))
            if self._ready:
                ready, self._ready = self._ready, []
                return ready
            if until is not None and time.monotonic() >= until:
                return []

    def interrupt(self, signum: int) -> None:
        """Signals every task's own process; what has not ended after the grace period is killed."""
        kill_at = time.monotonic() + self._grace_s + AFTER_GRACE_S
        for running in [*self._running.values()]:
            running.kill_at = min(kill_at, running.kill_at or kill_at)
            _signal(running, signum)

    def kill(self, name: str | None = None) -> None:
        """Ends a task, or all, at once, with every process of its group."""
        for running in [*self._running.values()]:
            if name in (None, running.task.name):
                _kill(running)

    def close(self) -> None:
        """Ends whatever still runs, and the server."""
        self.kill()
        if self._server is not None:
            self._server.end()
            self._server = None
        for running in self._running.values():
            if running.pipe >= 0:
                os.close(running.pipe)
            os.close(running.log)
        self._running.clear()

    def _launch(self, running: Running) -> None:
        self._number += 1
        running.number = self._number
        running.launches += 1
        running.open, running.buffer = True, bytearray()
        running.pipe, told = os.pipe2(os.O_CLOEXEC)
        payload = os.memfd_create("payload", os.MFD_CLOEXEC)
        try:
            os.set_blocking(running.pipe, False)
            _enlarge(told)
            with open(payload, "wb", closefd=False) as file:
                file.write(json.dumps(running.task.payload).encode())
            os.lseek(payload, 0, os.SEEK_SET)
            if self._server is None:
                self._server = Connection()
            request = {
                "fork": running.number,
                "preload": running.task.preload,
                "entry": self._entry,
                "grace_s": self._grace_s,
            }
            asked = self._server.ask(request, [payload, told, running.log])
        finally:
            os.close(payload)
            os.close(told)
        if not asked:
            self._lose_server()

    def _lose_server(self) -> None:
        """Ends the tasks of a server that died, whose processes die with it."""
        how = self._server.end() if self._server is not None else ""
        self._server = None
        for running in [*self._running.values()]:
            _kill(running)
            _until_gone(running.pipe)
            if running.pid or running.asked or running.launches > 1:
                self._read(running)
                self._end(running, None, None, lost=how)
            else:
                # It had not begun.
                running.killed = False
                os.close(running.pipe)
                self._launch(running)

    def _look(self, timeout_s: float) -> None:
        with selectors.DefaultSelector() as poll:
            if self._server is not None:
                poll.register(self._server, selectors.EVENT_READ, None)
            for running in self._running.values():
                if running.open:
                    poll.register(running.pipe, selectors.EVENT_READ, running)
            ready = [key.data for key, _ in poll.select(timeout_s)]
        for running in ready:
            if running is not None:
                self._read(running)
        if None in ready and self._server is not None:
            self._hear(self._server)
        now = time.monotonic()
        for running in [*self._running.values()]:
            self._watch(running, now)

    def _read(self, running: Running) -> None:
        """Takes what a task told: as much as its pipe holds, which is all of one that is dead.

        One that never stops telling must not keep the runner from the others, and from its time.
        """
        left = PIPE_SIZE
        while running.open and left > 0:
            try:
                data = os.read(running.pipe, left)
            except BlockingIOError:
                break
            left -= len(data)
            running.open = bool(data)
            running.buffer += data
            *lines, rest = running.buffer.split(b"\n")
            running.buffer = rest
            try:
                for line in lines:
                    self._take(running, json.loads(line))
                if len(rest) > LONGEST_LINE:
                    raise ValueError("a line without an end")
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                running.open = False
                running.answer, running.error = None, error_to_json(_unclear(running, error))
                _kill(running)

    def _take(self, running: Running, line: Any) -> None:
        kind, value = next(iter(line.items()), ("", None)) if isinstance(line, dict) else ("", None)
        if not isinstance(value, dict) or kind not in ("event", "answer", "error"):
            raise ValueError(f"a line that is none of ours: {kind}")
        if kind == "event":
            event_from_json(value)
            self._ready.append(Told(name=running.task.name, event=value))
        elif kind == "answer":
            running.answer = value
        else:
            error_from_json(value)
            running.error = value

    def _hear(self, server: Connection) -> None:
        """Takes what the server says."""
        for message in server.heard():
            if message is None:
                self._lose_server()
                return
            number = message.get("forked", message.get("ended"))
            running = next((r for r in self._running.values() if r.number == number), None)
            if running is not None and "pid" in message:
                _forked(running, message["pid"])
            elif running is not None:
                self._read(running)
                code = os.waitstatus_to_exitcode(message["status"])
                self._end(running, code, message["memory"])

    def _watch(self, running: Running, now: float) -> None:
        """Looks at a task's time and at its output."""
        if running.deadline is not None and now >= running.deadline:
            running.timed_out, running.deadline = True, None
            running.kill_at = now + self._grace_s + AFTER_GRACE_S
            _signal(running, signal.SIGTERM)
        if running.kill_at is not None and now >= running.kill_at:
            running.kill_at = None
            _kill(running)
        if now >= running.next_look:
            running.next_look = now + STEP_S
            self._show(running)

    def _show(self, running: Running, *, ended: bool = False) -> None:
        lines, left_out = running.follower.lines(ended=ended)
        if lines or left_out:
            name = running.task.name
            event = StageOutput(stage=name, lines=tuple(lines), left_out=left_out)
            self._ready.append(Told(name=name, event=event_to_json(event)))

    def _end(
        self, running: Running, exit_code: int | None, memory: int | None, *, lost: str = ""
    ) -> None:
        self._show(running, ended=True)
        del self._running[running.task.name]
        if running.answer is None and running.error is None and not running.timed_out:
            error = ending.without_a_word(
                running.task.name,
                exit_code,
                asked=running.asked,
                lost=lost,
                memory=memory,
                out_of_memory=_grew(running.oom_kills, linux.out_of_memory_kills()),
                log=running.task.log,
                last=_last_lines(running),
            )
            running.error = error_to_json(error)
        os.close(running.pipe)
        os.close(running.log)
        log = None if running.task.log is None else capture.finish(running.task.log)
        self._ready.append(
            Ended(
                name=running.task.name,
                answer=running.answer,
                error=None if running.answer is not None else running.error,
                exit_code=exit_code,
                timed_out=running.timed_out and running.answer is None,
                peak_memory=memory,
                log=log,
                seconds=time.monotonic() - running.started,
            )
        )


def _forked(running: Running, pid: int) -> None:
    running.pid = pid
    running.started = time.monotonic()
    if running.task.timeout_s is not None:
        # What the server had to import first is not the task's time.
        running.deadline = running.started + running.task.timeout_s
    if running.killed:
        _kill(running)
    elif running.asked:
        _signal(running, running.asked)


def _signal(running: Running, signum: int) -> None:
    running.asked = signum
    if running.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signum)


def _kill(running: Running) -> None:
    running.killed = True
    if running.pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)


def _temporary() -> int:
    with tempfile.TemporaryFile() as file:
        fd = os.dup(file.fileno())
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd


def _enlarge(pipe: int) -> None:
    # A task must not wait for a runner that is busy; a user at the limit of pipes keeps small ones.
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _last_lines(running: Running) -> list[str]:
    place = running.task.log or Path(f"/proc/self/fd/{running.log}")
    return last_lines(place, LAST, start=running.follower.start)


def _until_gone(pipe: int) -> None:
    """Waits until no process has the other end of the pipe, so that what it locked is free."""
    poll = select.poll()
    poll.register(pipe, 0)
    poll.poll(LOST_S * 1000)


def _unclear(running: Running, error: Exception) -> StageDied:
    return StageDied(
        f"the process of stage {running.task.name!r} wrote something into the pipe of its answers "
        f"that is none ({error})"[:500],
        where=str(running.task.log or f"stages.{running.task.name}"),
        remedy="a stage prints to stdout and writes files; other descriptors are not its own",
    )


def _grew(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before
