"""What a store lies on: on a network file system it belongs to one machine.

The locks of a store keep two writers apart. Between the processes of one machine they do so on
every file system whose locks work at all; between machines it depends on the server, its version
and the mount options, which nobody can see from here. So on such a file system the locks are tried
first, and the store is used by the machine that used it first and by no other.
"""

import os
import re
import socket
import time
from functools import lru_cache
from pathlib import Path

from aidn_pipeline.errors import NoLocks, StoreError
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.locks import Locks

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "beegfs", "gpfs"),
        *("glusterfs", "orangefs", "pvfs2", "panfs", "wekafs"),
    }
)
NETWORK_FUSE = re.compile(
    r"fuse\.(sshfs|s3fs|rclone|gcsfuse|goofys|mount-s3|glusterfs|ceph|juicefs|davfs|smbnetfs)"
)
MOUNTS = Path("/proc/self/mountinfo")
POINT = 4
"""Which word of a line of it is the place."""
MACHINE = Path("/etc/machine-id")
FILE = "machine"
"""In the store: the machine that it belongs to."""
LOOKS, PAUSE_S = 10, 0.05
"""How often, and after which pauses, an owner is looked for who is just being written."""
REMEDY = "name a folder on a local disk with AIDN_HOME"


def is_network(kind: str) -> bool:
    """Whether files of a type of file system lie on other machines."""
    return kind in NETWORK or NETWORK_FUSE.match(kind) is not None


@lru_cache(maxsize=64)
def kind_of(folder: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system, such as `ext4`; empty where that is not told.

    Looked up once in a process for each folder, which must be resolved.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        # id parent device root POINT options... - TYPE source options
        before, _, after = line.partition(" - ")
        parts = before.split(" ")
        if len(parts) <= POINT or not after:
            continue
        # Spaces stand as octal escapes.
        place = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), parts[POINT]))
        # Of two mounts on one place the later hides the earlier.
        if folder.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), after.split(" ")[0]
    return kind


def machine() -> str:
    """What this machine is known by, whatever its containers are called."""
    try:
        return MACHINE.read_text().strip() or socket.gethostname()
    except (OSError, ValueError):
        return socket.gethostname()


def refuse_unsafe(root: Path, disk: Disk, mounts: Path | None = None) -> None:
    """Refuses a store whose locks would not keep writers apart; call it before anything else.

    Args:
        root: the store's folder.
        disk: the file system, as the store uses it.
        mounts: says what is mounted where.

    Raises:
        NoLocks: if it lies on a network file system whose locks do not work, or if it belongs to
            another machine.
    """
    kind = kind_of(root.resolve(), mounts or MOUNTS)
    if not is_network(kind):
        return
    problem = lock_problem(root / "locks")
    if problem:
        raise NoLocks(
            f"the store lies on {kind}, whose locks do not work: {problem}",
            where=str(root),
            remedy=REMEDY,
        )
    with typed(root, "looking whose store it is"):
        path = root / FILE
        if not path.exists():
            _write(path, disk)
        known, _, host = _owner(path).partition(" ")
    if known != machine():
        raise NoLocks(
            f"the store lies on {kind}, whose locks need not reach other machines, and it belongs "
            f"to {host or known or 'a machine that is not named'}",
            where=str(path),
            remedy=f"{REMEDY}; if no process there uses this one any more, delete {path}",
        )


def _owner(path: Path) -> str:
    for _ in range(LOOKS):
        if text := path.read_text(errors="replace").strip():
            return text
        # Just being written, or its writer died: then nobody knows whose it is.
        time.sleep(PAUSE_S)
    return ""


def _write(path: Path, disk: Disk) -> None:
    try:
        fd = disk.create(path)
    except FileExistsError:
        # Another machine was faster.
        return
    try:
        disk.append(fd, f"{machine()} {socket.gethostname()}\n".encode(), path)
        disk.sync(fd, path)
    finally:
        os.close(fd)


def lock_problem(file: Path) -> str:
    """What is wrong with the locks of a file system; empty if one owner keeps another out."""
    locks = Locks(file)
    try:
        with typed(file, "taking a lock"):
            mine = locks.acquire("probe")
            if mine is None:
                return ""
            try:
                other = locks.acquire("probe", wait=False)
            finally:
                locks.release(mine)
    except StoreError as error:
        return error.problem
    if other is not None:
        locks.release(other)
        return "two owners got the same one"
    return ""
