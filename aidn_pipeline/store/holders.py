"""Who works on what: told to others that wait, never believed for locking.

Each process says in its own temporary folder which work it has taken; the file goes with it.
"""

import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.scratch import Scratch

FILE = "holder"
LONGEST_FILE = 2**20
"""Bytes at the end of a file that are looked at."""
LONGEST_COMMAND = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """A live process that said it took some work.

    Attributes:
        pid: on its host.
        host: its name.
        run: id of the run that it is for.
        since: seconds since the epoch.
        command: what was typed; empty if that is not known.
    """

    pid: int
    host: str
    run: str
    since: float
    command: str

    def __str__(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since))
        parts = [f"process {self.pid} on {self.host}", f"since {since}"]
        parts += [f"run {self.run}"] if self.run else []
        if self.is_stopped():
            parts.append(f"which is stopped (`kill -CONT {self.pid}` lets it go on)")
        return ", ".join(parts) + (f" ({self.command})" if self.command else "")

    def is_stopped(self) -> bool:
        """Whether it is a process of this machine that was stopped by a signal."""
        if self.host != socket.gethostname():
            return False
        try:
            status = Path(f"/proc/{self.pid}/stat").read_text(errors="replace")
        except OSError:
            return False
        return status.rpartition(")")[2].split()[:1] in (["T"], ["t"])


class Holders:
    """What this process says, and what others said."""

    def __init__(self, root: Path, disk: Disk, locks: Locks, scratch: Scratch) -> None:
        self._root = root / "tmp"
        self._disk = disk
        self._locks = locks
        self._scratch = scratch
        self._fd = -1

    def say(self, work: str, run: str) -> None:
        """Says that this process took some work, by the hex digits of its family, for a run.

        Raises:
            StorageFull: if there is no space.
        """
        with typed(self._root, "saying who works on what"):
            self._append({"work": work, "run": run, "since": time.time()})

    def _append(self, line: dict[str, Any]) -> None:
        path = self._scratch.folder / FILE
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o600)
            command = shlex.join(sys.argv)[:LONGEST_COMMAND]
            line |= {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
        self._disk.append(self._fd, canonical_json(line) + b"\n", path)

    def of(self, work: str) -> Holder | None:
        """Who of the live processes took the work last; None if none said so."""
        found = [h for folder in self._live() for h in _said(folder / FILE, work)]
        return max(found, key=lambda holder: holder.since, default=None)

    def _live(self) -> Iterator[Path]:
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if self._locks.held(f"tmp/{folder.name}"):
                yield folder

    def close(self) -> None:
        """Closes the file, which goes with the folder."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _said(path: Path, work: str) -> Iterator[Holder]:
    first: dict[str, Any] = {}
    for line in _lines(path):
        first = first or line
        if line.get("work") == work:
            try:
                yield Holder(
                    int(first["pid"]),
                    str(first["host"]),
                    str(line["run"]),
                    float(line["since"]),
                    str(first["command"]),
                )
            except (KeyError, TypeError, ValueError):
                # Nothing rests on it: what cannot be read is not told.
                continue


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST_FILE)
            file.seek(max(file.tell(), file.seek(0, os.SEEK_END) - LONGEST_FILE))
            texts = [first, *file.read(LONGEST_FILE).splitlines()]
    except OSError:
        return
    for text in texts:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value
