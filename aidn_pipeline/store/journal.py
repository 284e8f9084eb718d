"""The append-only log: numbered, checksummed lines; a torn end is cut, damage is an error."""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.errors import CorruptObject, StoreError
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.lines import finite, is_entry, is_line, refuse_constant

HEAD_PARTS = 3
"""Sequence, length and sum, each followed by a space."""
LONGEST_HEAD = 64
"""Bytes; no line has a longer head."""
LONGEST_LINE = 64 * 2**20
"""Bytes of the longest line that is written or read."""
DECODER = json.JSONDecoder(parse_float=finite, parse_constant=refuse_constant)


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
        with _opened(self.path) as file:
            file.seek(offset)
            data = file.read(size)
        return parse(self.path, data, offset)

    def cut_torn_tail(self) -> None:
        """Removes an unfinished last line; call under the lock, after `new_lines`."""
        if self.path.exists() and self.path.stat().st_size > self.end:
            fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
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
    """One line as bytes.

    Raises:
        StoreError: if it is too long to be read again.
    """
    body = canonical_json(dict(payload))
    if len(body) > LONGEST_LINE - LONGEST_HEAD:
        raise StoreError(
            f"a line of {len(body):,} bytes is too long for a journal",
            where=str(payload.get("kind", "")),
            remedy=f"keep it below {LONGEST_LINE:,} bytes; larger values are artifacts",
        )
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
        payload = DECODER.decode(body.decode())
        if not _check(path)(payload):
            raise damaged(path, offset)
        return Line(int(sequence), offset, len(data), payload)
    except (ValueError, RecursionError):
        raise damaged(path, offset) from None


def _check(path: Path) -> Callable[[Any], bool]:
    # What lines must say: those of the store's journal, of a work's, and any other.
    if path.parent.name == "journal":
        return is_line
    return is_entry if path.parent.parent.name == "work" else _is_object


def _is_object(payload: Any) -> bool:
    return isinstance(payload, dict)


def damaged(path: Path, offset: int) -> CorruptObject:
    """The error for a line that cannot be believed."""
    return CorruptObject(
        "a journal line does not match its checksum, or says nothing that is known",
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
        file = _opened(path)
    except FileNotFoundError:
        if offset:
            raise damaged(path, 0) from None
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        if size < offset:
            raise damaged(path, size)
        file.seek(offset)
        while data := file.readline(LONGEST_LINE + 1):
            if not data.endswith(b"\n") and is_torn(data):
                return
            line = parse(path, data, offset)
            if line.sequence != sequence + 1:
                raise damaged(path, offset)
            sequence = line.sequence
            offset += len(data)
            yield line


def _opened(path: Path) -> BinaryIO:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise damaged(path, 0)
    return os.fdopen(fd, "rb")


def is_torn(data: bytes) -> bool:
    """Whether bytes without a newline are the beginning of a line that was never finished."""
    parts = data.split(b" ", 3)
    if len(parts) <= HEAD_PARTS:
        return len(data) < LONGEST_HEAD and all(part.isalnum() or not part for part in parts)
    known = parts[1].isdigit() and len(parts[1]) <= len(str(LONGEST_LINE))
    return known and len(parts[3]) <= int(parts[1]) <= LONGEST_LINE
