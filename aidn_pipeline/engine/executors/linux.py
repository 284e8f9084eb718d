"""What Python's library lacks of the kernel's: death signals, subreapers, holes in files."""

import ctypes
import os
import signal
from pathlib import Path

SET_DEATH_SIGNAL = 1
SET_CHILD_SUBREAPER = 36
KEEP_SIZE, PUNCH_HOLE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def signal_at_parents_death(signum: signal.Signals) -> None:
    """Asks for a signal when the thread that forked this process ends."""
    LIBC.prctl(SET_DEATH_SIGNAL, int(signum), 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant that loses its own."""
    LIBC.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def punch_hole(fd: int, start: int, length: int) -> bool:
    """Gives a file's blocks back and keeps its length; False where the file system cannot."""
    at, size = ctypes.c_int64(start), ctypes.c_int64(length)
    return bool(LIBC.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, at, size) == 0)


def children() -> list[int]:
    """Process ids of this single-threaded process's children, zombies too."""
    try:
        return [int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        # A kernel without CONFIG_PROC_CHILDREN: who left its process group is not found.
        return []


def out_of_memory_kills() -> int | None:
    """How many processes the kernel has killed for memory since it started; None if it hides it."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
