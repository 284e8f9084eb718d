"""Pins: ids that a live process needs, told to every `gc` by a file that goes with the process.

A process pins an id before it looks whether the object is there, under the shared lock `pins`; `gc`
reads all pins and moves objects away under the exclusive one. So either the pin is seen and the
object stays, or the object is gone before the process looks and it is made anew.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.scratch import Scratch

LOCK = "pins"
FILE = "pins"
PINS = re.compile(rb"(b3:[0-9a-f]{64}\n)*")


class Pins:
    """The ids that this process has put or means to read, until it closes the store."""

    def __init__(self, disk: Disk, locks: Locks, scratch: Scratch) -> None:
        self._disk = disk
        self._locks = locks
        self._scratch = scratch
        self._named: set[str] = set()
        self._fd = -1
        self._lock = -1

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
            if self._fd < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fd = os.open(path, flags, 0o600)
                self._lock = self._locks.open()
            with self._locks.again(self._lock, LOCK):
                self._append(path, "".join(f"{digest}\n" for digest in new).encode())
        self._named.update(new)

    def _append(self, path: Path, lines: bytes) -> None:
        end = os.fstat(self._fd).st_size
        try:
            self._disk.append(self._fd, lines, path)
        except OSError:
            # Half a pin would swallow the one behind it.
            os.ftruncate(self._fd, end)
            raise

    def close(self) -> None:
        """Closes the file, which goes with the folder."""
        if self._fd >= 0:
            os.close(self._fd)
            os.close(self._lock)
            self._fd = self._lock = -1


def pinned(root: Path, locks: Locks) -> set[str]:
    """The ids that live processes have pinned; call under the exclusive lock to act on it.

    Raises:
        CorruptObject: if the file of one is damaged, so that nobody knows what that process needs.
    """
    found: set[str] = set()
    tmp = root / "tmp"
    for folder in sorted(tmp.iterdir()) if tmp.is_dir() else ():
        if locks.held(f"tmp/{folder.name}"):
            try:
                data = (folder / FILE).read_bytes()
            except FileNotFoundError:
                continue
            if not PINS.fullmatch(data):
                raise CorruptObject(
                    f"the pins of the live process {folder.name.partition('-')[0]} are damaged",
                    where=str(folder / FILE),
                    remedy="collect when that process has ended; its pins go with it",
                )
            found.update(data.decode().split())
    return found
