"""The journal: torn ends are cut, every other damage is found."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.journal import JournalFile, encode, entries, scan

PAYLOADS = st.lists(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.integers(), st.text(max_size=20), st.booleans()),
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)


def written(path: Path, payloads: list[dict[str, object]]) -> bytes:
    journal = JournalFile(path, Disk(durable=False))
    for payload in payloads:
        journal.append(payload)
    return path.read_bytes()


@given(PAYLOADS)
def test_what_is_appended_is_read_back_in_order(payloads):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        written(path, payloads)
        assert [line.payload for line in scan(path)] == payloads


@given(PAYLOADS, st.data())
def test_a_torn_end_is_cut_and_the_journal_goes_on(payloads, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        whole = written(path, payloads)
        last = encode(len(payloads), payloads[-1])
        cut = data.draw(st.integers(0, len(last) - 1))
        path.write_bytes(whole[: len(whole) - len(last) + cut])
        journal = JournalFile(path, Disk(durable=False))
        assert [line.payload for line in journal.new_lines()] == payloads[:-1]
        journal.cut_torn_tail()
        journal.append({"again": 1})
        assert [line.payload for line in scan(path)] == [*payloads[:-1], {"again": 1}]


@given(PAYLOADS, st.data())
def test_an_end_that_a_power_cut_left_as_zeros_is_cut(payloads, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        whole = written(path, payloads)
        last = encode(len(payloads), payloads[-1])
        start = len(whole) - len(last)
        first = data.draw(st.integers(0, len(last) - 2), label="first byte lost")
        # Up to the end of the file, or of a sector in which the line does not end.
        ends = [n for n in range(start + first + 2, len(whole)) if n % 512 == 0]
        end = data.draw(st.sampled_from([len(whole), *ends])) - start
        hole = last[:first] + bytes(end - first) + last[end:]
        path.write_bytes(whole[:start] + hole)
        journal = JournalFile(path, Disk(durable=False))
        assert [line.payload for line in journal.new_lines()] == payloads[:-1]
        journal.cut_torn_tail()
        journal.append({"again": 1})
        assert [line.payload for line in scan(path)] == [*payloads[:-1], {"again": 1}]


def test_a_hole_up_to_the_end_of_a_sector_is_cut(tmp_path):
    path = tmp_path / "log"
    whole = written(path, [{"n": 1}, {"n": 2, "text": "x" * 2000}])
    path.write_bytes(whole[:200] + bytes(824) + whole[1024:])
    assert [line.payload for line in scan(path)] == [{"n": 1}]


def grouped(path: Path, first: dict[str, Any], group: list[dict[str, Any]]) -> tuple[bytes, int]:
    """A journal of one line and a group behind it, and where the group begins."""
    journal = JournalFile(path, Disk(durable=False))
    journal.append(first)
    start = path.stat().st_size
    journal.extend(group)
    return path.read_bytes(), start


@given(PAYLOADS, st.data())
def test_of_a_group_that_was_not_finished_the_whole_lines_are_kept(group, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        whole, start = grouped(path, {"n": 1}, group)
        assert [line.payload for line in scan(path)] == [{"n": 1}, *group]
        end = data.draw(st.integers(start, len(whole)))
        path.write_bytes(whole[:end])
        kept = whole[start:end].count(b"\n")
        assert [line.payload for line in scan(path)] == [{"n": 1}, *group[:kept]]


def test_a_group_is_cut_at_a_hole(tmp_path):
    path = tmp_path / "log"
    whole, _ = grouped(path, {"n": 1}, [{"n": n, "text": "x" * 300} for n in range(2, 12)])
    for hole in (512, 1024, 1536):
        path.write_bytes(whole[:hole] + bytes(512) + whole[hole + 512 :])
        found = [line.payload["n"] for line in scan(path)]
        assert found == list(range(1, 1 + whole[:hole].count(b"\n")))


def test_a_hole_before_the_last_group_is_damage(tmp_path):
    path = tmp_path / "log"
    whole, _ = grouped(path, {"n": 1}, [{"n": n, "text": "x" * 300} for n in range(2, 12)])
    journal = JournalFile(path, Disk(durable=False))
    assert len(list(journal.new_lines())) == 11
    journal.append({"n": 12})
    whole = path.read_bytes()
    path.write_bytes(whole[:512] + bytes(512) + whole[1024:])
    with pytest.raises(CorruptObject):
        list(scan(path))


def test_zeros_before_the_last_line_are_damage(tmp_path):
    path = tmp_path / "log"
    whole = written(path, [{"n": 1, "text": "x" * 2000}, {"n": 2}])
    path.write_bytes(whole[:100] + bytes(924) + whole[1024:])
    with pytest.raises(CorruptObject):
        list(scan(path))


@given(PAYLOADS, st.data())
def test_any_flipped_bit_is_found(payloads, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        whole = bytearray(written(path, payloads))
        bit = data.draw(st.integers(0, len(whole) * 8 - 1))
        whole[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(whole)
        with pytest.raises(CorruptObject) as raised:
            list(scan(path))
        assert str(path) in raised.value.where


def test_a_journal_cut_inside_is_found(tmp_path):
    path = tmp_path / "log"
    whole = written(path, [{"a": 1}, {"b": 2}, {"c": 3}])
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(CorruptObject):
        list(scan(path))


def test_a_failed_flush_ends_the_journal(tmp_path):
    class NoFlush(Disk):
        def sync(self, fd: int, path: Path) -> None:
            raise OSError(5, os.strerror(5), str(path))

    journal = JournalFile(tmp_path / "log", NoFlush())
    with pytest.raises(Exception, match="file system failed"):
        journal.append({"a": 1})
    with pytest.raises(Exception, match="takes no more lines"):
        journal.append({"a": 2})


def test_a_reader_beside_a_writer_sees_lines_or_nothing(tmp_path):
    path = tmp_path / "log"
    group = [{"n": n, "text": "x" * 3000} for n in range(8)]
    writer = os.fork()
    if writer == 0:
        try:
            journal = JournalFile(path, Disk(durable=False))
            for _ in range(400):
                journal.extend(group)
        finally:
            os._exit(0)
    seen, offset = 0, 0
    while seen < 400 * len(group):
        for entry in entries(path, offset, seen):
            seen, offset = entry.sequence, entry.offset + entry.size
    os.waitpid(writer, 0)
    assert offset == path.stat().st_size
