"""The append-only log: numbered, checksummed lines; a torn end is cut, damage is an error."""

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from blake3 import blake3

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.errors import CorruptObject, StoreError
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.lines import finite, is_entry, is_line, refuse_constant

HEAD = re.compile(rb"([1-9][0-9]{0,18})(\+?) (0|[1-9][0-9]{0,18}) ([0-9a-f]{16}) ")
"""Sequence, length and sum. There is one way to write the numbers."""
HEAD_PARTS = 3
"""Sequence, length and sum, each followed by a space."""
LONGEST_HEAD = 64
"""Bytes; no line has a longer head."""
LONGEST_LINE = 16 * 2**20
"""Bytes of the longest line that is written or read."""
LONGEST_TAIL = 64 * 2**20
"""Bytes of the most that is taken for what a killed process, or a power cut, left unfinished."""
DECODER = json.JSONDecoder(parse_float=finite, parse_constant=refuse_constant)
SECTOR = 512
"""Bytes; what a disk writes whole or not at all, and every block of a file system is made of."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number, its place in the file, and what it says."""

    sequence: int
    offset: int
    size: int
    payload: dict[str, Any]


class Entry(NamedTuple):
    """A line whose sum is right: its number, its place, and its payload as it is written.

    Attributes:
        joined: whether it was written together with the line before it.
    """

    sequence: int
    offset: int
    size: int
    body: bytes
    joined: bool


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
        return map(partial(parsed, self.path), self.new_entries())

    def new_entries(self) -> Iterator[Entry]:
        """The same, their payloads not yet read.

        Raises:
            CorruptObject: at the first damaged line, with its offset.
        """
        last: Entry | None = None
        try:
            for last in entries(self.path, self.end, self.sequence):
                yield last
        finally:
            if last is not None:
                self.seek(last.offset + last.size, last.sequence)

    def has_grown(self) -> bool:
        """Whether the file's end is another than the one that is known here."""
        try:
            return self.path.stat().st_size != self.end
        except FileNotFoundError:
            return self.end != 0

    def was_cut(self) -> bool:
        """Whether the file ends before what was read here: its writer found no space for all."""
        try:
            return self.path.stat().st_size < self.end
        except FileNotFoundError:
            return self.end != 0

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
        """Writes one line; see `extend`."""
        return self.extend([payload])[0]

    def extend(self, payloads: Iterable[Mapping[str, Any]]) -> list[Line]:
        """Writes lines behind the last; call under the lock, after `new_lines`.

        They are durable when this returns, with one flush for all. After a failed flush the journal
        takes no more lines: a second flush could succeed with the data gone.

        Raises:
            StorageFull: if there is no space; no line is there.
            StorageUnwritable: if it cannot be written.
        """
        if self._broken:
            raise StoreError(
                "the journal failed before and takes no more lines", where=str(self.path)
            )
        lines: list[Line] = []
        data: list[bytes] = []
        end = self.end
        for number, payload in enumerate(payloads, self.sequence + 1):
            data.append(encode(number, payload, joined=bool(lines)))
            lines.append(Line(number, end, len(data[-1]), dict(payload)))
            end += len(data[-1])
        with typed(self.path, "writing the journal"):
            self._write(b"".join(data))
        self.seek(end, self.sequence + len(lines))
        return lines

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


def encode(sequence: int, payload: Mapping[str, Any], *, joined: bool = False) -> bytes:
    """One line as bytes; a joined one is written together with the line before it.

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
    head = _head(sequence, len(body), joined=joined)
    return b"%b%b %b\n" % (head, _sum(head + body), body)


def _head(sequence: int, length: int, *, joined: bool) -> bytes:
    return b"%d%b %d " % (sequence, b"+" if joined else b"", length)


def _sum(text: bytes) -> bytes:
    return blake3(text).hexdigest(8).encode()


def parse(path: Path, data: bytes, offset: int) -> Line:
    """Reads one whole line.

    Raises:
        CorruptObject: if its sum, its length or its form is wrong.
    """
    return parsed(path, _entry(path, data, offset))


def parsed(path: Path, entry: Entry) -> Line:
    """The line with its payload read.

    Raises:
        CorruptObject: if the payload is no JSON, or says nothing that is known.
    """
    try:
        payload = DECODER.decode(entry.body.decode())
        if not _check(path)(payload):
            raise damaged(path, entry.offset)
        return Line(entry.sequence, entry.offset, entry.size, payload)
    except (ValueError, RecursionError):
        raise damaged(path, entry.offset) from None


def _entry(path: Path, data: bytes, offset: int) -> Entry:
    head = HEAD.match(data)
    if head is None or not data.endswith(b"\n"):
        raise damaged(path, offset)
    number, joined, length, total = head.groups()
    body = data[head.end() : -1]
    if len(body) != int(length) or _sum(data[: head.start(4)] + body) != total:
        raise damaged(path, offset)
    return Entry(int(number), offset, len(data), body, joined == b"+")


VALUE = b',"value":'
"""What stands between the name of a fact and its value: no quote stands so inside of a text."""


def name_of(kind: str, key: str) -> bytes:
    """How the payload of a fact begins."""
    return canonical_json({"key": key, "kind": kind})[:-1]


def names_in(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The beginnings of the payloads of all lines between two offsets, unchecked."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (line := file.readline()):
            start += len(line)
            yield line.partition(VALUE)[0].split(b" ", HEAD_PARTS)[-1]


def line_of(path: Path, entry: Entry, kind: str) -> Line | None:
    """The line, if it is a fact of this kind.

    Raises:
        CorruptObject: if its payload is no JSON.
    """
    if not entry.body.partition(VALUE)[0].endswith(b'"kind":%b' % canonical_json(kind)):
        return None
    return parsed(path, entry)


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
    """Lines from `offset` on; stops before what was never finished.

    Raises:
        CorruptObject: at the first damaged line.
    """
    return map(partial(parsed, path), entries(path, offset, sequence))


def entries(path: Path, offset: int = 0, sequence: int = 0) -> Iterator[Entry]:
    """The same, their payloads not yet read.

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
        seen = b""
        while data := file.readline(LONGEST_LINE + 1):
            try:
                entry = _entry(path, data, offset)
            except CorruptObject:
                file.seek(offset)
                rest = file.read(LONGEST_TAIL + 1)
                if rest != seen:
                    # Somebody may be writing just now: only what stands still is damaged.
                    seen = rest
                    file.seek(offset)
                    continue
                if len(rest) <= LONGEST_TAIL and is_torn(path, rest, offset):
                    return
                raise
            if entry.sequence != sequence + 1:
                raise damaged(path, offset)
            sequence = entry.sequence
            offset += len(data)
            yield entry


def _opened(path: Path) -> BinaryIO:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise damaged(path, 0)
    return os.fdopen(fd, "rb")


def is_torn(path: Path, data: bytes, offset: int) -> bool:
    """Whether what stands from a damaged line to the end of the file was never finished.

    So it is if the file ends within that line, or if a power cut left a hole in it: nothing is
    written behind a group of lines before the group is flushed.

    Args:
        path: the journal.
        data: from the damaged line to the end of the file.
        offset: where it begins.
    """
    line, *others = filter(None, re.split(rb"(?<=\n)", data))
    if _has_hole(line, offset):
        return not any(_begins_a_group(path, other) for other in others)
    return not others and not line.endswith(b"\n") and _is_beginning(line)


def _has_hole(line: bytes, offset: int) -> bool:
    # A power cut may keep a file's size and lose what was written up to the end of a block. No line
    # of ours has zero bytes; a lone one may be a flipped bit.
    holes = re.finditer(rb"\0{2,}", line)
    return any(hole.end() == len(line) or (offset + hole.end()) % SECTOR == 0 for hole in holes)


def _begins_a_group(path: Path, line: bytes) -> bool:
    try:
        return not _entry(path, line, 0).joined
    except CorruptObject:
        return False


def _is_beginning(line: bytes) -> bool:
    parts = line.split(b" ", HEAD_PARTS)
    if len(parts) <= HEAD_PARTS:
        heads = [part.removesuffix(b"+") if n == 0 else part for n, part in enumerate(parts)]
        return len(line) < LONGEST_HEAD and all(part.isalnum() or not part for part in heads)
    known = parts[1].isdigit() and len(parts[1]) <= len(str(LONGEST_LINE))
    return known and len(parts[HEAD_PARTS]) <= int(parts[1]) <= LONGEST_LINE
