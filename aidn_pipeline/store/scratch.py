"""Temporary files of a live process; a dead owner's are swept at the next opening."""

import os
from pathlib import Path

from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.locks import Locks


class Scratch:
    """One folder under `tmp/` for this process, made when it is first needed.

    Attributes:
        root: the folder `tmp/`.
    """

    def __init__(self, root: Path, disk: Disk, locks: Locks) -> None:
        self.root = root / "tmp"
        self._disk = disk
        self._locks = locks
        self._folder: Path | None = None
        self._lock: int | None = None

    @property
    def folder(self) -> Path:
        """This process's folder; its lock is held until `close`."""
        if self._folder is None:
            name = f"{os.getpid()}-{os.urandom(4).hex()}"
            self._lock = self._locks.acquire(f"tmp/{name}")
            self._disk.make_folder(self.root / name)
            self._folder = self.root / name
        return self._folder

    def create(self, mode: int) -> tuple[int, Path]:
        """A new file: descriptor and path; both are the caller's to do away with."""
        path = self.folder / os.urandom(8).hex()
        return self._disk.create(path, mode), path

    def drop(self, fd: int, path: Path) -> None:
        """Closes a new file, and deletes it unless it was moved away."""
        os.close(fd)
        if path.exists():
            self._disk.remove(path)

    def discard(self, folder: Path) -> None:
        """Takes a folder out of sight at once, then deletes it; one that is not there is fine."""
        if not folder.exists():
            return
        with typed(folder, "removing a folder that is no longer needed"):
            doomed = self.folder / os.urandom(8).hex()
            self._disk.rename(folder, doomed)
            self._disk.sync_folder(folder.parent)
            self._disk.remove(doomed)

    def sweep(self) -> None:
        """Deletes what dead processes left."""
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if folder == self._folder:
                continue
            lock = self._locks.acquire(f"tmp/{folder.name}", wait=False)
            if lock is None:
                continue
            try:
                self._disk.remove(folder)
            finally:
                self._locks.release(lock)

    def close(self) -> None:
        """Deletes this process's folder and gives its lock back."""
        try:
            if self._folder is not None:
                self._disk.remove(self._folder)
        finally:
            self._folder = None
            if self._lock is not None:
                self._locks.release(self._lock)
                self._lock = None
