"""What differs between a lock and what a recipe comes to now, one sentence each."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aidn_pipeline.config.definitions import REST
from aidn_pipeline.config.lock import Path_, leaves_of

Tree = Mapping[str, Any]
Place = Callable[[str, Path_], str]
"""Where the value of a stage's field is from, by the stage's name and the path in it."""
LONGEST = 60
"""Characters of a value that is shown."""
MOST_CELLS = 3
"""Cells of a matrix that are told one by one."""
CHANGED = "changed"


def differences(old: Tree, new: Tree, place: Place) -> list[str]:
    """Sentences: configuration, data files, code, packages, the environment.

    Args:
        old: the lock, as `parsed` gives it.
        new: the lock of the recipe as it is, likewise.
        place: of a value as it is now; empty if it is nowhere.
    """
    return [
        *_pipeline(old, new, place),
        *_files(old.get("files", {}), new.get("files", {})),
        *_code(old.get("code", {}), new.get("code", {})),
        *_versions(old.get("components", {}), new.get("components", {})),
        *_packages(old, new),
        *_environment(old.get("environment", {}), new.get("environment", {})),
    ]


def outputs_that_differ(locked: Tree, found: Tree) -> tuple[list[str], int]:
    """Outputs whose bytes are not the locked ones, as `stage.port`; how many were compared."""
    pairs = {
        f"{stage}.{port}": (digest, found[stage][port])
        for stage, ports in locked.get("outputs", {}).items()
        if stage in found and isinstance(ports, Mapping)
        for port, digest in ports.items()
        if port in found[stage]
    }
    return [name for name, (was, is_now) in pairs.items() if was != is_now], len(pairs)


def _pipeline(old: Tree, new: Tree, place: Place) -> Iterator[str]:
    for key in ("name", "seed"):
        if old.get(key) != new.get(key):
            yield f"{key} {_shown(old.get(key))} -> {_shown(new.get(key))}{_at(place('', (key,)))}"
    before, now = old.get("stages", {}), new.get("stages", {})
    yield from _stages([name for name in now if name not in before], "new")
    yield from _stages([name for name in before if name not in now], "gone")
    # What several stages share is told once: by its value, its place, and the end of its path.
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for name in now:
        if name not in before:
            continue
        was, is_now = dict(leaves_of(before[name])), dict(leaves_of(now[name]))
        for path in dict.fromkeys([*was, *is_now]):
            a, b = was.get(path), is_now.get(path)
            if repr(a) == repr(b):
                continue
            where = place(name, path)
            change = (path[-1], _shown(a), _shown(b), where)
            alike.setdefault(change, []).append(f"stages.{name}.{'.'.join(path)}")
    for (_, a, b, where), paths in alike.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"{paths[0]}{more} {a} -> {b}{_at(where)}"


def _stages(names: Sequence[str], how: str) -> Iterator[str]:
    """Stages that only one side has; many cells of one matrix are told at once."""
    by_base: dict[str, list[str]] = {}
    for name in names:
        by_base.setdefault(name.partition("[")[0], []).append(name)
    for base, cells in by_base.items():
        if len(cells) > MOST_CELLS:
            few = ", ".join(cells[:MOST_CELLS])
            yield f"{len(cells)} cells of stage {base} are {how}: {few}, ..."
        else:
            yield from (f"stage {name} is {how}" for name in cells)


def _files(old: Tree, new: Tree) -> Iterator[str]:
    for name in sorted({*old, *new}):
        a, b = old.get(name), new.get(name)
        if a == b:
            continue
        if a is None or b is None:
            yield f"file {name} is {'read now' if a is None else 'no longer read'}"
        elif b == "missing":
            yield f"file {name} is missing"
        else:
            yield f"file {name} changed ({_short(a)} -> {_short(b)})"


def _code(old: Tree, new: Tree) -> Iterator[str]:
    for file in sorted({*old, *new}):
        before, now = old.get(file), new.get(file)
        if before == now:
            continue
        if before is None or now is None:
            yield f"code {file} is {'new' if before is None else 'gone'}"
            continue
        named = []
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                what = "what is outside of functions" if name == REST else f"`{name}`"
                how = "new" if name not in before else ("gone" if name not in now else CHANGED)
                named.append(f"{what} {how}" if how == CHANGED else f"{what} is {how}")
        yield f"code {file}: {', '.join(named)}"


def _versions(old: Tree, new: Tree) -> Iterator[str]:
    for key in sorted(old.keys() & new.keys()):
        if old[key] != new[key]:
            yield f"{key} has version {new[key]}, not {old[key]}"


def _packages(old: Tree, new: Tree) -> Iterator[str]:
    if old.get("python") != new.get("python"):
        yield f"python {_shown(old.get('python'))} -> {_shown(new.get('python'))}"
    before, now = old.get("packages", {}), new.get("packages", {})
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"package {name} {_shown(before.get(name))} -> {_shown(now.get(name))}"


def _environment(old: Tree, new: Tree) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            told = [_variable(side.get(name)) for side in (old, new)]
            yield f"environment variable {name} {told[0]} -> {told[1]}"


def _variable(value: Any) -> str:
    if value is None:
        return "not read"
    return "not set" if value is False else _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _short(digest: Any) -> str:
    return str(digest)[:15]


def _at(where: str) -> str:
    return f" ({where})" if where else ""
