"""Pins: ids that a live process needs, told to every `gc` by a file that goes with the process.

A process pins an id before it looks whether the object is there, under the shared lock `pins`; `gc`
reads all pins and moves objects away under the exclusive one. So either the pin is seen and the
object stays, or the object is gone before the process looks and it is made anew.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.scratch import Scratch

LOCK = "pins"
FILE = "pins"


class Pins:
    """The ids that this process has put or means to read, until it closes the store."""

    def __init__(self, disk: Disk, locks: Locks, scratch: Scratch) -> None:
        self._disk = disk
        self._locks = locks
        self._scratch = scratch
        self._named: set[str] = set()

    def add(self, digests: Iterable[str]) -> None:
        """Pins ids; those that are pinned already cost nothing.

        Raises:
            StorageFull: if there is no space for the pin; nothing new is pinned then.
        """
        new = sorted(set(digests) - self._named)
        if not new:
            return
        with typed(self._scratch.root, "pinning objects"):
            path = self._scratch.folder / FILE
            with self._locks.hold(LOCK, shared=True):
                self._append(path, "".join(f"{digest}\n" for digest in new).encode())
        self._named.update(new)

    def _append(self, path: Path, lines: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o600)
        try:
            end = os.fstat(fd).st_size
            try:
                self._disk.append(fd, lines, path)
            except OSError:
                # Half a pin would swallow the one behind it.
                os.ftruncate(fd, end)
                raise
        finally:
            os.close(fd)


def pinned(root: Path, locks: Locks) -> set[str]:
    """The ids that live processes have pinned; call under the exclusive lock to act on it."""
    found: set[str] = set()
    tmp = root / "tmp"
    for folder in sorted(tmp.iterdir()) if tmp.is_dir() else ():
        if locks.held(f"tmp/{folder.name}"):
            try:
                fd = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except (FileNotFoundError, NotADirectoryError):
                continue
            with os.fdopen(fd, encoding="utf-8", errors="replace") as lines:
                found.update(lines.read().split())
    return found
