"""The lock of a recipe: what its results rest on, as a text to be reviewed and committed.

A TOML file beside the recipe, one value a line: `recipes/shop.lock`. Cells of a matrix share a
table; each has one of its own for what is different in it. What is null is left out.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from aidn_pipeline.config.library import BUILTIN
from aidn_pipeline.errors import NewerFormat, NotReproducible

FORMAT = 1
ENDING = ".lock"
LARGEST = 64 << 20
"""Bytes of the largest lock that is read."""
BARE = re.compile(r"[A-Za-z0-9_-]+")
Tree: TypeAlias = dict[str, Any]
Path_: TypeAlias = tuple[str, ...]
TABLES = ("packages", "environment", "files", "components")
NESTED = ("code", "stages", "outputs")


def lock_file(recipe: str, root: Path) -> Path:
    """Where the lock of a recipe is, in a project."""
    return root / "recipes" / f"{recipe.removeprefix(BUILTIN)}{ENDING}"


def lock_text(value: Mapping[str, Any], command: str) -> str:
    """The text of a lock.

    Args:
        value: as `aidn_pipeline.facade.frozen.lock_of` gives it.
        command: what writes it anew, without the program's name.
    """
    lines = [
        f"# What the results of the recipe {value['recipe']} rest on. Commit it; edit the recipe,",
        "# not this file.",
        f"#   aidn-run lock {command}",
        "#       writes it anew",
        f"#   aidn-run {command} --frozen",
        "#       fails before the first stage, naming what differs",
    ]
    for key, item in value.items():
        if key not in (*TABLES, *NESTED):
            lines.append(f"{key} = {_value(item)}")
    for name in TABLES:
        lines += ["", f"[{name}]", *_lines(value.get(name, {}))]
    for name in NESTED:
        items = value.get(name, {})
        for key, inner in (_shared(items) if name == "stages" else items).items():
            lines += ["", f"[{name}.{_key(key)}]", *_lines(inner)]
    text = "\n".join([*lines, ""])
    # No TOML has half of a character.
    return text.encode("utf-8", "backslashreplace").decode()


def read_lock(path: Path, *, shown: str, remedy: str) -> Tree:
    """The lock in a file.

    Args:
        path: of the file.
        shown: how messages name it.
        remedy: what to do if it cannot be read.

    Raises:
        NotReproducible: if there is none, or it is damaged.
        NewerFormat: if a later release wrote it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        return parsed(data.decode(), shown)
    except FileNotFoundError as problem:
        raise NotReproducible("the recipe has no lock", where=shown, remedy=remedy) from problem
    except (OSError, ValueError, RecursionError) as problem:
        raise NotReproducible(
            f"the lock cannot be read: {problem}", where=shown, remedy=remedy
        ) from problem


def parsed(text: str, shown: str) -> Tree:
    """The lock that a text says, every cell of a matrix whole.

    Raises:
        ValueError: if it is no lock.
        NewerFormat: if a later release wrote it.
    """
    value = tomllib.loads(text)
    found = value.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormat(
            f"a lock of format {found}, this release reads {FORMAT}",
            where=shown,
            remedy="use the release that wrote it, or write it anew",
        )
    if found != FORMAT or not all(isinstance(value.get(k, {}), dict) for k in (*TABLES, *NESTED)):
        raise ValueError("it is no lock")
    stages = value.get("stages", {})
    if not all(isinstance(stage, dict) for stage in stages.values()):
        raise ValueError("a stage is no table")
    return {**value, "stages": _whole(stages)}


def _shared(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Stages of which the cells of a matrix share a table, before those of their own."""
    cells: dict[str, list[str]] = {}
    for name in stages:
        cells.setdefault(_base(name), []).append(name)
    found: dict[str, Any] = {}
    for base, names in cells.items():
        if names == [base]:
            found[base] = stages[base]
            continue
        leaves = {name: dict(leaves_of(stages[name])) for name in names}
        first = leaves[names[0]]
        common = {
            path: value
            for path, value in first.items()
            if all(path in other and _same(other[path], value) for other in leaves.values())
        }
        found[base] = _tree(common)
        for name in names:
            found[name] = _tree({p: v for p, v in leaves[name].items() if p not in common})
    return found


def _whole(stages: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_shared`."""
    bases = {_base(name) for name in stages if _base(name) != name}
    found: dict[str, Any] = {}
    for name, stage in stages.items():
        if name in bases:
            continue
        common = stages.get(_base(name), {}) if _base(name) in bases else {}
        found[name] = _tree({**dict(leaves_of(common)), **dict(leaves_of(stage))})
    return found


def leaves_of(value: Mapping[str, Any], path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value below a mapping with its path; what is null is left out."""
    for key, item in value.items():
        here = (*path, str(key))
        if isinstance(item, Mapping) and item:
            yield from leaves_of(item, here)
        elif item is not None:
            yield here, item


def _tree(leaves: Mapping[Path_, Any]) -> Tree:
    found: Tree = {}
    for path, value in leaves.items():
        node = found
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    return found


def _same(one: Any, other: Any) -> bool:
    # 1, 1.0 and true are equal, and are not the same.
    return repr(one) == repr(other)


def _base(name: str) -> str:
    return name.partition("[")[0]


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    for path, item in leaves_of(value):
        yield f"{'.'.join(map(_key, path))} = {_value(item)}"


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return '"null"' if value is None else repr(value)
