"""A disk that kills the process, tears a write, or fails, at the n-th mutating call."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from aidn_pipeline.store.disk import Disk

Fault = Literal["count", "kill", "torn", "enospc", "eio"]


class FaultyDisk(Disk):
    """Counts every mutating call; at call `at` does what `fault` says, and after it if `sticky`."""

    def __init__(self, fault: Fault, at: int = 0, *, sticky: bool = False) -> None:
        super().__init__(durable=False)
        self.fault = fault
        self.at = at
        self.sticky = sticky
        self.calls: list[str] = []

    def before(self, call: str, path: Path) -> None:
        self.calls.append(call)
        here = len(self.calls)
        if self.fault in ("enospc", "eio") and (
            here == self.at or (self.sticky and here > self.at)
        ):
            number = errno.ENOSPC if self.fault == "enospc" else errno.EIO
            raise OSError(number, os.strerror(number), str(path))
        if self.fault == "kill" and here == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def make_folder(self, path: Path) -> None:
        # Counted whether or not the folder is there: the digests of metric points hold the time,
        # and the number of calls must not depend on which shard they fall into.
        if path.parent.name == "objects":
            self.before("mkdir", path)
            path.mkdir(parents=True, exist_ok=True)
        else:
            super().make_folder(path)

    def write(self, fd: int, data: bytes | memoryview, path: Path) -> None:
        self._tear(fd, data)
        super().write(fd, data, path)

    def append(self, fd: int, line: bytes, path: Path) -> None:
        self._tear(fd, line)
        super().append(fd, line, path)

    def _tear(self, fd: int, data: bytes | memoryview) -> None:
        if self.fault == "torn" and len(self.calls) + 1 >= self.at:
            os.write(fd, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a forked child; returns its wait status."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
