"""A store from a stranger leads nowhere else, runs nothing, and is refused by an error of ours."""

import os
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.mutation import NAMES, deep, sound_text
from support.strangers import (
    ENTRIES,
    HOSTILE_SQL,
    ID,
    LINES,
    RUN,
    hostile_index,
    journal,
    journal_line,
    look_around,
    store_at,
)

from aidn_pipeline.core.artifact import Folder, Metrics
from aidn_pipeline.errors import CorruptObject, StorageUnwritable, StoreError
from aidn_pipeline.store.objects import parse_tree
from aidn_pipeline.store.places import SUPER_JOURNAL
from aidn_pipeline.store.store import Store

Plant = Callable[[Path, Path], None]
WATCHED: dict[str, list[str]] = {"opened": [], "ran": []}
RUNS = ("exec", "import", "subprocess.Popen", "os.exec", "os.system", "socket.connect")


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        WATCHED["opened"].append(os.fsdecode(arguments[0]) if _is_path(arguments[0]) else "")
    elif event in RUNS or event.startswith("pickle"):
        WATCHED["ran"].append(f"{event} {arguments[0]!s:.80}")


def _is_path(value: object) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


sys.addaudithook(_look)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What a stranger would like us to read, write or delete."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    (folder / "precious.txt").write_text("precious")
    (folder / "inner" / "journal.log").write_bytes(journal(ENTRIES))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with records, objects and unfinished work."""
    root = tmp_path / "store"
    with Store.open(root, durability="process") as store:
        store.objects.put_tree({"a.txt": b"a", "b/c.txt": b"b"})
        for line in LINES:
            store.records.append(line["kind"], line["key"], line["value"])
        store.work("f00d").begin("b3:f00d")
        _ = store.work("f00d").files_folder
    return root


def _replaced(name: str, make: Plant) -> Plant:
    def plant(root: Path, outside: Path) -> None:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.rename(place.with_name(place.name + ".away"))
        make(place, outside)

    return plant


def to_folder(place: Path, outside: Path) -> None:
    place.symlink_to(outside)


def to_file(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "precious.txt")


def hard(place: Path, outside: Path) -> None:
    place.hardlink_to(outside / "precious.txt")


def pipe(place: Path, outside: Path) -> None:
    os.mkfifo(place)


PLANTED = {
    **{
        f"{name} leads away": _replaced(name, to_folder)
        for name in (
            *("objects", "objects/ab", "journal", "tmp", "work", "work/f00d", "work/beef"),
            *("work/f00d/files", "work/f00d/checkpoints", "quarantine", "trash", "trash/work"),
        )
    },
    **{
        f"{name} is a link": _replaced(name, to_file)
        for name in ("format.json", "locks", "journal/000001.log", "work/f00d/journal.log")
    },
    **{
        f"{name} is a pipe": _replaced(name, pipe)
        for name in (
            *("format.json", "locks", "journal/000001.log", "work/f00d/journal.log", "objects"),
        )
    },
    **{
        f"{name} has another name": _replaced(name, hard)
        for name in ("journal/000001.log", "locks", "format.json")
    },
}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(p): (p.stat().st_nlink if p.is_file() else 0, p.read_bytes() if p.is_file() else b"")
        for p in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("planted", PLANTED)
def test_what_leads_away_is_refused_and_nothing_outside_is_touched(
    root: Path, outside: Path, planted: str
) -> None:
    PLANTED[planted](root, outside)
    before = snapshot(outside)
    WATCHED["opened"].clear()
    started = time.process_time()
    with pytest.raises(StoreError) as told:
        look_around(root)
    assert time.process_time() - started < 1.0
    assert told.value.where.startswith(str(root))
    assert told.value.remedy
    assert [p for p in WATCHED["opened"] if str(outside) in p] == []
    assert snapshot(outside) == before


@pytest.mark.parametrize("name", ["index.sqlite", "index.sqlite-journal", "index.sqlite-wal"])
@pytest.mark.parametrize("make", [to_file, hard, pipe])
def test_an_index_that_leads_away_is_made_anew(
    root: Path, outside: Path, name: str, make: Plant
) -> None:
    (root / name).unlink(missing_ok=True)
    make(root / name, outside)
    look_around(root)
    assert (outside / "precious.txt").read_text() == "precious"
    assert stat.S_ISREG((root / "index.sqlite").lstat().st_mode)


@pytest.mark.parametrize("sql", HOSTILE_SQL)
def test_an_index_with_code_in_it_is_made_anew(root: Path, tmp_path: Path, sql: str) -> None:
    (root / "index.sqlite").write_bytes(hostile_index(sql, tmp_path))
    started = time.process_time()
    with Store.open(root, durability="process") as store:
        assert store.records.get("run", "r1") == RUN.to_json()
    assert time.process_time() - started < 1.0
    db = sqlite3.connect(root / "index.sqlite")
    kinds = {kind for (kind,) in db.execute("SELECT type FROM sqlite_master")}
    db.close()
    assert kinds == {"table", "index"}


def test_a_journal_of_the_index_deletes_no_other_file(root: Path, outside: Path) -> None:
    victim = str(outside / "precious.txt").encode()
    total = sum(victim) & 0xFFFFFFFF
    tail = b"\0\0\0\x01" + victim + len(victim).to_bytes(4, "big") + total.to_bytes(4, "big")
    head = SUPER_JOURNAL + b"\0\0\0\0" + b"\0" * 496
    (root / "index.sqlite-journal").write_bytes(head + tail + SUPER_JOURNAL)
    look_around(root)
    assert (outside / "precious.txt").read_text() == "precious"


def test_links_in_the_temporary_folder_are_removed_and_not_followed(
    root: Path, outside: Path
) -> None:
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp" / "1-dead").symlink_to(outside)
    (root / "tmp" / os.fsdecode(b"2-\xff\xfe")).mkdir()
    (root / "tmp" / "3-dead").mkdir()
    (root / "tmp" / "3-dead" / "inner").symlink_to(outside / "inner")
    os.mkfifo(root / "tmp" / "4-pipe")
    before = snapshot(outside)
    look_around(root)
    assert list((root / "tmp").iterdir()) == []
    assert snapshot(outside) == before


@pytest.mark.parametrize("make", [to_file, pipe, to_folder])
def test_an_object_that_is_no_file_is_set_aside(root: Path, outside: Path, make: Plant) -> None:
    with Store.open(root, durability="process") as store:
        ref = store.objects.put(b"an object")
        path = store.objects.path(ref.digest)
    path.unlink()
    make(path, outside)
    before = snapshot(outside)
    WATCHED["opened"].clear()
    with Store.open(root, durability="process") as store:
        assert not store.objects.has(ref.digest, ref.size)
        with pytest.raises(CorruptObject, match="is no file"):
            store.objects.verified(ref.digest)
        assert store.objects.put(b"an object") == ref
        assert store.objects.read(ref.digest) == b"an object"
    assert [p for p in WATCHED["opened"] if str(outside) in p] == []
    assert snapshot(outside) == before


ROWS = {
    **{
        f"name {name!r:.30}": [[name, "f", 1, ID]]
        for name in NAMES
        if not name.startswith(("b3:", "con", "~", "%", "file"))
    },
    "a name twice": [["a", "f", 1, ID], ["a", "f", 2, ID]],
    "a file and a folder of one name": [["a", "f", 1, ID], ["a/b", "f", 1, ID]],
    "a negative size": [["a", "f", -1, ID]],
    "a size that is none": [["a", "f", True, ID]],
    "a huge size": [["a", "f", 10**400, ID]],
    "no id": [["a", "f", 1, "b3:../../x"]],
    "another kind": [["a", "l", 1, ID]],
    "too few parts": [["a"]],
    "no rows": 7,
}


@pytest.mark.parametrize("rows", ROWS)
def test_a_manifest_that_leads_out_or_says_too_much_is_refused(rows: str) -> None:
    with pytest.raises(StoreError):
        parse_tree(sound_text(["tree", 1, ROWS[rows]]), StoreError("no folder", where="x"))


@pytest.mark.parametrize("data", [deep(100_000), b"[" * (1 << 20), b"\xff\xfe", b"", b"9" * 10_000])
def test_a_manifest_that_is_none_is_refused_at_once(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(StoreError):
        parse_tree(data, StoreError("no folder", where="x"))
    assert time.process_time() - started < 1.0


def test_names_that_differ_in_case_are_two_files(root: Path) -> None:
    with Store.open(root, durability="process") as store:
        ref, _ = store.objects.put_tree({"a": b"1", "A": b"2"})
        assert set(store.objects.tree(ref.digest)) == {"a", "A"}


JOURNALS = {
    "deep": b"1 200000 0123456789abcdef " + deep(100_000) + b"\n",
    "a run without facts": journal_line(1, {"kind": "run", "key": "r", "value": {}}),
    "no object": journal_line(1, [1, 2]),
    "a key that is none": journal_line(1, {"kind": "run", "key": 1, "value": {}}),
    "infinite": journal_line(1, {"kind": "note", "key": "a", "value": {"x": float("inf")}}),
    "no line end": b"1 99999999999 0123456789abcdef " + b"x" * (1 << 20),
    "a huge number": b"9" * 5000 + b" 1 x {}\n",
    "lines that are none": b"\n" * (1 << 20),
    "a time that is no date": journal_line(
        1, {"kind": "run", "key": "r1", "value": {**RUN.to_json(), "started": 1e300}}
    ),
}


@pytest.mark.parametrize("name", JOURNALS)
def test_a_journal_that_says_nothing_known_is_refused_at_once(tmp_path: Path, name: str) -> None:
    started = time.process_time()
    with pytest.raises(CorruptObject) as told:
        look_around(store_at(tmp_path / "s", JOURNALS[name]))
    assert time.process_time() - started < 1.0
    assert "000001.log" in told.value.where


def test_a_journal_of_a_gigabyte_without_a_line_end_is_refused(tmp_path: Path) -> None:
    root = store_at(tmp_path / "s")
    os.truncate(root / "journal" / "000001.log", 1 << 30)
    started = time.process_time()
    with pytest.raises(CorruptObject):
        look_around(root)
    assert time.process_time() - started < 5.0


def test_a_line_that_could_not_be_read_again_is_not_written(root: Path) -> None:
    with (
        Store.open(root, durability="process") as store,
        pytest.raises(StoreError, match="too long"),
    ):
        store.records.append("note", "long", {"x": "y" * (17 * 2**20)})


@pytest.mark.parametrize("name", ["../../outside/precious.txt", "/etc/passwd", "a/../../x"])
def test_a_checkpoint_reads_nothing_outside_its_folder(
    root: Path, outside: Path, name: str
) -> None:
    entries = [*ENTRIES[:1], {**ENTRIES[1], "files": {name: [ID, 8]}}]
    (root / "work" / "f00d" / "journal.log").write_bytes(journal(entries))
    WATCHED["opened"].clear()
    with Store.open(root, durability="process") as store:
        work = store.work("f00d")
        with pytest.raises(StoreError):
            work.open(work.records()[0])
    assert [p for p in WATCHED["opened"] if "precious" in p or "passwd" in p] == []


def test_a_store_of_another_user_is_refused_unless_it_is_allowed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(root, 12345, -1)
    with pytest.raises(StorageUnwritable, match="belongs to user 12345") as told:
        Store.open(root)
    assert "AIDN_FOREIGN_STORE=1" in told.value.remedy
    monkeypatch.setenv("AIDN_FOREIGN_STORE", "1")
    Store.open(root).close()


def test_looking_around_runs_nothing(root: Path) -> None:
    look_around(root)  # what is imported late is imported now
    WATCHED["ran"].clear()
    look_around(root)
    assert WATCHED["ran"] == []


def modes(folder: Path) -> Iterator[tuple[str, int]]:
    for path in (folder, *sorted(folder.rglob("*"))):
        yield str(path.relative_to(folder)), stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_a_store_writes_is_for_its_owner_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        root = tmp_path / "store"
        with Store.open(root, durability="process") as store:
            store.objects.put_tree({"a": b"1", "b/c": b"2"})
            for line in LINES:
                store.records.append(line["kind"], line["key"], line["value"])
            work = store.work("f00d")
            work.begin("b3:f00d")
            work.save({"state": b"x"}, {"epoch": 1})
            _ = work.files_folder
            store.pins.add([ID])
            store.objects.set_aside(store.objects.put(b"odd").digest)
            found = dict(modes(root))
    finally:
        os.umask(before)
    objects = {n: m for n, m in found.items() if n.startswith("objects/") and n.count("/") == 2}
    assert {m & ~0o444 for m in objects.values()} == {0}
    rest = {n: m for n, m in found.items() if n not in objects and "quarantine/" not in n}
    assert {n: oct(m) for n, m in rest.items() if m & 0o077} == {}
    assert {m for n, m in rest.items() if n in ("index.sqlite", "locks", "journal/000001.log")} == {
        0o600
    }
    assert rest["."] == 0o700


def test_what_is_checked_out_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with Store.open(tmp_path / "store", durability="process") as store:
            ref, size = store.objects.put_tree({"a": b"1"})
            store.checkout(Folder(ref.digest, size, folder=True), tmp_path / "out")
    finally:
        os.umask(before)
    assert oct((tmp_path / "out" / "a").stat().st_mode & 0o777) == oct(0o640)


def test_json_of_strangers_is_typed(root: Path) -> None:
    with Store.open(root, durability="process") as store:
        for data in (b"[1]", deep(100_000), b"{", b"\xff", b"NaN"):
            digest = store.objects.put(data).digest
            with pytest.raises(CorruptObject):
                store.read_json(Metrics(digest, len(data)))
