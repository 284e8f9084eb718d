"""A new folder filled from templates: whole, or not there at all."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aidn_pipeline.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".tmpl"
STORE = ".aidn"
PLACE = re.compile(r"\{\{(\w+)\}\}")


def scaffold(
    target: Path,
    layers: Sequence[str],
    values: Mapping[str, str],
    files: Mapping[str, bytes | Path],
) -> list[str]:
    """Writes a folder from templates.

    Args:
        target: a folder that does not exist, is empty, or holds what would be written.
        layers: folders of templates, of which a later one's files win.
        values: what stands for `{{key}}` in the templates and in their names.
        files: more files: their bytes, or the file that is copied.

    Returns:
        The files, relative to the folder, sorted.

    Raises:
        UsageError: if the folder holds something, or cannot be written; nothing is left behind.
    """
    if _is_there(target, layers, values, files):
        return _files_of(target)
    check_free(target)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    _sweep(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for layer in layers:
            for name, text in rendered(TEMPLATES / layer, values):
                _place(fresh / name, text.encode())
        for name, content in files.items():
            _place(fresh / name, content)
        fresh.rename(target)
    except OSError as problem:
        raise UsageError(
            f"the project cannot be written: {problem.strerror}",
            where=str(problem.filename or target),
            remedy="make space there, or choose a folder that is writable with `--in`",
        ) from problem
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return _files_of(target)


def _files_of(target: Path) -> list[str]:
    found = (p.relative_to(target) for p in target.rglob("*") if p.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] != STORE)


def _is_there(
    target: Path,
    layers: Sequence[str],
    values: Mapping[str, str],
    files: Mapping[str, bytes | Path],
) -> bool:
    """Whether the folder holds just what would be written, as a killed command leaves it."""
    wanted: dict[str, bytes | Path] = {
        name: text.encode()
        for layer in layers
        for name, text in rendered(TEMPLATES / layer, values)
    }
    wanted |= files
    if not target.is_dir() or _files_of(target) != sorted(wanted):
        return False
    return all(
        (target / name).read_bytes() == (c.read_bytes() if isinstance(c, Path) else c)
        for name, c in wanted.items()
    )


def _sweep(target: Path) -> None:
    """Removes what a killed process left half-written beside the folder."""
    for left in target.parent.glob(f".{target.name}.*"):
        owner = left.suffix[1:]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def check_free(target: Path) -> None:
    """Refuses a folder that holds something.

    Raises:
        UsageError: if it does.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target.name} exists already, and nothing of it is touched",
            where=str(target.absolute()),
            remedy="choose another name, or another folder with `--in`",
        )


def rendered(folder: Path, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and texts of a folder of templates, with the values in their places."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        name = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
        yield filled(name, values), filled(path.read_text(encoding="utf-8"), values)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values in their places; what a value holds is not looked at again."""
    return PLACE.sub(lambda found: values[found[1]], text)


def _place(path: Path, content: bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)
