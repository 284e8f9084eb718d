"""Garbage collection: what nothing needs goes to a trash, from which it can come back.

Safe beside running pipelines: see "Collecting" in `docs/format.md`.
"""

import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from aidn_pipeline.errors import UsageError
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.facts import Contents, Facts, input_ids, record_ids, stage_name
from aidn_pipeline.store.logs import FOLDER as LOGS
from aidn_pipeline.store.logs import runs_with_logs
from aidn_pipeline.store.pins import LOCK
from aidn_pipeline.store.reach import KEEP_RUNS, Reached, reached
from aidn_pipeline.store.store import Store
from aidn_pipeline.store.worth import Loss, Result, least_valuable_first

TRASH = "trash"
LOCKED = {"work": "work", LOGS: "run"}
"""Folders that go as a whole, with the lock of those who write into them."""
BATCH = 256
"""Objects that are moved while processes that pin have to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Something that goes.

    Attributes:
        fingerprint: of the work whose results go; empty for bytes that no record names.
        stage: its name.
        run: that did it.
        seconds: that making it again takes.
        objects: ids that go with it.
        size: bytes of these.
        work: folder of unfinished work that goes; empty for results.
        log: id of the run whose stages' output goes; empty for anything else.
    """

    fingerprint: str = ""
    stage: str = ""
    run: str = ""
    seconds: float = 0.0
    objects: tuple[str, ...] = ()
    size: int = 0
    work: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a collection takes and leaves.

    Attributes:
        total: bytes of the store, without its trash.
        trash: bytes of the trash.
        kept: objects and bytes by why they stay.
        removals: what goes, the least valuable first.
        budget: bytes that the store should fit in; None for no such limit.
    """

    total: int
    trash: int
    kept: Mapping[str, tuple[int, int]]
    removals: tuple[Removal, ...]
    budget: int | None = None

    @property
    def freed(self) -> int:
        """Bytes that go."""
        return sum(removal.size for removal in self.removals)

    @property
    def objects(self) -> int:
        """Objects that go."""
        return sum(len(removal.objects) for removal in self.removals)

    @property
    def fits(self) -> bool:
        """Whether the store is in its budget afterwards."""
        return self.budget is None or self.total - self.freed <= self.budget


class Collector:
    """One collection of a store."""

    def __init__(
        self,
        store: Store,
        *,
        keep_runs: int = KEEP_RUNS,
        budget: int | None = None,
        unfinished: bool = False,
    ) -> None:
        if keep_runs < 0 or (budget is not None and budget < 0):
            raise UsageError(
                "what is kept cannot be less than nothing",
                where="gc",
                remedy="give a number of runs, or of bytes, from 0 on",
            )
        self._store = store
        self._keep_runs = keep_runs
        self._budget = budget
        self._unfinished = unfinished
        self._facts = Facts(store)
        self._contents = Contents(store)
        self._bytes: Mapping[str, int] = {}

    def plan(self) -> Collection:
        """What would go, and why the rest stays; changes nothing.

        Raises:
            CorruptObject: if the journal is damaged.
        """
        # Objects first: what is put from now on is not looked at.
        sizes = self._bytes = dict(self._sizes())
        keep = self._reached()
        total = size_of(self._store.root) - size_of(self._store.root / TRASH)
        free = {digest for digest in sizes if digest not in keep.objects}
        removals = []
        left = total
        for removal in [
            *self._orphans(free, sizes, keep),
            *_old_logs(self._store, keep.runs),
            *(_unfinished(self._store) if self._unfinished else ()),
            *self._results(free, sizes),
        ]:
            if self._budget is not None and left <= self._budget:
                break
            removals.append(removal)
            left -= removal.size
        gone = {digest for removal in removals for digest in removal.objects}
        kept: dict[str, tuple[int, int]] = {}
        for digest, size in sizes.items():
            if digest not in gone:
                why = keep.objects.get(digest, "the budget leaves room for it")
                objects, bytes_ = kept.get(why, (0, 0))
                kept[why] = (objects + 1, bytes_ + size)
        return Collection(
            total=total,
            trash=size_of(self._store.root / TRASH),
            kept=kept,
            removals=tuple(removals),
            budget=self._budget,
        )

    def apply(self) -> Collection:
        """Moves what nothing needs to the trash; returns what went.

        Raises:
            StorageUnwritable: if something cannot be moved; the same again goes on.
        """
        store = self._store
        with store.locks.hold("gc"), typed(store.root, "collecting"):
            plan = self.plan()
            fingerprints = sorted(r.fingerprint for r in plan.removals if r.fingerprint)
            if fingerprints:
                # Before the first move: whoever misses something can say why.
                append(store, "remove", fingerprints)
            doomed = [digest for removal in plan.removals for digest in removal.objects]
            moved: set[str] = set()
            for start in range(0, len(doomed), BATCH):
                with store.locks.hold(LOCK):
                    needed = self._reached().objects
                    batch = doomed[start : start + BATCH]
                    moved |= self._move(digest for digest in batch if digest not in needed)
            moved |= {r.work for r in plan.removals if self._move_folder("work", r.work)}
            moved |= {r.log for r in plan.removals if self._move_folder(LOGS, r.log)}
        # Live processes may have taken some of it back.
        removals = (self._left_of(removal, moved) for removal in plan.removals)
        done = tuple(r for r in removals if r.fingerprint or r.objects or {r.work, r.log} & moved)
        return replace(plan, removals=done)

    def _left_of(self, removal: Removal, moved: set[str]) -> Removal:
        if removal.work or removal.log:
            return removal
        objects = tuple(digest for digest in removal.objects if digest in moved)
        return replace(removal, objects=objects, size=sum(self._bytes[d] for d in objects))

    def _move(self, digests: Iterable[str]) -> set[str]:
        trash = self._store.root / TRASH
        self._store.disk.make_folder(trash)
        moved = set()
        for digest in digests:
            path = self._store.objects.path(digest)
            if path.exists():
                self._store.disk.rename(path, trash / digest.removeprefix("b3:"))
                moved.add(digest)
        return moved

    def _move_folder(self, kind: str, name: str) -> bool:
        store = self._store
        lock = store.locks.acquire(f"{LOCKED[kind]}/{name}", wait=False) if name else None
        if lock is None:
            return False
        try:
            source, target = store.root / kind / name, store.root / TRASH / kind / name
            if not source.is_dir():
                return False
            store.disk.make_folder(target.parent)
            if target.exists():
                store.disk.remove(target)
            store.disk.rename(source, target)
        finally:
            store.locks.release(lock)
        return True

    def _reached(self) -> Reached:
        return reached(self._store, self._facts, self._contents, keep_runs=self._keep_runs)

    def _sizes(self) -> Iterable[tuple[str, int]]:
        for digest in self._store.objects.ids():
            try:
                yield digest, self._store.objects.path(digest).stat().st_size
            except FileNotFoundError:
                continue  # set aside by somebody who found it damaged

    def _orphans(
        self, free: set[str], sizes: Mapping[str, int], keep: Reached
    ) -> Iterable[Removal]:
        named = {digest for result in self._records(free) for digest in result.objects}
        orphans = tuple(sorted(free - named)) if keep.whole else ()
        if orphans:
            yield Removal(objects=orphans, size=sum(sizes[digest] for digest in orphans))

    def _results(self, free: set[str], sizes: Mapping[str, int]) -> Iterable[Removal]:
        for loss in least_valuable_first(self._records(free), sizes):
            yield self._removal(loss, sizes)

    def _removal(self, loss: Loss, sizes: Mapping[str, int]) -> Removal:
        record = self._facts.stages[loss.result.key]
        return Removal(
            fingerprint=loss.result.key,
            stage=stage_name(record),
            run=str(record["observed"].get("run", "")),
            seconds=round(loss.seconds, 3),
            objects=loss.freed,
            size=sum(sizes[digest] for digest in loss.freed),
        )

    def _records(self, free: set[str]) -> Sequence[Result]:
        makers = self._facts.makers()
        results = []
        for fingerprint, record in self._facts.stages.items():
            ids: set[str] = set()
            for _, digest, folder in record_ids(record):
                ids.add(digest)
                ids.update((self._contents.files(digest) or ()) if folder else ())
            if ids & free:
                made_from = {makers[d] for d in input_ids(record) if d in makers} - {fingerprint}
                seconds = float(record["observed"].get("seconds", 0.0))
                results.append(
                    Result(fingerprint, seconds, frozenset(ids & free), tuple(sorted(made_from)))
                )
        return results


def _unfinished(store: Store) -> Iterable[Removal]:
    """Unfinished work that no live process is at."""
    folder = store.root / "work"
    for work in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not store.locks.held(f"work/{work.name}"):
            yield Removal(work=work.name, size=size_of(work))


def _old_logs(store: Store, kept: frozenset[str]) -> Iterable[Removal]:
    """What stages printed in runs that nothing keeps."""
    for run in runs_with_logs(store.root):
        if run not in kept and not store.locks.held(f"run/{run}"):
            yield Removal(run=run, log=run, size=size_of(store.root / LOGS / run))


def undo(store: Store) -> int:
    """Moves everything in the trash back; returns how many objects and works came back.

    Unfinished work that was begun anew in the meantime stays in the trash.
    """
    trash = store.root / TRASH
    with store.locks.hold("gc"), typed(trash, "undoing a collection"):
        back = sum(_back(store, file) for file in list(_trashed(trash)))
        if Facts(store).in_trash:
            # The line says that they are back: a power cut must not bring that forward.
            for shard in sorted(p for p in (store.root / "objects").glob("*") if p.is_dir()):
                store.disk.sync_folder(shard)
            append(store, "undo", ())
        if trash.is_dir() and not any(_trashed(trash)):
            store.disk.remove(trash)
        return back


def _back(store: Store, file: Path) -> bool:
    if file.parent.name in LOCKED:
        return _folder_back(store, file)
    path = store.objects.path(f"b3:{file.name}")
    if path.exists():
        store.disk.remove(file)  # made again in the meantime: the same bytes
        return False
    store.disk.make_folder(path.parent)
    store.disk.rename(file, path)
    return True


def _folder_back(store: Store, folder: Path) -> bool:
    target = store.root / folder.parent.name / folder.name
    lock = store.locks.acquire(f"{LOCKED[folder.parent.name]}/{folder.name}", wait=False)
    if lock is None:
        return False
    try:
        if target.exists():
            return False
        store.disk.make_folder(target.parent)
        store.disk.rename(folder, target)
    finally:
        store.locks.release(lock)
    return True


def purge(store: Store) -> int:
    """Deletes the trash for good; returns the bytes that are free now."""
    trash = store.root / TRASH
    with store.locks.hold("gc"), typed(trash, "emptying the trash"):
        size = size_of(trash)
        if Facts(store).in_trash:
            # Before the first deletion: from here on an undo promises nothing.
            append(store, "purge", ())
        for file in _trashed(trash):
            store.disk.remove(file)
        if trash.is_dir():
            store.disk.remove(trash)
        return size


def _trashed(trash: Path) -> Iterable[Path]:
    folders = [trash / kind for kind in LOCKED]
    for folder in (*folders, trash):
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if file not in folders:
                yield file


def append(store: Store, verb: str, fingerprints: Sequence[str]) -> None:
    """Adds the line of a collection, an undo or a purge."""
    key = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)
    value = {"verb": verb, "stages": list(fingerprints), "at": time.time()}
    store.records.append("gc", key, value)


def pin(store: Store, run: str, *, keep: bool = True) -> None:
    """Keeps a run until it is released; every `gc` sees it."""
    value = {"noun": "pin", "name": run, "target": run if keep else None}
    store.records.append("ref", f"pin/{run}", value)


def was_collected(store: Store, fingerprint: str) -> bool:
    """Whether a collection took the outputs of work that was committed."""
    return fingerprint in Facts(store).collected


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total
