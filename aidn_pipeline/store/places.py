"""What may stand where in a store's folder, so that one from a stranger leads nowhere else.

A link in the place of a folder would have us read, write or delete somewhere else; a pipe or a
device would have us wait for ever. Looked at once, when the store is opened.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from aidn_pipeline.errors import CorruptObject, StorageUnwritable

ALLOWED = "AIDN_FOREIGN_STORE"
FILES = ("format.json", "format.json.new", "locks", "journal/000001.log")
FOLDERS = (
    *("objects", "journal", "tmp", "work", "quarantine", "quarantine/other"),
    *("quarantine/other/work", "trash", "trash/work", "logs"),
)
INSIDE = ("objects", "work", "logs")
"""Folders in which every entry is looked at."""
WORK = ("journal.log", "files", "checkpoints", "points")
INDEX = "index.sqlite"
SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""Ends a rollback journal that names another file, which SQLite would delete."""


def refuse_foreign(root: Path) -> None:
    """Refuses a store that belongs to another user: they may change it at any moment.

    Raises:
        StorageUnwritable: unless `AIDN_FOREIGN_STORE=1`.
    """
    try:
        owner = root.stat().st_uid
    except FileNotFoundError:
        return
    if owner != os.geteuid() and os.environ.get(ALLOWED) != "1":
        raise StorageUnwritable(
            f"the store belongs to user {owner}, this is user {os.geteuid()}",
            where=str(root),
            remedy="run as its owner (in a container `docker run --user $(id -u)`), or set "
            f"{ALLOWED}=1 if you trust them",
        )


def refuse_leading_out(root: Path) -> None:
    """Refuses links, pipes and devices where the store has folders and files.

    What is wrong with the index is removed instead: it is made anew.

    Raises:
        CorruptObject: for the first of them.
    """
    for name in FOLDERS:
        _refuse(root / name, folder=True)
    for name in FILES:
        _refuse(root / name, folder=False)
    for name in INSIDE:
        for entry in _entries(root / name):
            if entry.is_symlink():
                raise _odd(Path(entry.path), "is a link")
    for entry in _entries(root):
        # Others that have the store open may remove or replace it at any time.
        with suppress(FileNotFoundError):
            if entry.name.startswith(INDEX) and not _is_sound_index(Path(entry.path)):
                Path(entry.path).unlink()


def refuse_leading_out_of_work(folder: Path) -> None:
    """The same for a folder of unfinished work.

    Raises:
        CorruptObject: for the first link, pipe or device.
    """
    if folder.is_symlink():
        raise _odd(folder, "is a link")
    if folder.is_dir():
        for name in WORK:
            _refuse(folder / name, folder=name != "journal.log")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return


def _refuse(path: Path, *, folder: bool) -> None:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    if folder and not stat.S_ISDIR(facts.st_mode):
        raise _odd(path, "is a link" if stat.S_ISLNK(facts.st_mode) else "is no folder")
    if not folder and not stat.S_ISREG(facts.st_mode):
        raise _odd(path, "is a link" if stat.S_ISLNK(facts.st_mode) else "is no file")
    if not folder and facts.st_nlink > 1:
        # What is appended here would be appended to the file's other name as well.
        raise _odd(path, "has another name (a hard link); copy it, and rename the copy to it")


def _odd(path: Path, what: str) -> CorruptObject:
    return CorruptObject(
        f"{path.name!r} {what}; a store leads nowhere else",
        where=str(path),
        remedy="look at where it leads, and remove it; to keep a store on another disk, name its "
        "whole folder with AIDN_HOME",
    )


def _is_sound_index(path: Path) -> bool:
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        return False
    if path.name == INDEX:
        with path.open("rb") as file:
            # Bytes 18 and 19 say how it is written: in another way it brings other files along.
            return file.read(20)[18:] in (b"", b"\x01\x01")
    if path.name == f"{INDEX}-journal":
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(SUPER_JOURNAL)))
            return size <= len(SUPER_JOURNAL) or file.read() != SUPER_JOURNAL
    return False
