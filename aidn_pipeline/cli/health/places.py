"""Folders: whether they can be written, on which disk they lie, and what stands in the way."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from aidn_pipeline.cli.health.finding import Finding, doubtful, sound, wrong
from aidn_pipeline.cli.text import size
from aidn_pipeline.errors import AidnError
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.mounts import is_network, kind_of

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
LITTLE = 1_000_000_000
"""Bytes that are soon gone."""
NOTHING = 50_000_000
"""Bytes that a run is likely to need."""
TRIAL = 1 << 18
SKEW_S = 5.0


def nearest_existing(place: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def writable(folder: Path) -> Finding | None:
    """Writes and flushes a file of 256 kB, and deletes it; None if that went well."""
    try:
        with (
            typed(folder, "trying to write"),
            tempfile.TemporaryFile(dir=folder, prefix=".doctor-") as file,
        ):
            file.write(b"\0" * TRIAL)
            file.flush()
            os.fsync(file.fileno())
    except AidnError as error:
        return wrong(error.problem, str(folder), error.remedy)
    return None


def skew(folder: Path) -> Finding | None:
    """Whether the disk's clock and ours differ, as they do on a badly set file server."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"\0")
        file.flush()
        apart = os.fstat(file.fileno()).st_mtime - time.time()
    if abs(apart) < SKEW_S:
        return None
    side = "ahead of" if apart > 0 else "behind"
    return doubtful(
        f"the disk's clock is {abs(apart):.0f} s {side} this machine's",
        str(folder),
        "set both clocks by NTP: files are told from newer ones by their time",
    )


def space(folder: Path) -> Finding:
    """How much is free, in bytes and in files."""
    usage, counts = shutil.disk_usage(folder), os.statvfs(folder)
    what = f"{size(usage.free)} of {size(usage.total)} free"
    if usage.free < NOTHING:
        return wrong(
            f"the disk is full: {what}",
            str(folder),
            "make space, or name a store on another disk with AIDN_HOME",
        )
    if counts.f_files and not counts.f_favail:
        return wrong(
            f"no file can be made on this disk: all of {counts.f_files:,} are taken",
            str(folder),
            "delete files, or name a store on another disk with AIDN_HOME",
        )
    if usage.free < LITTLE:
        return doubtful(
            f"the disk is nearly full: {what}",
            str(folder),
            "make space, or name a store on another disk with AIDN_HOME",
        )
    return sound(f"disk: {what}", str(folder))


def file_system(folder: Path) -> Iterator[Finding]:
    """What kind of file system it is, where that matters."""
    kind = kind_of(folder.resolve())
    if is_network(kind):
        yield doubtful(
            f"the store lies on a file system of another machine ({kind}): only one machine may "
            "use it",
            str(folder),
            "name a local folder with AIDN_HOME: it is faster, and other machines may have theirs",
        )
    elif kind in IN_MEMORY:
        yield doubtful(
            f"the store lies in memory ({kind}): it is gone after a restart",
            str(folder),
            "name a folder on a disk with AIDN_HOME",
        )


def links(places: Iterator[Path]) -> Iterator[Finding]:
    """Symbolic links that lead nowhere."""
    for place in places:
        if place.is_symlink() and not place.exists():
            yield wrong(
                f"a symbolic link leads nowhere, to {place.readlink()}",
                str(place),
                f"delete it (`rm '{place}'`), or make what it names",
            )


def owner(folder: Path) -> Finding | None:
    """Whether somebody else owns it, or everybody may write."""
    facts = folder.stat()
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        return doubtful(
            f"it belongs to user {facts.st_uid}, this is user {os.geteuid()}",
            str(folder),
            f"run as its owner, or `sudo chown -R {os.geteuid()} '{folder}'`; in a container "
            "`docker run --user $(id -u)`",
        )
    if facts.st_mode & 0o002 and not facts.st_mode & 0o1000:
        return doubtful("everybody may write to it", str(folder), f"`chmod o-w '{folder}'`")
    return None


def bundles(folder: Path) -> Iterator[Finding]:
    """The folder that bundles are written to: never through a link."""
    parts = [folder, *(sorted(folder.glob("*")) if folder.is_dir() else ())]
    linked = [part for part in parts if part.is_symlink()]
    for part in linked:
        nowhere = "" if part.exists() else ", which does not exist"
        yield wrong(
            f"bundles are not written through a symbolic link; this leads to {part.readlink()}"
            f"{nowhere}",
            str(part),
            f"`rm '{part}'`: the next run writes a folder; what was exported is in the store",
        )
    if folder in linked:
        return
    if folder.exists() and not folder.is_dir():
        yield wrong(
            "bundles go to a folder of this name, and a file has it",
            str(folder),
            "rename or delete the file",
        )
    elif folder.is_dir() and not (_may_write(folder) and writable(folder) is None):
        yield wrong(
            "bundles cannot be written", str(folder), f"make it yours: `chmod u+rwx '{folder}'`"
        )
    elif folder.is_dir() and not linked:
        yield sound("bundles can be written", str(folder))


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)
