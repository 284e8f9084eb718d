"""The server that forks a process for each task: it imports once, and does no work itself.

It is one thread in one loop, so that a fork copies nothing that is half done. Its messages are JSON
objects, one a packet, over a socket of the kind that keeps packets whole:

- to it: `{"fork": NUMBER, "preload": [MODULE, ...], "entry": "module:function",
  "grace_s": S}` with three file
  descriptors: the payload, the pipe for what is told, the log;
- from it: `{"forked": NUMBER, "pid": P}`, then `{"ended": NUMBER, "status": S, "memory": BYTES}`.

When the runner is gone, the server ends every process that it forked with all that these started,
and itself. It watches for that in three ways: a file descriptor that is readable once the runner is
gone, the end of the socket, and, while it imports and looks at neither, a signal of the kernel's.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from aidn_pipeline.engine.executors import linux
from aidn_pipeline.engine.executors.capture import Middle
from aidn_pipeline.engine.executors.child import STOPPING, be_a_stage

PACKET = 1 << 16
LOOK_S = 0.5
"""Seconds between two looks at the size of the logs."""
END_S = 5.0
"""Seconds that the server's own end may take, with a process that does not die."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that runs: the number of its task, its log."""

    number: int
    log: int
    middle: Middle


def serve(control: int, life: int) -> NoReturn:
    """Serves one runner until it is gone.

    Args:
        control: the socket.
        life: readable once the runner is gone.
    """
    server = Server(socket.socket(fileno=control), life)
    try:
        server.serve()
    except BaseException:  # noqa: BLE001 - what it forked must not be left behind
        traceback.print_exc()
        server.end()


class Server:
    """The server of one runner."""

    def __init__(self, control: socket.socket, life: int) -> None:
        self._control = control
        self._life = life
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._processes: dict[int, Forked] = {}
        self._preloaded: set[str] = set()

    def serve(self) -> NoReturn:
        """Serves until the runner is gone."""
        # The runner decides when its stages end: what a terminal or a job manager sends comes to it
        # as well. Blocked, it also waits in a new process until that is ready for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        signal.signal(signal.SIGHUP, lambda _signum, _frame: self._end_without_runner())
        linux.signal_at_parents_death(signal.SIGHUP)
        linux.adopt_orphans()
        poll = select.poll()
        for fd in (self._control.fileno(), self._life, self._woken):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(LOOK_S * 1000 if self._processes else None)}
            self._end_without_runner()
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._control.fileno() in ready:
                self._receive()
            for process in self._processes.values():
                process.middle.release()

    def _end_without_runner(self) -> None:
        if select.select([self._life], [], [], 0)[0]:
            self.end()

    def _receive(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, PACKET, 3)
        except ConnectionResetError:
            # Closed with something unread in it.
            self.end()
        if not data:
            self.end()
        request = json.loads(data)
        self._preload([request["entry"].partition(":")[0], *request["preload"]])
        self._fork(request, *fds)

    def _preload(self, modules: Sequence[str]) -> None:
        new = [name for name in modules if name not in self._preloaded]
        for name in new:
            self._preloaded.add(name)
            # What cannot be imported is the task's to tell, where somebody listens.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        if new:
            gc.collect()
            # Untouched by the children's collections, their pages stay shared.
            gc.freeze()

    def _fork(self, request: Mapping[str, Any], payload: int, result: int, log: int) -> None:
        number, server = request["fork"], os.getpid()
        pid = os.fork()
        if pid == 0:
            own = (self._control.detach(), self._life, self._woken, self._wake)
            logs = tuple(process.log for process in self._processes.values())
            be_a_stage(server, request, payload, result, log, own + logs)
        os.close(payload)
        os.close(result)
        self._processes[pid] = Forked(number, log, Middle(log))
        self._tell({"forked": number, "pid": pid})

    def _reap(self) -> None:
        while True:
            try:
                # Looked at first: until it is reaped, nobody else can get its number, which is its
                # group's as well.
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                found = None
            if found is None:
                break
            process = self._processes.pop(found.si_pid, None)
            if process is not None:
                _kill_group(found.si_pid)
            _, status, usage = os.wait4(found.si_pid, 0)
            if process is not None:
                os.close(process.log)
                memory = usage.ru_maxrss * 1024
                self._tell({"ended": process.number, "status": status, "memory": memory})
        if not self._processes:
            # What left its group and outlived its stage.
            for pid in linux.children():
                with contextlib.suppress(PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            self.end()

    def end(self) -> NoReturn:
        """Ends every process that descends from this one, those that left their group too."""
        for pid in self._processes:
            _kill_group(pid)
        deadline = time.monotonic() + END_S
        while (left := linux.children() or [*self._processes]) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while (pid := os.waitpid(-1, os.WNOHANG)[0]) > 0:
                    self._processes.pop(pid, None)
            time.sleep(0.005)
        os._exit(0)


def _kill_group(pid: int) -> None:
    # Right after the fork there is no group of its own yet.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
