"""The index: a SQLite cache of where the journal says what. Never believed, only asked."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from aidn_pipeline.errors import AidnError
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.journal import Entry, Line, damaged, name_of, parsed

VERSION = 3
"""Of the tables; those of another one are made anew."""
TABLES = """
CREATE TABLE IF NOT EXISTS stage (
    id INTEGER PRIMARY KEY, family INTEGER, base INTEGER, offset INTEGER, size INTEGER);
CREATE TABLE IF NOT EXISTS fact (
    id INTEGER PRIMARY KEY, run TEXT, recipe INTEGER, offset INTEGER, size INTEGER);
CREATE TABLE IF NOT EXISTS covered (one INTEGER PRIMARY KEY, offset INTEGER, sequence INTEGER);
"""
SEARCHES = """
CREATE INDEX IF NOT EXISTS family ON stage (family);
CREATE INDEX IF NOT EXISTS base ON stage (base);
CREATE INDEX IF NOT EXISTS run ON fact (offset) WHERE run IS NOT NULL;
CREATE INDEX IF NOT EXISTS recipe ON fact (recipe, offset) WHERE run IS NOT NULL;
"""
DROPPED = "".join(f"DROP INDEX IF EXISTS {name};" for name in ("family", "base", "run", "recipe"))
EMPTIED = "DELETE FROM stage; DELETE FROM fact; DELETE FROM covered;"
BATCH = 131_072
"""Lines that are taken in together; the table is filled fastest in its order."""
MANY = 10_000
"""Lines from which on the searches are faster made anew."""
KEY, BASE = b'{"key":"b3:', b'","kind":"stage","value":{"base":"b3:'
FAMILY, FINGERPRINT = b',"family":"b3:', b'","fingerprint":"b3:'
"""What stands before the ids in the payload with a stage's record, as it is written by us."""
HEX = 64
"""Digits of an id."""
KEY_AT, BASE_AT = len(KEY), len(KEY) + HEX + len(BASE)
KEY_END, BASE_END = KEY_AT + HEX, BASE_AT + HEX
FAMILY_BEFORE, FINGERPRINT_BEFORE = len(FAMILY) + HEX, len(FINGERPRINT)
"""Where ids begin and end in it, and how much stands before others."""

SCHEMA = {
    part.strip().replace(" IF NOT EXISTS", "")
    for part in f"{TABLES}{SEARCHES}".split(";")
    if part.strip()
}
"""The same as SQLite keeps it."""

DAMAGE = (sqlite3.Error, sqlite3.Warning, ValueError, TypeError, OverflowError, MemoryError)
"""What SQLite raises over a damaged file; names that are no UTF-8 come as a ValueError."""


class Row(NamedTuple):
    """What the index keeps of a line; of one that is neither a stage's nor a run's, its place.

    Attributes:
        id: number of its kind and key.
        of: number of a stage's family, or the id of a run.
        by: number of a stage's base, or of a run's recipe.
        offset: its place.
        size: in bytes.
        sequence: number of the line.
        stage: whether it is a stage's.
    """

    id: int
    of: int | str | None
    by: int | None
    offset: int
    size: int
    sequence: int
    stage: bool


COLUMNS = 5
"""Of a row that its table keeps."""


def number_of(kind: str, key: str) -> int:
    """A number for the kind and key of a fact; what it leads to is compared before it is used."""
    if kind == "stage" and key.startswith("b3:"):
        try:
            return int(key[3:18], 16)
        except ValueError:
            pass
    return int(blake3(name_of(kind, key)).hexdigest(8)[:15], 16)


def row_of(line: Line) -> Row:
    """The row of a line."""
    return _row(line.payload, line.sequence, line.offset, line.size)


def rows_of(path: Path, entries: Iterable[Entry]) -> Iterator[Row]:
    """The rows of lines whose payloads were not read; most need not be.

    Raises:
        CorruptObject: for a payload that is no fact.
    """
    for entry in entries:
        yield _quick(entry) or _slow(path, entry)


def _quick(entry: Entry) -> Row | None:
    sequence, offset, size, body, _ = entry
    if not (body.startswith(KEY) and body.startswith(BASE, KEY_END)):
        return None
    key, base = body[KEY_AT:KEY_END], body[BASE_AT:BASE_END]
    # A record's fingerprint is its key, and its family stands before it.
    at = body.find(key, BASE_END)
    end = at - FINGERPRINT_BEFORE
    start = end - FAMILY_BEFORE
    if start < BASE_END or not body.startswith(FAMILY, start) or body[end:at] != FINGERPRINT:
        return None
    family = body[end - HEX : end]
    if not (key + base + family).isalnum():
        return None
    try:
        numbers = int(key[:15], 16), int(family[:15], 16), int(base[:15], 16)
    except ValueError:
        return None
    return Row(*numbers, offset, size, sequence, True)


def _slow(path: Path, entry: Entry) -> Row:
    try:
        payload = parsed(path, entry).payload
        return _row(payload, entry.sequence, entry.offset, entry.size)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise damaged(path, entry.offset) from None


def _row(payload: dict[str, Any], sequence: int, offset: int, size: int) -> Row:
    kind, key, value = payload["kind"], payload["key"], payload["value"]
    of, by = None, None
    if kind == "run":
        of, by = key, number_of("recipe", value.get("recipe", ""))
    elif kind == "stage":
        of = number_of("stage", value.get("family", ""))
        by = number_of("stage", value.get("base", ""))
    return Row(number_of(kind, key), of, by, offset, size, sequence, kind == "stage")


def _is_of_the_disk(error: BaseException) -> bool:
    """Whether it says that nothing can be written, and not that the file is damaged."""
    return isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
    )


@cache
def boot() -> int:
    """A number for the time since the machine started; the same one where nothing tells."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        name = b""
    return int(blake3(name).hexdigest(4), 16) >> 1


def _is_of_this_boot(db: sqlite3.Connection) -> bool:
    # Of a file that was never flushed a power cut leaves some pages old and some new: rows may be
    # missing of what it says it covers.
    return bool(db.execute("PRAGMA application_id").fetchone()[0] == boot())


def _empty(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if not _is_of_this_boot(db):  # another process may have been faster
        for statement in EMPTIED.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id={boot()}")
    db.execute("COMMIT")


class JournalIndex:
    """Newest line of each (kind, key), with its place in the journal.

    Where the file cannot be used, the same tables are kept in memory.

    Attributes:
        given_up: whether the file could not be written; from then on it is left alone.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self.given_up = False
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect(str(self._path))
        except (*DAMAGE, OSError):
            return self._anew()

    def _anew(self) -> sqlite3.Connection:
        try:
            # What a killed process was about to take back belongs to the old file.
            self._disk.remove(self._path.with_name(self._path.name + "-journal"))
            self._disk.remove(self._path)
            return self._connect(str(self._path))
        except (*DAMAGE, OSError):
            return self._connect(":memory:")

    def _connect(self, where: str) -> sqlite3.Connection:
        if where != ":memory:":
            # SQLite would make it readable by all whom the umask lets in.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(where, flags, 0o600))
        db = sqlite3.connect(where, isolation_level=None, timeout=10)
        try:
            db.execute("PRAGMA trusted_schema=OFF")
            # No flushes: what was written before the machine last started is not believed.
            db.execute("PRAGMA synchronous=OFF")
            schema = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
            if not {sql for (sql,) in db.execute(schema)} <= SCHEMA:
                # Views and triggers are code: in tables of another make nothing is looked up.
                raise sqlite3.DatabaseError("the index was made by something else")
            if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                db.executescript(
                    f"BEGIN IMMEDIATE; {TABLES}{SEARCHES} PRAGMA user_version={VERSION};"
                    f"PRAGMA application_id={boot()}; COMMIT"
                )
            elif not _is_of_this_boot(db):
                _empty(db)
        except DAMAGE:
            db.close()
            raise
        return db

    def covered(self) -> tuple[int, int]:
        """Offset and sequence number up to which the journal has been taken in."""
        try:
            row = self._db.execute("SELECT offset, sequence FROM covered").fetchone()
            return (int(row[0]), int(row[1])) if row else (0, 0)
        except DAMAGE:
            self.clear()
            return 0, 0

    def take(self, found: Iterable[Row]) -> bool:
        """Takes new lines in, in one transaction; whether it did: lines behind a gap stay out.

        What is covered has no holes, whatever other processes do to the file meanwhile.

        Raises:
            CorruptObject: if it is found while the lines are read; nothing is taken in then.
        """
        rows = iter(found)
        batch = list(islice(rows, BATCH))
        if not batch:
            return True
        try:
            self._disk.before("index", self._path)
            self._db.execute("BEGIN IMMEDIATE")
            covered = self._db.execute("SELECT offset FROM covered").fetchone()
            taken = self._take(batch, rows, int(covered[0]) if covered else 0)
            self._db.execute("COMMIT")
        except (*DAMAGE, OSError) as error:
            # A cache that cannot be written must not stop work: the journal has the line.
            self.given_up = self.given_up or _is_of_the_disk(error)
            self.clear()
            return False
        except AidnError:
            self._db.execute("ROLLBACK")
            raise
        return taken

    def _take(self, batch: list[Row], rest: Iterator[Row], start: int) -> bool:
        anew = len(batch) >= MANY
        for statement in DROPPED.split(";") if anew else ():
            self._db.execute(statement)
        end, sequence = start, -1
        while batch:
            fresh = [row for row in batch if row.offset >= end]
            if fresh and fresh[0].offset != end:
                break
            if fresh:
                end, sequence = fresh[-1].offset + fresh[-1].size, fresh[-1].sequence
                # In the order of the table, which is faster; the newest line of a key stands.
                ordered = sorted(fresh, key=itemgetter(0)) if anew else fresh
                stages = [row[:COLUMNS] for row in ordered if row.stage]
                others = [row[:COLUMNS] for row in ordered if not row.stage]
                for table, rows in (("stage", stages), ("fact", others)):
                    insert = f"INSERT OR REPLACE INTO {table} VALUES (?,?,?,?,?)"  # noqa: S608
                    self._db.executemany(insert, rows)
            batch = list(islice(rest, BATCH))
        if end > start:
            self._db.execute("INSERT OR REPLACE INTO covered VALUES (1, ?, ?)", (end, sequence))
        for statement in SEARCHES.split(";") if anew else ():
            self._db.execute(statement)
        return not batch

    def clear(self) -> None:
        """Starts from nothing; the caller takes the whole journal in again.

        The file is kept where it can be: to others that have it open, deleting it is damage.
        """
        self._db.close()
        if self.given_up:
            self._db = self._connect(":memory:")
            return
        try:
            self._db = self._connect(str(self._path))
            self._disk.before("index", self._path)
            self._db.executescript(f"BEGIN IMMEDIATE; {EMPTIED} COMMIT")
            if self._db.execute("PRAGMA quick_check").fetchone()[0] == "ok":
                return
            self._db.close()
        except (*DAMAGE, OSError):
            # It cannot be emptied: whatever is there is replaced below.
            self._db.close()
        self._db = self._anew()

    def place(self, kind: str, key: str) -> tuple[int, int] | None:
        """Offset and size of the newest line of (kind, key)."""
        queries = {
            True: "SELECT offset, size FROM stage WHERE id=?",
            False: "SELECT offset, size FROM fact WHERE id=?",
        }
        rows = self._rows(queries[kind == "stage"], number_of(kind, key))
        return rows[0] if rows else None

    def places_by(self, column: str, value: str) -> list[tuple[int, int]]:
        """Places of the stage records with this `family` or `base`, newest first."""
        by = {
            "family": "SELECT offset, size FROM stage WHERE family=? ORDER BY offset DESC",
            "base": "SELECT offset, size FROM stage WHERE base=? ORDER BY offset DESC",
        }
        return self._rows(by[column], number_of("stage", value))

    def runs(self, limit: int) -> list[tuple[int, int]]:
        """Places of the newest runs, newest first."""
        query = "SELECT offset, size FROM fact WHERE run IS NOT NULL ORDER BY offset DESC LIMIT ?"
        return self._rows(query, limit)

    def runs_of(self, recipe: str, limit: int) -> list[tuple[int, int]]:
        """Places of a recipe's newest runs, newest first."""
        query = (
            "SELECT offset, size FROM fact WHERE run IS NOT NULL AND recipe=? "
            "ORDER BY offset DESC LIMIT ?"
        )
        return self._rows(query, number_of("recipe", recipe), limit)

    def runs_like(self, beginning: str, limit: int) -> list[tuple[int, int]]:
        """Places of the newest runs whose ids begin like this, newest first."""
        query = (
            "SELECT offset, size FROM fact WHERE run IS NOT NULL AND substr(run, 1, ?)=? "
            "ORDER BY offset DESC LIMIT ?"
        )
        return self._rows(query, len(beginning), beginning, limit)

    def count_runs(self) -> int:
        """How many runs there are."""
        try:
            found = self._db.execute("SELECT count(*) FROM fact WHERE run IS NOT NULL").fetchone()
            return int(found[0])
        except DAMAGE:
            return 0

    def _rows(self, query: str, *values: str | int) -> list[tuple[int, int]]:
        try:
            return [(int(a), int(b)) for a, b in self._db.execute(query, values)]
        except DAMAGE:
            return []

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
