"""A disk that kills the process, tears a write, or fails, at the n-th mutating call."""

import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from aidn_pipeline.store.disk import Disk

Fault = Literal["count", "kill", "torn", "enospc", "eio"]
CHILD_S = 120
"""Seconds after which a child is taken to hang, and is killed."""
CRASHED = 70
"""Exit code of a child whose work raised."""


class FaultyDisk(Disk):
    """Counts every mutating call; at call `at` does what `fault` says, and after it if `sticky`.

    Attributes:
        calls: names of the calls so far.
    """

    def __init__(
        self, fault: Fault, at: int = 0, *, sticky: bool = False, durable: bool = False
    ) -> None:
        super().__init__(durable=durable)
        self.fault = fault
        self.at = at
        self.sticky = sticky
        self.calls: list[str] = []

    def _flush(self, fds: Sequence[int]) -> None:
        """Flushes nothing: what is durable here goes the same way, and a test has no power cut."""

    def before(self, call: str, path: Path) -> None:
        """Counts a call, and fails at it or kills the process where that is wanted."""
        self.calls.append(call)
        here = len(self.calls)
        if self.fault in ("enospc", "eio") and (
            here == self.at or (self.sticky and here > self.at)
        ):
            number = errno.ENOSPC if self.fault == "enospc" else errno.EIO
            raise OSError(number, os.strerror(number), str(path))
        if self.fault == "kill" and here == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def make_folder(self, path: Path, *, sync: bool = True) -> None:
        """Makes a folder."""
        # Counted whether or not the folder is there: the digests of metric points hold the time,
        # and the number of calls must not depend on which shard they fall into.
        if path.parent.name == "objects":
            self.before("mkdir", path)
            path.mkdir(parents=True, exist_ok=True)
        else:
            super().make_folder(path, sync=sync)

    def write(self, fd: int, data: bytes | memoryview, path: Path) -> None:
        """Writes, or half of it."""
        self._tear(fd, data)
        super().write(fd, data, path)

    def append(self, fd: int, line: bytes, path: Path) -> None:
        """Appends, or half of it."""
        self._tear(fd, line)
        super().append(fd, line, path)

    def _tear(self, fd: int, data: bytes | memoryview) -> None:
        if self.fault == "torn" and len(self.calls) + 1 >= self.at:
            os.write(fd, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], object], *, limit_s: int = CHILD_S) -> int:
    """Runs `work` in a forked child; returns its wait status.

    Args:
        work: what raises is printed on stderr, and the exit code is 70.
        limit_s: seconds after which it is killed by SIGALRM.
    """
    with warnings.catch_warnings():
        # Libraries leave idle threads behind; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = CRASHED
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(limit_s)
            if torch := sys.modules.get("torch"):
                # The parent's pool of threads did not survive the fork.
                _one_thread(torch)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may get out of a forked child
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def _one_thread(torch: Any) -> None:
    torch.set_num_threads(1)
