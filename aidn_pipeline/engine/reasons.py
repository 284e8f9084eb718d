"""Why a stage runs: the difference between what is asked now and what was recorded."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.fingerprint import MASK


def differences(
    name: str,
    old: StageRecord,
    hashed: Mapping[str, Any],
    extends: Mapping[str, Any],
    origins: Mapping[str, str],
) -> list[str]:
    """Sentences, the most telling first; empty if nothing differs.

    Args:
        name: of the stage, to find the origin of its keys.
        old: the record to compare with.
        hashed: what would be hashed now; without `inputs` they are not compared.
        extends: extendable values now.
        origins: `file:line` or `override` by config path.
    """
    before = old.hashed
    found = [
        f"{path} {show(a)} -> {show(b)}{origin(name, path, origins)}"
        for path, a, b in changed(before.get("fields", {}), hashed["fields"])
    ]
    found += [
        f"{path} {show(old.extends.get(path))} -> {show(value)}{origin(name, path, origins)}"
        for path, value in extends.items()
        if old.extends.get(path) != value and path not in before.get("fields", {})
    ]
    found += list(code_changes(before.get("versions", {}), hashed["versions"]))
    found += [
        f"package {path} {show(a)} -> {show(b)}"
        for path, a, b in changed(before.get("packages", {}), hashed["packages"])
    ]
    found += [
        f"{path} changed"
        for path, _, _ in changed(before.get("files", {}), hashed["files"], nested=False)
    ]
    if before.get("seed") != hashed["seed"]:
        place = origin("", "seed", origins)
        found.append(f"seed {show(before.get('seed'))} -> {show(hashed['seed'])}{place}")
    if "inputs" in hashed:
        found += [
            f"input {port.partition('.')[0]} changed"
            for port, _, _ in changed(before.get("inputs", {}), hashed["inputs"])
        ]
    return found


def code_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What changed in the code of the components that are in both."""
    for key in sorted(old.keys() & new.keys()):
        if old[key] == new[key]:
            continue
        if isinstance(old[key], Mapping) and isinstance(new[key], Mapping):
            files = [path for path, _, _ in changed(dict(old[key]), dict(new[key]), nested=False)]
            yield f"code of {key} changed: {', '.join(files)}"
        else:
            yield f"{key} has a new version"


def changed(
    old: Any, new: Any, path: str = "", *, nested: bool = True
) -> Iterator[tuple[str, Any, Any]]:
    """Dotted paths at which two JSON values differ, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and MASK not in (old, new):
        for key in [*old, *(k for k in new if k not in old)]:
            here = f"{path}.{key}".strip(".")
            if nested:
                yield from changed(old.get(key), new.get(key), here)
            elif old.get(key) != new.get(key):
                yield here, old.get(key), new.get(key)
    elif old != new:
        yield path, old, new


def show(value: Any) -> str:
    """A value in one short piece."""
    if value is None:
        return "none"
    if value == MASK:
        return "searched"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def origin(name: str, path: str, origins: Mapping[str, str]) -> str:
    """Where a key got its value, in brackets; empty if that is not known."""
    for key in (f"stages.{name}.{path}", path):
        if key in origins:
            return f" ({origins[key]})"
    return ""
