"""Metric segments: nothing logged is lost, nothing damaged is read, no step is doubled."""

import errno
import math
import os
import struct
import tempfile
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.errors import NewerFormat, StorageFull, StorageUnwritable
from aidn_pipeline.tracking.segment import (
    HEADER_SIZE,
    RECORD_SIZE,
    PlainIO,
    Point,
    Segment,
    SegmentWriter,
    merge,
    read_segment,
)

NAMES = st.text(min_size=0, max_size=60)
STEPS = st.integers(-(2**63), 2**63 - 1)
LOGS = st.lists(st.tuples(st.dictionaries(NAMES, st.floats(), max_size=4), STEPS), max_size=12)


class TornIO(PlainIO):
    """Writes only the first `keep` bytes of the n-th append, then says the disk is full."""

    def __init__(self, at: int, keep: int, code: int = errno.ENOSPC) -> None:
        self.at, self.keep, self.code = at, keep, code

    def append(self, fd: int, line: bytes, path: Path) -> None:
        self.at -= 1
        if self.at == 0:
            os.write(fd, line[: self.keep])
            raise OSError(self.code, os.strerror(self.code), str(path))
        super().append(fd, line, path)


class BadSyncIO(PlainIO):
    """Fails every flush."""

    def sync(self, fd: int, path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))


def same(a: float, b: float) -> bool:
    return struct.pack("<d", a) == struct.pack("<d", b)


def written(folder: Path, logs: list[tuple[dict[str, float], int]]) -> Path:
    path = folder / "a1-w0.seg"
    writer = SegmentWriter(path, attempt=3, writer=1, run=b"r" * 16, resumed_at=17)
    for values, step in logs:
        writer.log(values, step)
    writer.close()
    return path


@given(LOGS)
@settings(max_examples=60, deadline=None)
def test_what_is_logged_is_read(logs: list[tuple[dict[str, float], int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        segment = read_segment(written(Path(folder), logs))
    wanted = [(k, step, v) for values, step in logs for k, v in values.items()]
    assert segment.problem is None
    assert (segment.attempt, segment.writer, segment.resumed_at, segment.run) == (
        3,
        1,
        17,
        b"r" * 16,
    )
    assert len(segment.points) == len(wanted)
    for point, (key, step, value) in zip(segment.points, wanted, strict=True):
        assert (point.key, point.step) == (key, step)
        assert same(point.value, value) or math.isnan(value)


@given(LOGS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_is_reported_and_what_stands_before_it_is_read(
    logs: list[tuple[dict[str, float], int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), logs)
        good = read_segment(path)
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, len(content) * 8 - 1))
        content[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(content)
        bad = read_segment(path)
    assert bad.problem is not None
    assert repr(bad.points) == repr(good.points[: len(bad.points)])


@given(LOGS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_torn_file_gives_a_prefix_of_its_points(
    logs: list[tuple[dict[str, float], int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), logs)
        good = read_segment(path)
        content = path.read_bytes()
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        torn = read_segment(path)
    assert repr(torn.points) == repr(good.points[: len(torn.points)])


@given(keep=st.integers(0, 5 * RECORD_SIZE))
@settings(deadline=None)
def test_a_short_write_is_cut_and_the_writer_goes_on(keep: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a1.seg"
        writer = SegmentWriter(path, attempt=1, io=TornIO(at=3, keep=keep))
        writer.log({"loss": 1.0}, 1)
        with pytest.raises(StorageFull):
            writer.log({"loss": 2.0, "a name of more than twenty-four bytes": 5.0}, 2)
        assert (path.stat().st_size - HEADER_SIZE) % RECORD_SIZE == 0
        writer.log({"a name of more than twenty-four bytes": 3.0, "loss": 4.0}, 3)
        writer.close()
        segment = read_segment(path)
    assert segment.problem is None
    assert writer.refused == 2
    assert [(p.step, p.value) for p in segment.points] == [(1, 1.0), (3, 3.0), (3, 4.0)]


def test_a_full_disk_at_the_header_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        SegmentWriter(tmp_path / "a.seg", attempt=1, io=TornIO(at=1, keep=10))
    assert read_segment(tmp_path / "a.seg").attempt == 0


def test_a_failing_disk_is_a_typed_error(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.seg", attempt=1, io=TornIO(at=2, keep=0, code=errno.EIO))
    with pytest.raises(StorageUnwritable):
        writer.log({"loss": 1.0}, 1)


def test_after_a_failed_flush_no_more_points_are_taken(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.seg", attempt=1, io=BadSyncIO())
    writer.log({"loss": 1.0}, 1)
    with pytest.raises(StorageUnwritable):
        writer.sync()
    with pytest.raises(StorageUnwritable):
        writer.log({"loss": 1.0}, 2)
    writer.close()


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    SegmentWriter(tmp_path / "a.seg", attempt=1).close()
    with pytest.raises(StorageUnwritable):
        SegmentWriter(tmp_path / "a.seg", attempt=1)


def test_points_are_there_before_log_returns(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.seg", attempt=1)
    writer.log({"loss": 0.5}, 4)
    assert [(p.key, p.step, p.value) for p in read_segment(tmp_path / "a.seg").points] == [
        ("loss", 4, 0.5)
    ]
    writer.close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [])
    content = bytearray(path.read_bytes())
    content[8] = 2
    content[60:64] = struct.pack("<I", crc32(content[:60]))
    path.write_bytes(content)
    with pytest.raises(NewerFormat):
        read_segment(path)


def segment(attempt: int, resumed_at: int, steps: range) -> Segment:
    points = tuple(Point("loss", s, 0.0, attempt * 1000.0 + s) for s in steps)
    return Segment(attempt, 0, resumed_at, bytes(16), 0.0, points, None)


def test_merge_drops_what_a_newer_attempt_did_again() -> None:
    series = merge([segment(2, 3, range(4, 6)), segment(1, 0, range(1, 8))])
    assert series == {"loss": [(1, 1001.0), (2, 1002.0), (3, 1003.0), (4, 2004.0), (5, 2005.0)]}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=5))
def test_merged_attempts_have_every_step_once_and_without_a_gap(
    attempts: list[tuple[int, int]],
) -> None:
    reached, segments = 0, []
    for number, (back, forward) in enumerate(attempts, 1):
        start = max(0, reached - back)
        segments.append(segment(number, start, range(start + 1, start + forward + 1)))
        reached = start + forward
    assert [step for step, _ in merge(segments).get("loss", [])] == list(range(1, reached + 1))
