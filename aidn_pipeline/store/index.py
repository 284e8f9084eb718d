"""The index: a SQLite cache of where the journal says what. Never believed, only asked."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.journal import Line

TABLES = """
CREATE TABLE IF NOT EXISTS line (
    kind TEXT, key TEXT, family TEXT, base TEXT, sequence INTEGER, offset INTEGER, size INTEGER,
    PRIMARY KEY (kind, key));
CREATE INDEX IF NOT EXISTS family ON line (family);
CREATE INDEX IF NOT EXISTS base ON line (base);
CREATE TABLE IF NOT EXISTS covered (one INTEGER PRIMARY KEY, offset INTEGER, sequence INTEGER);
"""

SCHEMA = [part.strip().replace(" IF NOT EXISTS", "") for part in TABLES.split(";") if part.strip()]
"""The same as SQLite keeps it."""

DAMAGE = (sqlite3.Error, sqlite3.Warning, ValueError, TypeError, OverflowError, MemoryError)
"""What SQLite raises over a damaged file; names that are no UTF-8 come as a ValueError."""


class JournalIndex:
    """Newest line of each (kind, key), with its place in the journal.

    Where the file cannot be used, the same tables are kept in memory.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
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
            # No flushes: whatever a power cut leaves is checked against the journal and remade.
            db.executescript("PRAGMA trusted_schema=OFF; PRAGMA synchronous=OFF")
            schema = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
            found = [sql for (sql,) in db.execute(schema)]
            if found != SCHEMA[: len(found)]:
                # Views and triggers are code: in tables of another make nothing is looked up.
                raise sqlite3.DatabaseError("the index was made by something else")
            db.executescript(TABLES)
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

    def take(self, lines: Iterable[Line]) -> None:
        """Takes new lines in, in one transaction; lines behind a gap are left for later.

        What is covered has no holes, whatever other processes do to the file meanwhile.
        """
        rows = [
            (
                line.payload["kind"],
                line.payload["key"],
                line.payload["value"].get("family"),
                line.payload["value"].get("base"),
                line.sequence,
                line.offset,
                line.size,
            )
            for line in lines
        ]
        if not rows:
            return
        try:
            self._disk.before("index", self._path)
            self._db.execute("BEGIN IMMEDIATE")
            covered = self._db.execute("SELECT offset FROM covered").fetchone()
            start = int(covered[0]) if covered else 0
            fresh = [row for row in rows if row[5] >= start]
            if fresh and fresh[0][5] == start:
                last = fresh[-1]
                self._db.executemany("INSERT OR REPLACE INTO line VALUES (?,?,?,?,?,?,?)", fresh)
                self._db.execute(
                    "INSERT OR REPLACE INTO covered VALUES (1, ?, ?)", (last[5] + last[6], last[4])
                )
            self._db.execute("COMMIT")
        except (*DAMAGE, OSError):
            # A cache that cannot be written must not stop work: the journal has the line.
            self.clear()

    def clear(self) -> None:
        """Starts from nothing; the caller takes the whole journal in again.

        The file is kept where it can be: to others that have it open, deleting it is damage.
        """
        self._db.close()
        try:
            self._db = self._connect(str(self._path))
            self._disk.before("index", self._path)
            self._db.executescript("BEGIN IMMEDIATE; DELETE FROM line; DELETE FROM covered; COMMIT")
            if self._db.execute("PRAGMA quick_check").fetchone()[0] == "ok":
                return
            self._db.close()
        except (*DAMAGE, OSError):
            # It cannot be emptied: whatever is there is replaced below.
            self._db.close()
        self._db = self._anew()

    def place(self, kind: str, key: str) -> tuple[int, int] | None:
        """Offset and size of the newest line of (kind, key)."""
        rows = self._rows("SELECT offset, size FROM line WHERE kind=? AND key=?", kind, key)
        return rows[0] if rows else None

    def places(self, kind: str) -> list[tuple[int, int]]:
        """Places of all lines of a kind, oldest first."""
        return self._rows("SELECT offset, size FROM line WHERE kind=? ORDER BY sequence", kind)

    def places_by(self, column: str, value: str) -> list[tuple[int, int]]:
        """Places of the stage records with this `family` or `base`, newest first."""
        by = {
            "family": "SELECT offset, size FROM line WHERE family=? ORDER BY sequence DESC",
            "base": "SELECT offset, size FROM line WHERE base=? ORDER BY sequence DESC",
        }
        return self._rows(by[column], value)

    def _rows(self, query: str, *values: str) -> list[tuple[int, int]]:
        try:
            return [(int(a), int(b)) for a, b in self._db.execute(query, values)]
        except DAMAGE:
            return []

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
