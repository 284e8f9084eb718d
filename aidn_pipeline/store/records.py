"""Records: the facts of the store's journal, found through the index, checked against the truth."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.index import JournalIndex, Row, row_of, rows_of
from aidn_pipeline.store.journal import (
    JournalFile,
    Line,
    entries,
    line_of,
    name_of,
    names_in,
    parsed,
)
from aidn_pipeline.store.locks import Locks

MOST_UNINDEXED = 32
"""Lines of this process that the index takes in together at most."""


class Records:
    """All facts of one store, by kind and key; see "Lines of the store's journal" in the format.

    Attributes:
        before: called before lines are written; makes durable what they speak of.
        lost: called when what waited could not be written.
    """

    def __init__(self, root: Path, disk: Disk, locks: Locks) -> None:
        self.before: Callable[[], None] = lambda: None
        self.lost: Callable[[], None] = lambda: None
        self._journal = JournalFile(root / "journal" / "000001.log", disk)
        self._locks = locks
        self._index = JournalIndex(root / "index.sqlite", disk)
        self._names: set[bytes] = set()
        self._named_to = 0
        self._waiting: dict[tuple[str, str], dict[str, Any]] = {}
        self._unindexed: dict[tuple[str, str], dict[str, Any]] = {}
        self._rows: list[Row] = []
        self._behind = False
        self._catch_up(always=True)

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    def _catch_up(self, *, always: bool = False) -> None:
        if not (always or self._behind or self._journal.has_grown()):
            return
        self._index_own()
        offset, sequence = self._index.covered()
        known = (self._journal.end, self._journal.sequence)
        covered = (offset, sequence)
        if covered != known or self._journal.was_cut():
            if self._ends_a_line(offset, sequence):
                self._journal.seek(offset, sequence)
            else:
                self.rebuild()
                return
        self._take(rows_of(self.path, self._journal.new_entries()))
        if self._behind and self._index.given_up:
            self.rebuild()  # in memory, with what the file had

    def _take(self, found: Iterable[Row]) -> None:
        rows = iter(found)
        self._behind = not self._index.take(rows)
        for _ in rows:
            # Whatever the index took, the journal's end must be known before it is written to.
            pass

    def _index_own(self) -> None:
        """Takes into the index what this process wrote; after a kill, the next opening does."""
        rows, self._rows, self._unindexed = self._rows, [], {}
        if rows:
            self._take(rows)

    def _ends_a_line(self, offset: int, sequence: int) -> bool:
        # The index may be newer than a journal that was restored from a copy, or damaged.
        if offset == 0:
            return sequence == 0
        path = self._journal.path
        if not path.exists() or path.stat().st_size < offset:
            return False
        with path.open("rb") as file:
            file.seek(max(0, offset - 1))
            return file.read(1) == b"\n"

    def rebuild(self) -> None:
        """Makes the index anew from the journal; interrupted at any point, the next opening does.

        Raises:
            CorruptObject: if the journal is damaged.
        """
        self._index.clear()
        self._rows, self._unindexed = [], {}
        for _ in range(2):  # once more in memory, if the file has to be given up
            self._journal.seek(0, 0)
            self._take(rows_of(self.path, self._journal.new_entries()))
            if not self._behind:
                return

    def append(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Adds a fact; durable when it returns, with all that waited."""
        self.add(kind, key, value)
        self.flush()

    def add(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Adds a fact that this process knows at once and others after the next `flush`."""
        self._waiting.pop((kind, key), None)
        self._waiting[kind, key] = value

    @property
    def waiting(self) -> int:
        """How many facts are not durable yet."""
        return len(self._waiting)

    def flush(self) -> None:
        """Writes what waits: one line for each fact, one flush for all.

        Raises:
            StorageFull: if there is no space; nothing waits any more, and nothing was written.
            StorageUnwritable: if it cannot be written.
        """
        if not self._waiting:
            return
        facts, self._waiting = self._waiting, {}
        try:
            self.before()
            with self._locks.hold("journal"):
                self._catch_up()
                self._journal.cut_torn_tail()
                lines = self._journal.extend(
                    {"kind": kind, "key": key, "value": value}
                    for (kind, key), value in facts.items()
                )
        except BaseException:
            self.lost()
            raise
        self._rows.extend(map(row_of, lines))
        self._unindexed |= facts
        if len(self._rows) >= MOST_UNINDEXED:
            self._index_own()
        if lines and self._named_to == lines[0].offset:
            self._names.update(name_of(*fact) for fact in facts)
            self._named_to = self._journal.end

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The newest fact of (kind, key), or None.

        Raises:
            CorruptObject: if its line is damaged.
        """
        if (kind, key) in self._waiting:
            return dict(self._waiting[kind, key])
        self._catch_up()
        if (kind, key) in self._unindexed:
            return dict(self._unindexed[kind, key])
        place = self._index.place(kind, key)
        line = None
        if place:
            with suppress(CorruptObject):  # perhaps it is only the index that is wrong
                line = self._read(place)
        if line and (line.payload["kind"], line.payload["key"]) == (kind, key):
            return dict(line.payload["value"])
        if not place and not self._journal_names(kind, key):
            return None
        self.rebuild()
        newest = (n for n in entries(self.path) if n.body.startswith(name_of(kind, key)))
        lines = [parsed(self.path, entry).payload["value"] for entry in newest]
        return dict(lines[-1]) if lines else None

    def _read(self, place: tuple[int, int]) -> Line | None:
        """The line at a place that the index gave; None if none can be there.

        Raises:
            CorruptObject: if the line is damaged, or the place is wrong.
        """
        offset, size = place
        inside = offset >= 0 and 0 < size <= self._journal.end - offset
        return self._journal.read(offset, size) if inside else None

    def _lines(self, places: Callable[[], Iterable[tuple[int, int]]]) -> list[Line]:
        try:
            return [line for line in map(self._read, places()) if line]
        except CorruptObject:
            # Perhaps it is only the index that is wrong.
            self.rebuild()
            return [line for line in map(self._read, places()) if line]

    def _journal_names(self, kind: str, key: str) -> bool:
        # An index that lost a row must not make anything run again.
        if self._named_to > self._journal.end:
            self._names, self._named_to = set(), 0
        if self._named_to < self._journal.end:
            self._names.update(names_in(self.path, self._named_to, self._journal.end))
            self._named_to = self._journal.end
        return name_of(kind, key) in self._names

    def stage(self, fingerprint: str) -> StageRecord | None:
        """The record of a piece of work, or None if it was never committed."""
        value = self.get("stage", fingerprint)
        return StageRecord.from_json(value) if value else None

    def stages_of_family(self, family: str) -> list[StageRecord]:
        """Committed work that differs from each other only in extendable fields, newest first."""
        return [r for r in self._stages_by("family", family) if r.family == family]

    def stages_of_base(self, base: str) -> list[StageRecord]:
        """Committed work of the same configuration, whatever its inputs were, newest first."""
        return [r for r in self._stages_by("base", base) if r.base == base]

    def _stages_by(self, column: str, value: str) -> Iterator[StageRecord]:
        self._catch_up()
        own = chain(reversed(self._waiting.items()), reversed(self._unindexed.items()))
        found = [fact for (kind, _), fact in own if kind == "stage" and fact[column] == value]
        yield from map(StageRecord.from_json, found)
        for line in self._lines(lambda: self._index.places_by(column, value)):
            if line.payload["kind"] == "stage":
                yield StageRecord.from_json(line.payload["value"])

    def runs(self, limit: int, *, recipe: str = "", beginning: str = "") -> list[dict[str, Any]]:
        """The newest runs, the newest first.

        Args:
            limit: at most so many.
            recipe: only its runs.
            beginning: only runs whose ids begin like this.
        """
        self._catch_up()
        self._index_own()
        if recipe:
            places = partial(self._index.runs_of, recipe, limit)
        elif beginning:
            places = partial(self._index.runs_like, beginning, limit)
        else:
            places = partial(self._index.runs, limit)
        found = [line.payload["value"] for line in self._lines(places)]
        return [dict(run) for run in found if not recipe or run["recipe"] == recipe]

    def count_runs(self) -> int:
        """How many runs there are."""
        self._catch_up()
        self._index_own()
        return self._index.count_runs()

    def iterate(self, kind: str) -> Iterator[dict[str, Any]]:
        """The newest fact of each key of a kind, oldest first, straight from the journal.

        Raises:
            CorruptObject: at a damaged line.
        """
        newest: dict[str, dict[str, Any]] = {}
        written = (
            (line.payload["key"], line.payload["value"])
            for entry in entries(self.path)
            if (line := line_of(self.path, entry, kind)) is not None
        )
        waiting = ((key, value) for (k, key), value in self._waiting.items() if k == kind)
        for key, value in chain(written, waiting):
            newest.pop(key, None)
            newest[key] = value
        yield from newest.values()

    def close(self) -> None:
        """Closes the index, with all that this process wrote."""
        self._index_own()
        self._index.close()
