"""Check: verify every byte the store vouches for, and say what depends on a damaged one."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.errors import AidnError, CorruptObject
from aidn_pipeline.store.index import DAMAGE
from aidn_pipeline.store.journal import scan
from aidn_pipeline.store.store import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        path: the file.
        problem: what is wrong with it.
        remedy: what remakes it.
    """

    path: str
    problem: str
    remedy: str


def check(store: Store) -> list[Finding]:
    """Verifies the journal, every object, every reference, the index and unfinished work."""
    findings = list(_journal(store.records.path))
    if findings:
        # Without a sound journal nothing says what the rest should be.
        return findings + list(_objects(store, {}))
    users = _users(store)
    findings += _objects(store, users)
    findings += _references(store)
    findings += _index(store)
    findings += _works(store)
    return findings


def _journal(path: Path) -> Iterator[Finding]:
    try:
        for _ in scan(path):
            pass
    except CorruptObject as error:
        yield Finding(error.where, error.problem, error.remedy)


def _users(store: Store) -> dict[str, str]:
    users: dict[str, str] = {}
    for record in store.records.iterate("stage"):
        stage = f"stage {record['observed'].get('stage', record['component'])!r}"
        for port, output in record["outputs"].items():
            what = f"{stage}, {port}"
            users[output["digest"]] = what
            for digest in _tree_files(store, output):
                users.setdefault(digest, what)
        for points in record["observed"].get("points", ()):
            users.setdefault(points["digest"], f"{stage}, metric points")
    return users


def _tree_files(store: Store, output: dict[str, Any]) -> list[str]:
    if not output.get("folder") or store.objects.damage(output["digest"]):
        return []
    return [ref.digest for ref in store.objects.tree(output["digest"]).values()]


def _objects(store: Store, users: dict[str, str]) -> Iterator[Finding]:
    for digest in list(store.objects.ids()):
        try:
            problem = store.objects.damage(digest)
        except AidnError as error:
            yield Finding(
                str(store.root / "objects"),
                error.problem,
                error.remedy or "remove the file: it is none of ours",
            )
            continue
        if problem:
            user = users.get(digest, "nothing that is recorded")
            yield Finding(
                str(store.objects.path(digest)),
                f"{problem}; used by {user}",
                "delete the file and run the recipe again: what made it is run anew",
            )


def _references(store: Store) -> Iterator[Finding]:
    present = set(store.objects.ids())
    for record in store.records.iterate("stage"):
        stage = record["observed"].get("stage", record["component"])
        for port, output in record["outputs"].items():
            missing = [
                d for d in [output["digest"], *_tree_files(store, output)] if d not in present
            ]
            for digest in missing:
                yield Finding(
                    str(store.objects.path(digest)),
                    f"is missing; used by stage {stage!r}, {port}",
                    "run the recipe again: what made it is run anew",
                )


def _index(store: Store) -> Iterator[Finding]:
    path = store.root / "index.sqlite"
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            rows = {
                (k, n): (o, s)
                for k, n, o, s in db.execute("SELECT kind, key, offset, size FROM line")
            }
            sound = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        finally:
            db.close()
    except DAMAGE:
        rows, sound = {}, False
    truth = {
        (line.payload["kind"], line.payload["key"]): (line.offset, line.size)
        for line in scan(store.records.path)
    }
    if not sound or rows != truth:
        yield Finding(
            str(path), "does not agree with the journal", "delete it: it is made anew by itself"
        )


def _works(store: Store) -> Iterator[Finding]:
    folder = store.root / "work"
    for work_folder in sorted(folder.iterdir()) if folder.is_dir() else ():
        remedy = "delete the folder: the work starts again from its last committed result"
        try:
            work = store.work(work_folder.name)
            for record in work.records():
                work.open(record)
        except CorruptObject as error:
            yield Finding(error.where, error.problem, remedy)
