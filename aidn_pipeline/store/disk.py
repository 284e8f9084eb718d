"""Every mutating call of the store, in one seam.

Each method passes `before` first, with the name of the call and its path. Production does nothing
there; a test replaces the disk by one that kills the process, tears a write, or fails with ENOSPC
or EIO at the n-th call.
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from aidn_pipeline.errors import StorageFull, StorageUnwritable, StoreError

BLOCK = 256 * 1024
"""Bytes of one write; blocks of 1 MiB and more are several times slower on some kernels."""

FLUSHES = 8
"""Files that are flushed at the same time."""


class Disk:
    """The file system as the store uses it.

    Attributes:
        durable: whether files and folders are flushed to the disk before they count as written.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.durable = durable

    def before(self, call: str, path: Path) -> None:
        """The fault point; called before every mutating call."""

    def write(self, fd: int, data: bytes | memoryview, path: Path) -> None:
        """Writes all of `data`, in blocks."""
        view = memoryview(data)
        with _needing(len(view)):
            while view:
                self.before("write", path)
                view = view[os.write(fd, view[:BLOCK]) :]

    def append(self, fd: int, line: bytes, path: Path) -> None:
        """Writes a line with one call, so that a reader sees a prefix of it at worst."""
        with _needing(len(line)):
            self.before("append", path)
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def allocate(self, fd: int, size: int, path: Path) -> None:
        """Reserves space first, so that a full disk is an error before the first byte."""
        self.before("allocate", path)
        if size and hasattr(os, "posix_fallocate"):
            try:
                with _needing(size):
                    os.posix_fallocate(fd, 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise

    def create(self, path: Path, mode: int = 0o600) -> int:
        """Opens a new file for writing, whatever its mode; the descriptor is the caller's."""
        self.before("create", path)
        return os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode
        )

    def sync(self, fd: int, path: Path) -> None:
        """Flushes a file, if durable."""
        self.before("sync", path)
        self._flush([fd])

    def sync_folder(self, path: Path) -> None:
        """Flushes a folder's entries: on ext4 a rename alone can be lost on power failure."""
        self.sync_together({}, [path])

    def sync_together(self, files: Mapping[Path, int], folders: Iterable[Path]) -> None:
        """Flushes open files and folders, if durable.

        At the same time: file systems write flushes that wait together with one commit.
        """
        opened: list[int] = []
        try:
            for path in files:
                self.before("sync", path)
            for folder in folders:
                self.before("sync_folder", folder)
                if self.durable:
                    opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self._flush([*files.values(), *opened])
        finally:
            for fd in opened:
                os.close(fd)

    def _flush(self, fds: Sequence[int]) -> None:
        if not self.durable or not fds:
            return
        if len(fds) == 1:
            os.fsync(fds[0])
            return
        # Threads of its own each time: a pool that is kept does not survive a fork.
        with ThreadPoolExecutor(min(len(fds), FLUSHES), "flush") as pool:
            for _ in pool.map(os.fsync, fds):
                pass

    def rename(self, source: Path, target: Path) -> None:
        """Moves a file or a folder inside the store."""
        self.before("rename", target)
        source.rename(target)

    def make_folder(self, path: Path, *, sync: bool = True) -> None:
        """Makes a folder and the missing ones above it, and flushes the parent of each new one.

        Without `sync` the caller flushes the parent of the folder itself, before it counts on it.
        """
        if path.is_dir():
            return
        self.make_folder(path.parent)
        self.before("mkdir", path)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            return
        if sync:
            self.sync_folder(path.parent)

    def truncate(self, fd: int, size: int, path: Path) -> None:
        """Cuts a file."""
        self.before("truncate", path)
        os.ftruncate(fd, size)

    def remove(self, path: Path) -> None:
        """Deletes a file, or a folder with all that is in it; one that is gone already is fine."""
        self.before("remove", path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


FULL = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would exceed the size limit",
}


@contextmanager
def _needing(size: int) -> Iterator[None]:
    """Says in an error how many bytes were to be written."""
    try:
        yield
    except OSError as error:
        error.add_note(f"{size:,} bytes needed, ")
        raise


@contextmanager
def typed(path: Path, doing: str) -> Iterator[None]:
    """Turns what the operating system says into the store's errors, naming the path.

    Raises:
        StorageFull: for no space, quota or file size limits.
        StorageUnwritable: for a read-only or foreign folder, or a failing disk.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or str(path)
        if error.errno in FULL:
            raise StorageFull(
                f"{FULL[error.errno]} while {doing}: {_needed(error)}{_free(path)}",
                where=str(place),
                remedy="make space and run the same command again; nothing finished is lost",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StorageUnwritable(
                f"may not write while {doing}: {error.strerror}",
                where=str(place),
                remedy="make the folder writable, or name another one with AIDN_HOME",
            ) from error
        if error.errno in (errno.EIO, errno.ENOLCK):
            raise StorageUnwritable(
                f"the file system failed while {doing}: {error.strerror}",
                where=str(place),
                remedy="check the disk, or move the store to a local one with AIDN_HOME",
            ) from error
        raise StoreError(f"{error.strerror or error} while {doing}", where=str(place)) from error


def _needed(error: OSError) -> str:
    return next(iter(getattr(error, "__notes__", ())), "")


def _free(path: Path) -> str:
    while not path.exists():
        path = path.parent
    usage = shutil.disk_usage(path)
    return f"{usage.free / 2**20:.1f} MiB of {usage.total / 2**20:.0f} MiB free"
