"""The append-only log: numbered, checksummed lines; a torn end is cut, damage is an error."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.errors import CorruptObject, StoreError
from aidn_pipeline.store.disk import Disk, typed

HEAD_PARTS = 3
"""Sequence, length and sum, each followed by a space."""
LONGEST_HEAD = 64
"""Bytes; no line has a longer head."""
SECTOR = 512
"""Bytes; what a disk writes whole or not at all, and every block of a file system is made of."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number, its place in the file, and what it says."""

    sequence: int
    offset: int
    size: int
    payload: dict[str, Any]


class JournalFile:
    """One journal. Appending needs its lock, which is the caller's; reading needs none."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        self._broken = False
        self._placed = False
        self.end = 0
        """Offset behind the last line read or written here."""
        self.sequence = 0
        """Number of the last line read or written here."""

    def new_lines(self) -> Iterator[Line]:
        """Lines that were added since the last call; an unfinished last line is left for later.

        Raises:
            CorruptObject: at the first damaged line, with its offset.
        """
        for line in scan(self.path, self.end, self.sequence):
            self.end = line.offset + line.size
            self.sequence = line.sequence
            yield line

    def seek(self, offset: int, sequence: int) -> None:
        """Goes on behind a line that is known."""
        self.end, self.sequence = offset, sequence

    def read(self, offset: int, size: int) -> Line:
        """The line at a known place.

        Raises:
            CorruptObject: if it is damaged.
        """
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        return parse(self.path, data, offset)

    def cut_torn_tail(self) -> None:
        """Removes an unfinished last line; call under the lock, after `new_lines`."""
        if self.path.exists() and self.path.stat().st_size > self.end:
            fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                self._disk.truncate(fd, self.end, self.path)
                self._disk.sync(fd, self.path)
            finally:
                os.close(fd)

    def append(self, payload: Mapping[str, Any]) -> Line:
        """Writes one line behind the last; call under the lock, after `new_lines`.

        It is durable when this returns. After a failed flush the journal takes no more lines: a
        second flush could succeed with the data gone.

        Raises:
            StorageFull: if there is no space; the line is not there.
            StorageUnwritable: if it cannot be written.
        """
        if self._broken:
            raise StoreError(
                "the journal failed before and takes no more lines", where=str(self.path)
            )
        data = encode(self.sequence + 1, payload)
        with typed(self.path, "writing the journal"):
            self._write(data)
        line = Line(self.sequence + 1, self.end, len(data), dict(payload))
        self.end += len(data)
        self.sequence += 1
        return line

    def _write(self, data: bytes) -> None:
        is_new = not self.path.exists()
        if is_new:
            self._disk.make_folder(self.path.parent)
            self._disk.before("create", self.path)
        fd = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            self._broken = True
            try:
                self._disk.append(fd, data, self.path)
            except OSError:
                os.ftruncate(fd, self.end)
                self._broken = False
                raise
            self._disk.sync(fd, self.path)
            if not self._placed:
                # Also for a file that is there: its maker may have been killed before this.
                self._disk.sync_folder(self.path.parent)
            self._broken, self._placed = False, True
        finally:
            os.close(fd)


def encode(sequence: int, payload: Mapping[str, Any]) -> bytes:
    """One line as bytes."""
    body = canonical_json(dict(payload))
    head = f"{sequence} {len(body)}"
    return f"{head} {_sum(head, body)} ".encode() + body + b"\n"


def _sum(head: str, body: bytes) -> str:
    return blake3(head.encode() + b" " + body).hexdigest()[:16]


def parse(path: Path, data: bytes, offset: int) -> Line:
    """Reads one whole line.

    Raises:
        CorruptObject: if its sum, its length or its form is wrong.
    """
    try:
        sequence, length, total, body = data.removesuffix(b"\n").split(b" ", 3)
        head = f"{int(sequence)} {int(length)}"
        fits = data.endswith(b"\n") and len(body) == int(length)
        if (
            not fits
            or head.encode() != sequence + b" " + length
            or _sum(head, body).encode() != total
        ):
            raise damaged(path, offset)
        return Line(int(sequence), offset, len(data), json.loads(body))
    except (ValueError, RecursionError):
        raise damaged(path, offset) from None


def damaged(path: Path, offset: int) -> CorruptObject:
    """The error for a line that cannot be believed."""
    return CorruptObject(
        "a journal line does not match its checksum",
        where=f"{path} at byte {offset}",
        remedy="`aidn-run check` lists the damage; restore the file from a copy, or remove the "
        "store's folder to start from nothing",
    )


def scan(path: Path, offset: int = 0, sequence: int = 0) -> Iterator[Line]:
    """Lines from `offset` on; stops before an unfinished last line.

    Raises:
        CorruptObject: at the first damaged line.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        if offset:
            raise damaged(path, 0) from None
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        if size < offset:
            raise damaged(path, size)
        file.seek(offset)
        for data in file:
            if offset + len(data) >= size and is_torn(data, offset):
                return
            line = parse(path, data, offset)
            if line.sequence != sequence + 1:
                raise damaged(path, offset)
            sequence = line.sequence
            offset += len(data)
            yield line


def is_torn(data: bytes, offset: int) -> bool:
    """Whether the last line of a file was never finished: without its end, or with a hole.

    Args:
        data: the line.
        offset: where it begins.
    """
    # A power cut may keep a file's size and lose what was written up to the end of a block. No line
    # of ours has zero bytes; a lone one may be a flipped bit.
    holes = re.finditer(rb"\0{2,}", data)
    if any(hole.end() == len(data) or (offset + hole.end()) % SECTOR == 0 for hole in holes):
        return True
    if data.endswith(b"\n"):
        return False
    parts = data.split(b" ", 3)
    if len(parts) <= HEAD_PARTS:
        return len(data) < LONGEST_HEAD and all(part.isalnum() or not part for part in parts)
    return parts[1].isdigit() and len(parts[3]) <= int(parts[1])
