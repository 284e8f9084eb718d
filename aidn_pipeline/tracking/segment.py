"""Metric segments, format 1: append-only, checked points; one file per writer and attempt.

A header of 64 bytes, then records of 32 bytes, little-endian:

    key u32 | CRC-32 of the other 28 bytes u32 | step i64 | time f64 | value f64

Names live in the same file: a record with key 0xFFFFFFFF holds `id i64 | length i64 | 0`, and the
records after it, with the same key, hold 24 bytes of the name in UTF-8 each, padded with zeros.
One `log` is one write, so a kill loses nothing that was logged; a power cut loses at most what came
after the last `sync`.
"""

import errno
import os
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zlib import crc32

from aidn_pipeline.errors import NewerFormat, StorageFull, StorageUnwritable, StoreError

MAGIC = b"AIDNSEG1"
FORMAT = 1
HEADER_SIZE = 64
RECORD_SIZE = 32
NAME_KEY = 0xFFFFFFFF
NAME_BYTES = 24
SYNC_EVERY_S = 1.0

_HEADER = struct.Struct("<8sIIIIq16sd4x")
_KEY = struct.Struct("<I")
_POINT = struct.Struct("<qdd")
_NAME = struct.Struct("<qq8x")
_RECORD = struct.Struct("<II24s")
_NAME_SEED = crc32(_KEY.pack(NAME_KEY))


class SegmentIO(Protocol):
    """The mutating calls of a segment, shaped as the store's disk.

    So tests can pass one that kills, tears or fails.
    """

    def create(self, path: Path) -> int:
        """Opens a new file for writing; the descriptor is the caller's to close."""
        ...

    def append(self, fd: int, line: bytes, path: Path) -> None:
        """Writes with one call; raises OSError if not all bytes were written."""
        ...

    def truncate(self, fd: int, size: int, path: Path) -> None:
        """Cuts the file."""
        ...

    def sync(self, fd: int, path: Path) -> None:
        """Flushes the file to the disk."""
        ...


class PlainIO:
    """The operating system's calls, nothing else."""

    def create(self, path: Path) -> int:
        """Opens a new file for writing; the descriptor is the caller's to close."""
        return os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )

    def append(self, fd: int, line: bytes, path: Path) -> None:
        """Writes with one call; raises OSError if not all bytes were written."""
        if os.write(fd, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def truncate(self, fd: int, size: int, path: Path) -> None:
        """Cuts the file."""
        os.ftruncate(fd, size)

    def sync(self, fd: int, path: Path) -> None:
        """Flushes the file to the disk."""
        os.fsync(fd)


class SegmentWriter:
    """Writes the points of one process and attempt.

    Attributes:
        path: the file; it must not exist yet.
        refused: points that were not written because a write failed.
    """

    def __init__(
        self,
        path: Path,
        *,
        attempt: int,
        writer: int = 0,
        run: bytes = bytes(16),
        resumed_at: int = 0,
        io: SegmentIO | None = None,
    ) -> None:
        """Creates the file with its header; its folder must exist.

        Args:
            path: of the new file.
            attempt: counts from 1; a later attempt of the same work has a higher number.
            writer: number of this process among those of the attempt.
            run: id of the run, 16 bytes.
            resumed_at: step of the checkpoint this attempt continues from; 0 from the start.
            io: the mutating calls.

        Raises:
            StorageFull: if there is no space.
            StorageUnwritable: if the file exists already or cannot be written.
        """
        self.path = path
        self.refused = 0
        self._io: SegmentIO = io or PlainIO()
        self._keys: dict[str, tuple[bytes, int]] = {}
        self._size = 0
        self._dirty = False
        self._broken = False
        self._synced = time.monotonic()
        head = _HEADER.pack(
            MAGIC, FORMAT, RECORD_SIZE, attempt, writer, resumed_at, run, time.time()
        )
        try:
            self._fd = self._io.create(path)
        except OSError as error:
            raise _typed(error, path) from error
        try:
            self._append(head + _KEY.pack(crc32(head)), points=0)
        except StoreError:
            os.close(self._fd)
            self._fd = -1
            raise

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Writes one point for each name, in one call; they survive a kill when this returns.

        Args:
            values: by name; non-finite values are kept as they are.
            step: of the work, the same clock as `resumed_at`.

        Raises:
            StorageFull: if there is no space; none of these points is there, earlier ones are.
            StorageUnwritable: if the file cannot be written.
        """
        now = time.time()
        blocks: list[bytes] = []
        new: dict[str, tuple[bytes, int]] = {}
        for name, value in values.items():
            key = self._keys.get(name) or new.get(name)
            if key is None:
                number = len(self._keys) + len(new)
                key = new[name] = (_KEY.pack(number), crc32(_KEY.pack(number)))
                blocks.append(_declaration(number, name))
            body = _POINT.pack(step, now, value)
            blocks.append(key[0] + _KEY.pack(crc32(body, key[1])) + body)
        if not blocks:
            return
        self._append(b"".join(blocks), points=len(values))
        self._keys.update(new)
        if time.monotonic() - self._synced >= SYNC_EVERY_S:
            self.sync()

    def _append(self, data: bytes, *, points: int) -> None:
        if self._broken:
            self.refused += points
            raise StorageUnwritable(
                "the segment failed before and takes no more points", where=str(self.path)
            )
        try:
            self._io.append(self._fd, data, self.path)
        except OSError as error:
            self.refused += points
            self._cut()
            raise _typed(error, self.path) from error
        self._size += len(data)
        self._dirty = True

    def _cut(self) -> None:
        # A part of the write may be there; this process is the only writer, so cutting is safe.
        self._broken = True
        try:
            self._io.truncate(self._fd, self._size, self.path)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        except OSError as error:
            raise _typed(error, self.path) from error
        self._broken = self._size < HEADER_SIZE

    def sync(self) -> None:
        """Flushes what was logged: call it before a checkpoint is committed.

        Raises:
            StorageUnwritable: if the disk fails; no more points are taken, because a second flush
                could succeed with the data gone.
        """
        if not self._dirty or self._fd < 0:
            return
        try:
            self._io.sync(self._fd, self.path)
        except OSError as error:
            self._broken = True
            raise _typed(error, self.path) from error
        self._dirty = False
        self._synced = time.monotonic()

    def close(self) -> None:
        """Flushes and closes; a second call does nothing.

        Raises:
            StorageUnwritable: if the disk fails; the file is closed nevertheless.
        """
        if self._fd < 0:
            return
        try:
            if not self._broken:
                self.sync()
        finally:
            os.close(self._fd)
            self._fd = -1


def _declaration(number: int, name: str) -> bytes:
    text = name.encode()
    bodies = [_NAME.pack(number, len(text))]
    bodies += [
        text[i : i + NAME_BYTES].ljust(NAME_BYTES, b"\0") for i in range(0, len(text), NAME_BYTES)
    ]
    return b"".join(_RECORD.pack(NAME_KEY, crc32(body, _NAME_SEED), body) for body in bodies)


def _typed(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(
            f"{error.strerror} while writing metric points",
            where=str(path),
            remedy="make space and run the same command again; points logged before are kept",
        )
    return StorageUnwritable(
        f"cannot write metric points: {error.strerror or error}",
        where=str(path),
        remedy="check the folder and the disk, or name another one with AIDN_HOME",
    )


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one name.

    Attributes:
        time: seconds since the epoch.
    """

    key: str
    step: int
    time: float
    value: float


@dataclass(frozen=True, slots=True)
class Segment:
    """What a file holds, up to its first bad byte.

    Attributes:
        attempt: counts from 1; 0 if the header was never finished.
        writer: number of the process within the attempt.
        resumed_at: step of the checkpoint the attempt continued from.
        run: id of the run, 16 bytes.
        created: seconds since the epoch.
        points: in the order they were written.
        problem: what is wrong and at which byte, or None. An unfinished end is normal for the
            file of a killed process.
    """

    attempt: int
    writer: int
    resumed_at: int
    run: bytes
    created: float
    points: tuple[Point, ...]
    problem: str | None


def read_segment(path: Path) -> Segment:
    """Reads a segment up to the first record that does not match its sum, and reports that.

    Raises:
        NewerFormat: if a later release wrote it.
        OSError: if it cannot be read.
    """
    data = path.read_bytes()
    head = data[:HEADER_SIZE]
    if (
        len(head) < HEADER_SIZE
        or _KEY.unpack_from(head, 60)[0] != crc32(head[:60])
        or head[:8] != MAGIC
    ):
        word = "is unfinished" if len(head) < HEADER_SIZE else "does not match its checksum"
        return Segment(0, 0, 0, bytes(16), 0.0, (), f"the header {word} (byte 0)")
    _, version, record_size, attempt, writer, resumed_at, run, created = _HEADER.unpack_from(head)
    if version != FORMAT or record_size != RECORD_SIZE:
        raise NewerFormat(
            f"metric segment of format {version}, this release reads {FORMAT}",
            where=str(path),
            remedy="use the release that wrote it",
        )
    points, problem = _read_records(data)
    return Segment(attempt, writer, resumed_at, run, created, tuple(points), problem)


def _read_records(data: bytes) -> tuple[list[Point], str | None]:
    names: dict[int, str] = {}
    points: list[Point] = []
    offset = HEADER_SIZE
    end = len(data) - (len(data) - HEADER_SIZE) % RECORD_SIZE
    while offset < end:
        key, total, body = _RECORD.unpack_from(data, offset)
        if crc32(body, crc32(data[offset : offset + 4])) != total:
            return points, f"a record does not match its checksum (byte {offset})"
        if key == NAME_KEY:
            number, length = _NAME.unpack(body)
            name, offset_after = _read_name(data, offset + RECORD_SIZE, length, end)
            if name is None:
                return points, f"a name is damaged or unfinished (byte {offset})"
            names[number] = name
            offset = offset_after
            continue
        if key not in names:
            return points, f"a record has no name (byte {offset})"
        points.append(Point(names[key], *_POINT.unpack(body)))
        offset += RECORD_SIZE
    if end != len(data):
        return points, f"the last record is unfinished (byte {end})"
    return points, None


def _read_name(data: bytes, offset: int, length: int, end: int) -> tuple[str | None, int]:
    count = -(-length // NAME_BYTES)
    if length < 0 or offset + count * RECORD_SIZE > end:
        return None, offset
    text = bytearray()
    for _ in range(count):
        key, total, body = _RECORD.unpack_from(data, offset)
        if key != NAME_KEY or crc32(body, _NAME_SEED) != total:
            return None, offset
        text += body
        offset += RECORD_SIZE
    try:
        return text[:length].decode(), offset
    except UnicodeDecodeError:
        return None, offset


def merge(segments: Iterable[Segment]) -> dict[str, list[tuple[int, float]]]:
    """One series per name over all attempts, ordered by step, each step once.

    A point of an older attempt counts only up to the step a newer attempt resumed at; of equal
    steps the newest attempt counts, and within an attempt the point written last.
    """
    ordered: Sequence[Segment] = sorted(
        (s for s in segments if s.attempt > 0), key=lambda s: (s.attempt, s.writer)
    )
    series: dict[str, dict[int, float]] = {}
    for segment in ordered:
        limit = min((s.resumed_at for s in ordered if s.attempt > segment.attempt), default=None)
        for point in segment.points:
            if limit is None or point.step <= limit:
                series.setdefault(point.key, {})[point.step] = point.value
    return {key: sorted(values.items()) for key, values in sorted(series.items())}
