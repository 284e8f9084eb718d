"""Runs of the command line that are killed, and what is left of them.

A run is a child of this process: forked, so that the imports are paid once, or a fresh interpreter.
What such a child leaves behind when it dies becomes a child of this process too and cannot hide.
"""

import atexit
import ctypes
import gc
import importlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from aidn_pipeline.cli.main import main

Target = Literal["group", "runner", "worker"]
LIMIT_S = 600
"""Seconds after which a run is taken to hang."""
PATIENCE_S = 10.0
"""Seconds that the processes of a dead runner have to notice."""
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code (minus the signal that killed it), output, seconds."""

    code: int
    out: str
    err: str
    seconds: float


class Run:
    """A run of the command line in a session of its own; its output goes to files."""

    def __init__(
        self,
        arguments: Sequence[str],
        project: Path,
        *,
        fresh: bool = False,
        plant: Callable[[], object] | None = None,
        log: str = "run",
    ) -> None:
        self.out, self.err = (project.parent / f"{log}.{end}" for end in ("out", "err"))
        self.started = time.monotonic()
        self._code: int | None = None
        command = [sys.executable, "-m", "aidn_pipeline.cli.main", *arguments]
        first = (lambda: os.execv(command[0], command)) if fresh else plant
        self.pid = _forked(arguments, project, self.out, self.err, first)

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, limit_s: float = LIMIT_S) -> Ended:
        """Waits for its end.

        Raises:
            TimeoutError: if it hangs; it is killed then.
        """
        while self.poll() is None:
            if time.monotonic() - self.started > limit_s:
                self.kill("group")
                raise TimeoutError(f"a run took more than {limit_s} s: {self.err.read_text()}")
            time.sleep(0.005)
        assert self._code is not None
        seconds = time.monotonic() - self.started
        return Ended(self._code, self.out.read_text(), self.err.read_text(), seconds)

    def sleep_until(self, moment_s: float) -> bool:
        """Sleeps until so many seconds after the start; False if it ended before."""
        while (left := self.started + moment_s - time.monotonic()) > 0:
            if self.poll() is not None:
                return False
            time.sleep(min(left, 0.02))
        return self.poll() is None

    def kill(self, target: Target, dice: random.Random | None = None) -> bool:
        """Kills without a warning; False if there is no such process."""
        if target == "worker":
            workers = [pid for pid in descendants(self.pid) if command_of(pid)]
            if not workers:
                return False
            _kill((dice or random.Random()).choice(workers))
            return True
        family = descendants(self.pid) if target == "group" else []
        for pid in (self.pid, *family):
            _kill(pid)
        while self.poll() is None:
            time.sleep(0.001)
        return True


def adopt_orphans() -> None:
    """From now on processes whose parent dies become children of this one (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans() -> list[str]:
    """Adopted processes that are still there after a while; they are killed then."""
    until = time.monotonic() + PATIENCE_S
    while (left := _reaped()) and time.monotonic() < until:
        time.sleep(0.005)
    found = [f"{pid}: {command_of(pid)[:80]}" for pid in left]
    for pid in left:
        _kill(pid)
    return found


def _reaped() -> list[int]:
    for pid in (mine := children(os.getpid())):
        os.waitpid(pid, os.WNOHANG)
    return [pid for pid in mine if Path(f"/proc/{pid}").exists()]


def children(parent: int) -> list[int]:
    """Processes whose parent is this one."""
    return [pid for pid, above in _parents() if above == parent]


def descendants(ancestor: int) -> list[int]:
    """All processes below one."""
    above = dict(_parents())
    found = {ancestor}
    while more := {pid for pid, parent in above.items() if parent in found} - found:
        found |= more
    return sorted(found - {ancestor})


def _parents() -> Iterator[tuple[int, int]]:
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                yield (
                    int(place.name),
                    int((place / "stat").read_text().rpartition(")")[2].split()[1]),
                )
            except (FileNotFoundError, ProcessLookupError):
                continue


def command_of(pid: int) -> str:
    """The command line of a process; empty for a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _forked(
    arguments: Sequence[str],
    project: Path,
    out: Path,
    err: Path,
    first: Callable[[], object] | None,
) -> int:
    for path in (out, err):
        path.write_text("")  # a child may be killed before it does anything
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(project)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY), number)
        if first:
            first()
        code = main(list(arguments))
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - nothing may get out of a forked child
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        atexit._run_exitfuncs()  # as an interpreter that ends by itself does
        os._exit(code)


def warm_up(arguments: Sequence[str], project: Path) -> Ended:
    """Runs a command in a child, imports here what it imported, and plans it here.

    Later forks have the modules and what is computed once a process.
    """
    names = project.parent / "modules"

    def at_exit() -> None:
        own = [name for name in list(sys.modules) if (project / name.partition(".")[0]).exists()]
        names.write_text("\n".join(name for name in sys.modules if name not in own))

    ended = Run(arguments, project, plant=lambda: atexit.register(at_exit)).wait()
    for name in names.read_text().split():
        if name not in sys.modules:
            with suppress(ImportError, AttributeError):
                importlib.import_module(name)
    with chdir(project), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        main([*(word for word in arguments if word != "--json"), "--plan"])
    gc.freeze()  # else a collection in a child touches, and copies, all that is shared
    return ended
