"""What a component does behind our back: files it writes, global state it draws from."""

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, Self

from aidn_pipeline.store.objects import hash_file

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.chmod": (0,),
    "os.link": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "shutil.rmtree": (0,),
}
"""Audit events that change files, and which of their arguments are the paths of these."""
INDEPENDENT = (None, -1)
"""The last argument where a path is not relative to an open folder."""


def watch_writes(tell: Callable[[Path], None]) -> None:
    """Calls `tell` before Python code changes a file of that path, from now on and for ever.

    An audit hook cannot be taken away again: watch in a child. What C code writes is not seen.
    """

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        for path in _changed(event, arguments):
            tell(Path.cwd() / os.fsdecode(path))

    sys.addaudithook(hook)


def _changed(event: str, arguments: tuple[Any, ...]) -> Iterator[Any]:
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, int) and isinstance(flags, int) and flags & WRITING:
            yield path
    elif event in CHANGES and (event == "os.truncate" or arguments[-1] in INDEPENDENT):
        # A path that is relative to an open folder is passed over: the folder was told before.
        yield from (arguments[i] for i in CHANGES[event] if not isinstance(arguments[i], int))


def contents(folder: Path) -> Mapping[str, str]:
    """Id of every file below a folder by its path, without the store."""
    return {
        str(path.relative_to(folder)): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".aidn" not in path.relative_to(folder).parts
    }


@contextmanager
def elsewhere(number: int, folder: Path) -> Iterator[None]:
    """Another working folder and other global random states; all are put back at the end.

    Args:
        number: another number is another state.
        folder: the working folder.
    """
    kept: list[tuple[Callable[[Any], object], Any]] = [(random.setstate, random.getstate())]
    random.seed(number)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        kept.append((numpy.random.set_state, numpy.random.get_state()))
        numpy.random.seed(number)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        kept.append((torch.random.set_rng_state, torch.random.get_rng_state()))
        torch.manual_seed(number)
    try:
        with chdir(folder):
            yield
    finally:
        for put_back, state in kept:
            put_back(state)


@contextmanager
def listed(*, backwards: bool) -> Iterator[None]:
    """Folders list their files in one order or the other, whatever the file system does."""
    listdir, scandir = os.listdir, os.scandir

    def list_sorted(*path: Any) -> list[Any]:
        return sorted(listdir(*path), reverse=backwards)

    class Scan:
        """`os.scandir` in order."""

        def __init__(self, *path: Any) -> None:
            with scandir(*path) as found:
                entries = sorted(found, key=lambda entry: entry.name, reverse=backwards)
            self._entries = iter(entries)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def __iter__(self) -> Self:
            return self

        def __next__(self) -> Any:
            return next(self._entries)

        def close(self) -> None:
            """Ends it."""
            self._entries = iter(())

    patched: Any = os
    patched.listdir, patched.scandir = list_sorted, Scan
    try:
        yield
    finally:
        patched.listdir, patched.scandir = listdir, scandir
