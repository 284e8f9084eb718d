"""Records: the facts of the store's journal, found through the index, checked against the truth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.index import JournalIndex
from aidn_pipeline.store.journal import JournalFile, Line, scan
from aidn_pipeline.store.locks import Locks


class Records:
    """All facts of one store, by kind and key; see "Lines of the store's journal" in the format."""

    def __init__(self, root: Path, disk: Disk, locks: Locks) -> None:
        self._journal = JournalFile(root / "journal" / "000001.log", disk)
        self._locks = locks
        self._index = JournalIndex(root / "index.sqlite", disk)
        self._text = b""
        self._catch_up()

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    def _catch_up(self) -> None:
        offset, sequence = self._index.covered()
        known = (self._journal.end, self._journal.sequence)
        covered = (offset, sequence)
        if covered != known:
            if self._ends_a_line(offset, sequence):
                self._journal.seek(offset, sequence)
            else:
                self.rebuild()
                return
        self._index.take(list(self._journal.new_lines()))

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
        self._journal.seek(0, 0)
        self._index.take(list(self._journal.new_lines()))

    def append(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Adds a fact; durable when it returns."""
        with self._locks.hold("journal"):
            self._catch_up()
            self._journal.cut_torn_tail()
            line = self._journal.append({"kind": kind, "key": key, "value": value})
        self._index.take([line])

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The newest fact of (kind, key), or None.

        Raises:
            CorruptObject: if its line is damaged.
        """
        self._catch_up()
        place = self._index.place(kind, key)
        line = self._read(place) if place else None
        if line and (line.payload["kind"], line.payload["key"]) == (kind, key):
            return dict(line.payload["value"])
        if not place and not self._journal_mentions(kind, key):
            return None
        self.rebuild()
        place = self._index.place(kind, key)
        return dict(self._journal.read(*place).payload["value"]) if place else None

    def _read(self, place: tuple[int, int]) -> Line | None:
        offset, size = place
        inside = offset >= 0 and 0 < size <= self._journal.end - offset
        return self._journal.read(offset, size) if inside else None

    def _journal_mentions(self, kind: str, key: str) -> bool:
        if not self._journal.path.exists():
            return False
        if len(self._text) != self._journal.end:
            self._text = self._journal.path.read_bytes()[: self._journal.end]
        # Canonical JSON puts these two members side by side.
        return f'"key":"{key}","kind":"{kind}"'.encode() in self._text

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
        for place in self._index.places_by(column, value):
            line = self._read(place)
            if line and line.payload["kind"] == "stage":
                yield StageRecord.from_json(line.payload["value"])

    def iterate(self, kind: str) -> Iterator[dict[str, Any]]:
        """The newest fact of each key of a kind, oldest first, straight from the journal.

        Raises:
            CorruptObject: at a damaged line.
        """
        newest: dict[str, dict[str, Any]] = {}
        for line in scan(self._journal.path):
            if line.payload["kind"] == kind:
                newest.pop(line.payload["key"], None)
                newest[line.payload["key"]] = line.payload["value"]
        yield from newest.values()

    def close(self) -> None:
        """Closes the index."""
        self._index.close()
