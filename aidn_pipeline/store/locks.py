"""Locks that die with their owner: byte ranges of one file, so there is nothing to delete."""

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

from aidn_pipeline.errors import StoreError


class Locks:
    """Named locks of one store. Each held lock has its own open file description."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> int:
        """A descriptor that `again` locks with and unlocks as often as is wanted."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)

    @contextmanager
    def again(self, fd: int, name: str) -> Iterator[None]:
        """Holds a shared lock for a block with a descriptor that stays open; waits for it."""
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, _request(fcntl.F_RDLCK, name))
        try:
            yield
        finally:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK, name))

    def acquire(self, name: str, *, wait: bool = True, shared: bool = False) -> int | None:
        """Takes the lock; returns the descriptor that holds it, or None if another owner does.

        Args:
            name: of the lock.
            wait: for the other owner to give it back.
            shared: others may hold it shared at the same time.
        """
        kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
        fd = self.open()
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, _request(kind, name))
        except (BlockingIOError, PermissionError):
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return fd

    def release(self, fd: int) -> None:
        """Gives the lock back."""
        os.close(fd)

    @contextmanager
    def hold(self, name: str, *, shared: bool = False) -> Iterator[None]:
        """Holds the lock for a block; waits for it."""
        fd = self.acquire(name, shared=shared)
        if fd is None:
            raise StoreError(f"could not take the lock {name}", where=str(self._path))
        try:
            yield
        finally:
            self.release(fd)

    def held(self, name: str) -> bool:
        """Whether a live owner holds the lock for itself alone, this process included."""
        if not self._path.exists():
            return False
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _request(fcntl.F_RDLCK, name))
            return _kind(answer) != fcntl.F_UNLCK
        finally:
            os.close(fd)


def _request(kind: int, name: str) -> bytes:
    offset = int.from_bytes(blake3(name.encode(errors="surrogateescape")).digest()[:7], "big")
    # `struct flock` of Linux, and of macOS.
    if sys.platform == "darwin":
        return struct.pack("qqihh", offset, 1, 0, kind, os.SEEK_SET)
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, offset, 1, 0)


def _kind(answer: bytes) -> int:
    found: int = (
        struct.unpack("qqihh", answer)[3]
        if sys.platform == "darwin"
        else struct.unpack("hhqqi4x", answer)[0]
    )
    return found
