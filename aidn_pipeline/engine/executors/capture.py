"""What a stage's process writes to its output: a file with a bounded size, and its newest lines.

The process writes to the file itself, so nothing has to read along for it to go on, and what it
wrote survives everybody's death. A file that grows beyond twice `KEPT` loses its middle: while the
process runs, as a hole that takes no space, and at its end for good.
"""

import os
from contextlib import suppress
from pathlib import Path

from aidn_pipeline.engine.executors.linux import punch_hole
from aidn_pipeline.store.logs import readable

KEPT = 8 * 1024 * 1024
"""Bytes that are kept of the beginning, and as many of the end."""
SLACK = 4 * 1024 * 1024
BLOCK = 4096
READ = 64 * 1024
"""Bytes that one look reads."""
LIVE_LINES = 20
"""Lines that one look shows; of more, the last ones."""


def open_log(path: Path) -> int:
    """Opens a log to append to; only its owner may read what a stage wrote."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)


class Middle:
    """Keeps the middle of a growing file from taking space."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._given_back = KEPT

    def release(self) -> None:
        """Gives back what lies between the first and the last `KEPT` bytes."""
        end = (os.fstat(self._fd).st_size - KEPT) // BLOCK * BLOCK
        if end - self._given_back >= SLACK and punch_hole(
            self._fd, self._given_back, end - self._given_back
        ):
            self._given_back = end


def finish(path: Path) -> Path | None:
    """Makes a log what it stays; an empty one goes, and its folder if that was all."""
    if path.stat().st_size:
        with suppress(OSError):  # where there is no room for a shorter one, the long one stays
            compact(path)
        return path
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()
    return None


def compact(path: Path) -> int:
    """Cuts the middle out of a log that is too long; returns how many bytes were left out.

    Lines stay whole, and one that says what is missing stands in the place of the others.
    """
    size = path.stat().st_size
    if size <= 2 * KEPT + SLACK:
        return 0
    with path.open("rb") as file:
        head = file.read(KEPT)
        file.seek(size - KEPT)
        tail = file.read()
    head = head[: head.rfind(b"\n") + 1] or head
    tail = tail[tail.find(b"\n") + 1 :] or tail
    left_out = size - len(head) - len(tail)
    shorter = path.with_name(f".{path.name}.new")
    try:
        fd = os.open(shorter, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(head)
            file.write(f"\n... {left_out} bytes are left out here ...\n".encode())
            file.write(tail)
        shorter.replace(path)
    except OSError:
        shorter.unlink(missing_ok=True)
        raise
    return left_out


class Follower:
    """Reads what is new in a growing log, a few lines at a time."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.start = os.fstat(fd).st_size
        self._at = self.start
        self._half = b""

    def lines(self, *, ended: bool = False) -> tuple[list[str], int]:
        """The newest whole lines since the last look, and how many bytes before them are left out.

        Args:
            ended: nothing more will come, so the last line need not end.
        """
        size = os.fstat(self._fd).st_size
        left_out = max(0, size - self._at - READ)
        if left_out:
            self._half = b""
        self._at += left_out
        data = self._half + os.pread(self._fd, size - self._at, self._at)
        self._at = size
        *whole, self._half = data.split(b"\n")
        if ended and self._half:
            whole, self._half = [*whole, self._half], b""
        self._half = self._half[-READ:]
        left_out += sum(map(len, whole[:-LIVE_LINES]))
        return [text for line in whole[-LIVE_LINES:] if (text := readable(line))], left_out
