"""Check: verify every byte the store vouches for, and say what depends on a damaged one."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aidn_pipeline.errors import AidnError, CorruptObject
from aidn_pipeline.store.dependents import Dependents, Uses
from aidn_pipeline.store.facts import Contents, Facts, ids_in, record_ids
from aidn_pipeline.store.index import DAMAGE, number_of
from aidn_pipeline.store.journal import Line, scan
from aidn_pipeline.store.store import Store

Kind = Literal["journal", "object", "stranger", "reference", "index", "work", "checkpoint"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        path: the file.
        problem: what is wrong with it.
        remedy: what remakes it.
        kind: what it is: the journal, an object, a file that is none of ours among the objects, a
            reference to an object that is missing, the index, unfinished work, a checkpoint of it.
        id: of the object.
        used_by: what depends on the object.
    """

    path: str
    problem: str
    remedy: str
    kind: Kind
    id: str = ""
    used_by: Dependents | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding in the object that `check --json` prints."""
        used_by = self.used_by or Dependents()
        return {
            "kind": self.kind,
            "path": self.path,
            "id": self.id or None,
            "problem": self.problem,
            "remedy": self.remedy,
            "command": used_by.command or None,
            "used_by": used_by.to_json(),
        }


def check(store: Store) -> list[Finding]:
    """Verifies the journal, every object, every reference, the index and unfinished work.

    Others may be at work in the store; only a `gc` has to wait.
    """
    with store.locks.hold("gc"):
        return look(store)


def look(store: Store) -> list[Finding]:
    """The same for who holds the lock `gc`."""
    findings = list(_journal(store.records.path))
    if findings:
        # Without a sound journal nothing says what the rest should be.
        return findings + list(_objects(store, None))
    # The index before the journal, and the journal before the objects: what a run adds meanwhile
    # goes the other way round.
    findings += _index(store)
    facts, contents = Facts(store), Contents(store)
    uses = Uses(facts, contents)
    findings += _objects(store, uses)
    findings += _references(store, facts, contents, uses)
    findings += _works(store)
    return findings


def _journal(path: Path) -> Iterator[Finding]:
    try:
        for _ in scan(path):
            pass
    except CorruptObject as error:
        yield Finding(error.where, error.problem, error.remedy, "journal")


def _objects(store: Store, uses: Uses | None) -> Iterator[Finding]:
    for path in store.objects.strangers():
        yield Finding(
            str(path),
            "a file among the objects that is none of the store's",
            "`aidn-run check --repair` sets it aside",
            "stranger",
        )
    for digest in list(store.objects.ids()):
        path = store.objects.path(digest)
        try:
            problem = store.objects.damage(digest)
        except AidnError as error:
            yield Finding(str(path), error.problem, error.remedy, "object", digest)
            continue
        if problem and path.exists():
            used_by = uses.of(digest) if uses else None
            users = used_by or "what the damaged journal says"
            then = (
                f", then `{used_by.command}` makes it again" if used_by and used_by.command else ""
            )
            yield Finding(
                str(path),
                f"object {digest[:15]}... {problem}; used by {users}",
                f"`aidn-run check --repair` sets it aside{then}",
                "object",
                digest,
                used_by,
            )


def _references(store: Store, facts: Facts, contents: Contents, uses: Uses) -> Iterator[Finding]:
    missing: dict[str, None] = {}
    for fingerprint, record in facts.stages.items():
        if fingerprint in facts.collected:
            continue
        for _, digest, folder in record_ids(record):
            parts = (digest, *((contents.files(digest) or ()) if folder else ()))
            missing.update(dict.fromkeys(part for part in parts if not _is_there(store, part)))
    for value in facts.names.values():
        # A version names its checkpoint as an artifact; what is no folder is in the records.
        named = (digest for digest, folder in ids_in(value) if folder)
        missing.update(dict.fromkeys(part for part in named if not _is_there(store, part)))
    for digest in missing:
        used_by = uses.of(digest)
        again = (
            f"`{used_by.command}` makes it again" if used_by.command else "restore it from a copy"
        )
        yield Finding(
            _place(store, digest),
            f"object {digest[:15]}... is missing; used by {used_by}",
            again,
            "reference",
            digest,
            used_by,
        )


def _place(store: Store, digest: str) -> str:
    try:
        return str(store.objects.path(digest))
    except AidnError:
        return str(store.root / "objects")


def _is_there(store: Store, digest: str) -> bool:
    try:
        return store.objects.path(digest).exists()
    except AidnError:
        return False


def _index(store: Store) -> Iterator[Finding]:
    path = store.root / "index.sqlite"
    try:
        rows, covered, sound = _rows(path)
    except DAMAGE:
        rows, covered, sound = {}, 0, False
    problems = [] if sound else ["cannot be read"]
    lines: dict[int, dict[int, Line]] = {}
    for line in scan(store.records.path):
        key = number_of(line.payload["kind"], line.payload["key"])
        lines.setdefault(key, {})[line.offset] = line
    unknown = [
        key
        for key, (offset, size) in rows.items()
        if offset not in lines.get(key, {}) or lines[key][offset].size != size
    ]
    # What was added behind the covered part is taken in by the next opening.
    stale = [
        key
        for key, at in lines.items()
        if (newest := max((o for o in at if o < covered), default=-1)) >= 0
        and rows.get(key, (-1, 0))[0] < newest
    ]
    if sound and unknown:
        problems.append(f"has {len(unknown)} rows without a line in the journal")
    if sound and stale:
        problems.append(f"lacks the newest line of {len(stale)} keys")
    if problems:
        yield Finding(
            str(path),
            "the index " + " and ".join(problems),
            "`aidn-run check --rebuild` makes it anew from the journal",
            "index",
        )


def _rows(path: Path) -> tuple[dict[int, tuple[int, int]], int, bool]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("BEGIN")
        places = "SELECT id, offset, size FROM stage UNION ALL SELECT id, offset, size FROM fact"
        rows = {int(n): (int(o), int(s)) for n, o, s in db.execute(places)}
        covered = db.execute("SELECT offset FROM covered").fetchone()
        sound = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return rows, int(covered[0]) if covered else 0, sound
    finally:
        db.close()


def _works(store: Store) -> Iterator[Finding]:
    folder = store.root / "work"
    for work_folder in sorted(folder.iterdir()) if folder.is_dir() else ():
        lock = store.locks.acquire(f"work/{work_folder.name}", wait=False)
        if lock is None:
            continue  # its live owner verifies what it reads
        try:
            yield from _work(store, work_folder)
        finally:
            store.locks.release(lock)


def _work(store: Store, folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        return  # committed in the meantime
    try:
        work = store.work(folder.name)
    except CorruptObject as error:
        remedy = "`aidn-run check --repair` sets it aside; the work starts again from its beginning"
        yield Finding(error.where, error.problem, remedy, "work")
        return
    for record in work.records():
        if damaged := work.damage(record):
            problem = f"checkpoint {record.number} is damaged"
            remedy = "nothing: the same command continues from the checkpoint before it"
            yield Finding(str(damaged), problem, remedy, "checkpoint")
