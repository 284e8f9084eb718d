"""A file system of our own on a loop device, whose power can be cut."""

import fcntl
import gc
import os
import platform
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Literal, Self

from aidn_pipeline.store.disk import Disk

GOING_DOWN = 0x8004587D
"""The ioctl EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: from here on nothing reaches the device."""
LOSING_ALL, LOSING_DATA = 2, 1
"""What a cut loses: all that was not flushed, or file contents while the metadata got through."""
MIB = {"ext4": 96, "xfs": 320}
"""Of an image; xfs makes none below 300."""

FileSystem = Literal["ext4", "xfs"]


def missing(kind: FileSystem) -> str:
    """Why no power can be cut here; empty if it can."""
    if platform.system() != "Linux":
        return "the shutdown ioctl is Linux's"
    if os.geteuid() != 0:
        return "mounting an image and cutting its power needs root"
    if shutil.which(f"mkfs.{kind}") is None:
        return f"mkfs.{kind} is not installed"
    try:
        with Drive(kind) as drive:
            drive.cut(LOSING_ALL)
            drive.power_on()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"a {kind} image cannot be mounted and shut down here: {error}"
    return ""


class Drive:
    """A mounted image. Use it in a `with` block.

    Attributes:
        root: where it is mounted.
    """

    def __init__(self, kind: FileSystem, *, folder: Path | None = None) -> None:
        self._kind: FileSystem = kind
        self._own = Path(tempfile.mkdtemp(prefix="aidn-drive-", dir=folder))
        self._image = self._own / "image"
        self.root = self._own / "mounted"
        self.root.mkdir()
        self._mounted = False

    def __enter__(self) -> Self:
        with self._image.open("wb") as file:
            file.truncate(MIB[self._kind] * 2**20)
        quiet = {"ext4": ["-q", "-F"], "xfs": ["-q", "-f"]}[self._kind]
        try:
            _run(f"mkfs.{self._kind}", *quiet, str(self._image))
            self.power_on()
        except BaseException:
            shutil.rmtree(self._own)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._unmount()
        finally:
            if not self._mounted:
                shutil.rmtree(self._own)

    def cut(self, what: int) -> None:
        """Cuts the power: what was not flushed is gone, and every later call fails with EIO."""
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, GOING_DOWN, struct.pack("I", what))
        finally:
            os.close(fd)

    def power_on(self) -> None:
        """Mounts the image; the file system replays its own journal, as after a cut."""
        self._unmount()
        _run("mount", "-o", "loop", str(self._image), str(self.root))
        self._mounted = True

    def _unmount(self) -> None:
        for wait_s in (0.05, 0.2, 0.5, 1, 2, 4):
            if not self._mounted:
                return
            # What an error's traceback still holds open keeps the file system busy.
            gc.collect()
            done = subprocess.run(["umount", str(self.root)], capture_output=True, check=False)
            self._mounted = done.returncode != 0
            if self._mounted:
                time.sleep(wait_s)
        if self._mounted:
            raise OSError(f"{self.root} stays busy")


class CuttingDisk(Disk):
    """Counts the store's mutating calls, and cuts the power of a drive before one of them.

    Attributes:
        calls: so far.
    """

    def __init__(
        self, drive: Drive, at: int = 0, what: int = LOSING_ALL, *, durable: bool = True
    ) -> None:
        super().__init__(durable=durable)
        self.calls = 0
        self._drive = drive
        self._at = at
        self._what = what

    def before(self, call: str, path: Path) -> None:
        """Cuts, and ends this process, at the call."""
        self.calls += 1
        if self.calls == self._at:
            self._drive.cut(self._what)
            os.kill(os.getpid(), signal.SIGKILL)


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
