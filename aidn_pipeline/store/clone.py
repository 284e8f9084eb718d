"""A clone of a store: its records, objects and unfinished work in another folder.

What is committed there goes with the folder, so it is where work is tried that must leave nothing.
Files that are written once are shared by hard links: a clone takes next to no space.
"""

import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.store import Store


def clone(store: Store, target: Path, needed: Iterable[Artifact]) -> None:
    """Clones a store.

    Args:
        store: what is cloned; other processes may be at work in it.
        target: a folder that does not exist, on the same disk.
        needed: artifacts that are copied where the file system has no hard links; all others are
            missing there, as if they had been deleted.

    Raises:
        StoreError: if the target cannot be written.
    """
    with typed(target, "cloning the store"):
        target.mkdir(parents=True)
        shutil.copy(store.root / "format.json", target)
        # The journal before the objects: all that it speaks of is there already.
        if (store.root / "journal").is_dir():
            shutil.copytree(store.root / "journal", target / "journal")
        work = store.root / "work"
        for folder in sorted(work.iterdir()) if work.is_dir() else ():
            if not store.locks.held(f"work/{folder.name}"):
                share = partial(_share, folder)
                shutil.copytree(folder, target / "work" / folder.name, copy_function=share)
        objects = (store.objects.path(digest) for digest in store.objects.ids())
        if not all(_linked(path, target / path.relative_to(store.root)) for path in objects):
            for artifact in needed:
                for digest in (artifact.digest, *(r.digest for r in store.refs(artifact).values())):
                    place = target / store.objects.path(digest).relative_to(store.root)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(store.objects.path(digest), place)


def _linked(path: Path, place: Path) -> bool:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.hardlink_to(path)
    except FileNotFoundError:
        # Set aside by somebody who found it damaged.
        return True
    except OSError:
        return False
    return True


def _share(work: Path, source: str, target: str) -> None:
    # `checkpoints/N/*` are written once; journals and a stage's own files are not.
    within = Path(source).relative_to(work).parts
    written_once = len(within) == 3 and within[0] == "checkpoints"
    if not written_once or not _linked(Path(source), Path(target)):
        shutil.copy2(source, target)
