"""Why a stage runs: the difference between what is asked now and what was recorded."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.fingerprint import MASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it was when a result was made.

    Attributes:
        kind: of it.
        name: config path, component, package, file or port.
        old: value then; digests for code, files and inputs.
        new: value now.
        origin: `file:line` or override that the new value is from; empty if that is not known.
    """

    kind: Literal["config", "code", "package", "file", "seed", "input"]
    name: str
    old: Any = None
    new: Any = None
    origin: str = ""

    @property
    def files(self) -> list[str]:
        """Of code of the project: the files that changed."""
        if not (isinstance(self.old, Mapping) and isinstance(self.new, Mapping)):
            return []
        return [path for path, _, _ in changed(self.old, self.new, nested=False)]

    def __str__(self) -> str:
        values = f"{show(self.old)} -> {show(self.new)}"
        place = f" ({self.origin})" if self.origin else ""
        match self.kind:
            case "code" if self.files:
                return f"code of {self.name} changed: {', '.join(self.files)}"
            case "code":
                return f"{self.name} has a new version"
            case "package":
                return f"package {self.name} {values}"
            case "file":
                return f"{self.name} changed"
            case "input":
                return f"input {self.name} changed"
        return f"{self.name} {values}{place}"


def differences(
    name: str,
    old: StageRecord,
    hashed: Mapping[str, Any],
    extends: Mapping[str, Any],
    origins: Mapping[str, str],
) -> list[Difference]:
    """What differs, the most telling first; empty if nothing does.

    Args:
        name: of the stage, to find the origin of its keys.
        old: the record to compare with.
        hashed: what would be hashed now; without `inputs` they are not compared.
        extends: extendable values now.
        origins: `file:line` or `override` by config path.
    """
    before = old.hashed
    fields = [(path, a, b) for path, a, b in changed(before.get("fields", {}), hashed["fields"])]
    fields += [
        (path, old.extends.get(path), value)
        for path, value in extends.items()
        if old.extends.get(path) != value and path not in before.get("fields", {})
    ]
    found = [
        Difference(kind="config", name=path, old=a, new=b, origin=origin(name, path, origins))
        for path, a, b in fields
    ]
    found += [
        Difference(kind=kind, name=path, old=a, new=b)
        for kind, path, a, b in (
            *_changed_code(before.get("versions", {}), hashed["versions"]),
            *_changed("package", before.get("packages", {}), hashed["packages"]),
            *_changed("file", before.get("files", {}), hashed["files"]),
        )
    ]
    if before.get("seed") != hashed["seed"]:
        place = origin("", "seed", origins)
        seeds = (before.get("seed"), hashed["seed"])
        found.append(Difference(kind="seed", name="seed", old=seeds[0], new=seeds[1], origin=place))
    if "inputs" in hashed:
        found += [
            Difference(kind=kind, name=path, old=a, new=b)
            for kind, path, a, b in _changed("input", before.get("inputs", {}), hashed["inputs"])
        ]
    return found


Change: TypeAlias = tuple[Literal["code", "package", "file", "input"], str, Any, Any]


def code_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What changed in the code of the components that are in both, in sentences."""
    for kind, name, before, now in _changed_code(old, new):
        yield str(Difference(kind=kind, name=name, old=before, new=now))


def _changed_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted(old.keys() & new.keys()):
        if old[key] != new[key]:
            yield "code", key, old[key], new[key]


def _changed(
    kind: Literal["package", "file", "input"], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for path, before, now in changed(old, new, nested=False):
        yield kind, path, before, now


def changed(
    old: Any, new: Any, path: str = "", *, nested: bool = True
) -> Iterator[tuple[str, Any, Any]]:
    """Dotted paths at which two JSON values differ, with both values.

    Of another component only its name is told: its fields are other fields.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping) and MASK not in (old, new):
        if nested and {"use"} <= old.keys() & new.keys() and old["use"] != new["use"]:
            yield f"{path}.use".strip("."), old["use"], new["use"]
            return
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
    """Where a key got its value; empty if that is not known."""
    return next((origins[k] for k in (f"stages.{name}.{path}", path) if k in origins), "")
