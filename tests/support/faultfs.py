"""The preloaded library that counts file calls over all processes, and what it is told to do."""

import errno
import mmap
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn

SOURCE = Path(__file__).with_name("faultfs.c")
FIELDS = struct.Struct("<QQiiiiiiii256s")
NAMES, NAME = 16384, 96
VARIABLE = "FAULTFS"

Fault = Literal["count", "kill", "kill one", "torn", "enospc", "edquot", "efbig", "eio"]
WHAT = {"count": 0, "kill": 1, "kill one": 1, "torn": 2}
FAIL = 3


def missing() -> str:
    """Why it cannot be used here; empty if it can."""
    if platform.system() != "Linux":
        return "the library that counts calls is written for Linux"
    if shutil.which("cc") is None:
        return "no C compiler (cc) for the library that counts calls"
    return ""


def preloaded() -> Path | None:
    """The control file of this process, if it was started with the library."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def start_again() -> NoReturn:
    """Replaces this process by itself with the library preloaded."""
    folder = Path(tempfile.mkdtemp(prefix="aidn-faultfs-"))
    library = folder / "faultfs.so"
    flags = ["-O2", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    control = folder / "control"
    control.write_bytes(bytes(FIELDS.size + NAMES * NAME))
    environment = {**os.environ, "LD_PRELOAD": str(library), VARIABLE: str(control)}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


class Faults:
    """What the library does, in this process's children."""

    def __init__(self, control: Path) -> None:
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @contextmanager
    def armed(
        self, root: Path, fault: Fault = "count", at: int = 0, *, sticky: bool = False
    ) -> Iterator[None]:
        """Counts, and hits the call `at`, below `root`, until the block ends."""
        what = WHAT.get(fault, FAIL)
        number = getattr(errno, fault.upper(), 0) if what == FAIL else 0
        everyone = fault in ("kill", "torn")
        self._map[: FIELDS.size] = FIELDS.pack(
            0, at, 1, what, number, sticky, everyone, 0, os.getpid(), 0, str(root).encode()
        )
        try:
            yield
        finally:
            self._map[16:20] = bytes(4)

    def run_here(self) -> None:
        """Names this process as the one that a kill of everybody ends, whoever made the call."""
        self._map[44:48] = struct.pack("<i", os.getpid())

    @property
    def fired(self) -> bool:
        """Whether the call came."""
        return self._map[36:40] != bytes(4)

    def calls(self) -> list[str]:
        """The calls so far: what, and the end of the path."""
        count = min(struct.unpack("<Q", self._map[:8])[0], NAMES)
        rows = (self._map[FIELDS.size + n * NAME :][:NAME] for n in range(count))
        return [row.split(b"\0", 1)[0].decode(errors="replace") for row in rows]
