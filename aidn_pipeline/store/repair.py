"""Repair: set damaged files aside, so that the next run makes them anew. Deletes nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from aidn_pipeline.store.check import Finding, look
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.store import Store

OTHER = "other"
"""Folder of the quarantine for what is no object, with its path in the store."""


def repair(store: Store) -> tuple[list[Finding], list[Finding]]:
    """Moves what is damaged to the quarantine and makes a damaged index anew.

    Each file is moved by one rename: whenever it is interrupted, the same again goes on.

    Returns:
        What was mended, and what is still wrong: an object that must be made again, the journal.
    """
    with store.locks.hold("gc"), typed(store.root, "repairing the store"):
        mended = [finding for finding in look(store) if _mend(store, finding)]
        return mended, look(store)


def _mend(store: Store, finding: Finding) -> bool:
    path = Path(finding.path)
    if finding.kind == "object":
        store.objects.set_aside(finding.id)
    elif finding.kind == "stranger":
        _move(store, path, store.root / "quarantine" / OTHER / path.relative_to(store.root))
    elif finding.kind == "work":
        return _work(store, finding)
    elif finding.kind == "index":
        store.records.rebuild()
    else:
        return False
    return True


def _work(store: Store, finding: Finding) -> bool:
    # The place of a journal's damage is a file and a byte: the folder is the part below `work/`.
    name = Path(finding.path).relative_to(store.root / "work").parts[0]
    lock = store.locks.acquire(f"work/{name}", wait=False)
    if lock is None:
        return False
    try:
        source = store.root / "work" / name
        _move(store, source, store.root / "quarantine" / OTHER / "work" / name)
    finally:
        store.locks.release(lock)
    return True


def _move(store: Store, source: Path, target: Path) -> None:
    store.disk.make_folder(target.parent)
    if target.exists():
        store.disk.remove(target)
    store.disk.rename(source, target)
    store.disk.sync_folder(source.parent)


def undo(store: Store) -> tuple[int, int]:
    """Moves what was set aside back to its place.

    Returns:
        How many came back, and how many stay set aside because they were made again.
    """
    folder = store.root / "quarantine"
    with store.locks.hold("gc"), typed(folder, "undoing a repair"):
        back = stay = 0
        for source, target in list(_places(store, folder)):
            if target.exists():
                stay += 1
                continue
            store.disk.make_folder(target.parent)
            store.disk.rename(source, target)
            back += 1
        return back, stay


def _places(store: Store, folder: Path) -> Iterator[tuple[Path, Path]]:
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.name != OTHER:
            yield file, store.objects.path(f"b3:{file.name}")
    other = folder / OTHER
    works = other / "work"
    for work in sorted(works.iterdir()) if works.is_dir() else ():
        yield work, store.root / "work" / work.name
    for file in sorted(other.rglob("*")):
        if file.is_file() and works not in file.parents:
            yield file, store.root / file.relative_to(other)


def set_aside(store: Store) -> Sequence[Path]:
    """Files in the quarantine."""
    return [path for path in sorted((store.root / "quarantine").rglob("*")) if path.is_file()]
