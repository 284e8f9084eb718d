"""The index covers the journal without holes, whatever other processes do to its file."""

import os
import sqlite3

from aidn_pipeline.core.record import RunRecord
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.index import JournalIndex, boot, row_of
from aidn_pipeline.store.journal import JournalFile
from aidn_pipeline.store.store import Store


def lines(folder, count):
    journal = JournalFile(folder / "log", Disk(durable=False))
    return [journal.append({"kind": "note", "key": str(n), "value": {}}) for n in range(count)]


def test_lines_behind_a_hole_are_left_for_later(tmp_path):
    first, second, third = lines(tmp_path, 3)
    index = JournalIndex(tmp_path / "index.sqlite", Disk())
    index.take(map(row_of, [first]))
    # As if another process had emptied the file between two appends of this one.
    index.clear()
    index.take(map(row_of, [second]))
    assert index.covered() == (0, 0)
    index.take(map(row_of, [first, second, third]))
    assert index.covered() == (third.offset + third.size, 3)


def test_lines_that_are_covered_already_change_nothing(tmp_path):
    first, second = lines(tmp_path, 2)
    index = JournalIndex(tmp_path / "index.sqlite", Disk())
    index.take(map(row_of, [first, second]))
    index.take(map(row_of, [first]))
    assert index.covered() == (second.offset + second.size, 2)


def test_emptying_the_index_keeps_its_file(tmp_path):
    with Store.open(tmp_path / "s") as one, Store.open(tmp_path / "s") as two:
        one.records.append("note", "a", {"n": 1})
        file = (tmp_path / "s" / "index.sqlite").stat().st_ino
        one.records.rebuild()
        assert (tmp_path / "s" / "index.sqlite").stat().st_ino == file
        two.records.append("note", "b", {"n": 2})
        assert [one.records.get("note", key) for key in "ab"] == [{"n": 1}, {"n": 2}]


def test_what_a_power_cut_left_of_the_index_is_not_believed(tmp_path):
    with Store.open(tmp_path / "s") as store:
        for name in "ab":
            run = RunRecord(run=name, recipe="toy", status="done", started=1.0)
            store.records.append("run", name, run.to_json())
    # Of the pages that were never flushed some are old: the rows went, what is covered stayed.
    with sqlite3.connect(tmp_path / "s" / "index.sqlite") as db:
        db.execute("DELETE FROM fact")
        db.execute(f"PRAGMA application_id={boot() ^ 1}")
    db.close()
    with Store.open(tmp_path / "s") as store:
        assert [run["run"] for run in store.records.runs(5)] == ["b", "a"]


def test_a_wrong_place_in_the_index_is_no_damage_of_the_journal(tmp_path):
    with Store.open(tmp_path / "s") as store:
        for name in "abc":
            run = RunRecord(run=name, recipe="toy", status="done", started=1.0)
            store.records.append("run", name, run.to_json())
    for read in (
        lambda records: [run["run"] for run in records.runs(5)],
        lambda records: [records.get("run", name)["run"] for name in "cba"],
    ):
        with sqlite3.connect(tmp_path / "s" / "index.sqlite") as db:
            db.execute("UPDATE fact SET offset = offset + 1")
        db.close()
        with Store.open(tmp_path / "s") as store:
            assert read(store.records) == ["c", "b", "a"]


def test_lines_that_their_writer_took_back_are_forgotten_by_others(tmp_path):
    with Store.open(tmp_path / "s") as one, Store.open(tmp_path / "s") as two:
        one.records.append("note", "a", {"n": 1})
        whole = one.records.path.stat().st_size
        one.records.append("note", "b", {"n": 2})
        assert two.records.get("note", "b") == {"n": 2}
        # As after no space for the rest of a group.
        os.truncate(one.records.path, whole)
        assert two.records.get("note", "b") is None
        two.records.append("note", "c", {"n": 3})
        assert [two.records.get("note", key) for key in "abc"] == [{"n": 1}, None, {"n": 3}]
