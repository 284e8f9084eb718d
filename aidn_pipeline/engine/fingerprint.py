"""The fingerprint of a stage: what is hashed, and what is left out. See `docs/format.md`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.describe import component_group
from aidn_pipeline.core.fingerprint import Fingerprint, canonical_json
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, Index
from aidn_pipeline.core.installed import installed
from aidn_pipeline.core.stage import Description
from aidn_pipeline.store.objects import hash_file

Inputs = Mapping[str, Artifact | tuple[Artifact, ...]]
MASK = {"searched": True}
"""Stands in the place of a value that a search space decides."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Fingerprints of one piece of work, with everything that was hashed."""

    fingerprint: str
    family: str
    base: str
    hashed: Mapping[str, Any]
    extends: Mapping[str, Any]


def identify(
    index: Index,
    configured: Description,
    effective: Description,
    inputs: Inputs,
    *,
    seed: int,
    project: Path,
) -> Identity:
    """Fingerprints a stage.

    Args:
        index: the component index.
        configured: the description as the recipe says it.
        effective: the same with params written into it.
        inputs: artifacts by port; params that are written into a field may be left out.
        seed: the pipeline's seed.
        project: the root that paths in fields are against.
    """
    spec = index.find("stage", effective["use"])
    known = _configured(index, effective, seed)
    hashed = {
        **known.with_files(project),
        "inputs": {
            port: [a.digest for a in found] if isinstance(found, tuple) else found.digest
            for port, found in inputs.items()
            if (wanted := spec.input(port)) is not None and wanted.into is None
        },
    }
    family = Fingerprint.of("family", hashed)
    same = known.base if configured == effective else ""
    return Identity(
        fingerprint=Fingerprint.of("work", [family.digest, known.extends]).digest,
        family=family.digest,
        base=same or base_of(index, configured, seed=seed, project=project),
        hashed=hashed,
        extends=known.extends,
    )


@dataclass(frozen=True, slots=True)
class Configured:
    """What the text of a description comes to; the files it names may change at any time.

    Attributes:
        hashed: all that is hashed of it but its files.
        extends: values of the extendable fields.
        files: what fields name outside of the store.
        base: digest of it, if it names no files.
    """

    hashed: Mapping[str, Any]
    extends: dict[str, Any]
    files: tuple[str, ...]
    base: str

    def with_files(self, project: Path) -> dict[str, Any]:
        """All that is hashed, with the files as they are now."""
        return {**self.hashed, "files": {n: digest_of_path(project / n) for n in self.files}}


KNOWN: WeakKeyDictionary[Index, dict[tuple[bytes, int], Configured]] = WeakKeyDictionary()
"""What descriptions come to: each is asked for several times in a run."""
MOST_KNOWN = 1024


def _configured(index: Index, description: Description, seed: int) -> Configured:
    known = KNOWN.setdefault(index, {})
    key = canonical_json(description), seed
    if key not in known:
        if len(known) >= MOST_KNOWN:
            known.clear()
        known[key] = _worked_out(index, description, seed)
    return known[key]


def _worked_out(index: Index, description: Description, seed: int) -> Configured:
    spec = index.find("stage", description["use"])
    hashed = {
        "component": spec.key,
        "fields": semantic(index, spec, description),
        "versions": versions(index, spec, description),
        "seed": seed if spec.seeded else None,
        "packages": packages(index, spec, description),
    }
    extends = dict(extendable(index, spec, description))
    names = files(index, spec, description)
    base = "" if names else Fingerprint.of("base", [{**hashed, "files": {}}, extends]).digest
    return Configured(hashed, extends, names, base)


def configuration(
    index: Index, description: Description, *, seed: int, project: Path
) -> dict[str, Any]:
    """Everything that is hashed but the inputs and the extendable fields."""
    return _configured(index, description, seed).with_files(project)


def base_of(index: Index, configured: Description, *, seed: int, project: Path) -> str:
    """Identity of the configuration alone, without inputs and params."""
    known = _configured(index, configured, seed)
    value = [known.with_files(project), known.extends]
    return known.base or Fingerprint.of("base", value).digest


def semantic(index: Index, spec: ComponentSpec, description: Description) -> dict[str, Any]:
    """Fields that can change the result, recursively, without the extendable ones."""
    return _semantic(index, spec, description, extending=not bounded(index, spec, description))


def _semantic(
    index: Index, spec: ComponentSpec, description: Mapping[str, Any], *, extending: bool
) -> dict[str, Any]:
    fields: dict[str, Any] = {"use": spec.name}
    for item in spec.fields:
        value = description.get(item.name, item.default)
        unset = item.since is not None and value == item.default
        if not item.semantic or unset or (item.extends and extending):
            continue
        inside = extending and not item.fixed
        fields[item.name] = _semantic_value(index, item, item.type, value, extending=inside)
    for item in spec.fields:
        if item.masks is not None and item.masks in fields:
            for path in description.get(item.name) or {}:
                _mask(fields[item.masks], path.split("."))
    return fields


def _semantic_value(
    index: Index, item: FieldSpec, kind: Any, value: Any, *, extending: bool
) -> Any:
    group = component_group(kind)
    if group is None or value is None:
        return value
    while "optional" in kind:
        kind = kind["optional"]
    if isinstance(value, Mapping) and isinstance(value.get("use"), str) and "map" not in kind:
        return _semantic(index, index.find(group, value["use"]), value, extending=extending)
    if isinstance(value, Mapping):
        return {
            k: _semantic_value(index, item, kind["map"], v, extending=extending)
            for k, v in value.items()
        }
    return [_semantic_value(index, item, kind["list"], v, extending=extending) for v in value]


def _mask(fields: Any, path: list[str]) -> None:
    if isinstance(fields, dict) and path[0] in fields:
        if len(path) == 1:
            fields[path[0]] = MASK
        else:
            _mask(fields[path[0]], path[1:])


def components(
    index: Index,
    spec: ComponentSpec,
    description: Mapping[str, Any],
    path: str = "",
    *,
    fixed: bool = False,
) -> Iterator[tuple[str, ComponentSpec, Mapping[str, Any], bool]]:
    """The component and those inside it: dotted path, spec, description, fixed.

    `fixed` says that a field on the way makes extendable fields ordinary ones.
    """
    yield path, spec, description, fixed
    for item in spec.fields:
        group = component_group(item.type)
        value = description.get(item.name)
        if group is None or value is None:
            continue
        here = f"{path}.{item.name}".strip(".")
        for name, inner in _inner(value):
            yield from components(
                index,
                index.find(group, inner["use"]),
                inner,
                f"{here}.{name}".strip("."),
                fixed=fixed or item.fixed,
            )


def _inner(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping) and isinstance(value.get("use"), str):
        yield "", value
    elif isinstance(value, Mapping):
        yield from value.items()
    else:
        yield from ((str(i), v) for i, v in enumerate(value))


def bounded(index: Index, spec: ComponentSpec, description: Description) -> list[str]:
    """Paths of the components whose result depends on a total, so that nothing can be extended."""
    return [
        path
        for path, inner, _, fixed in components(index, spec, description)
        if inner.bounded and not fixed
    ]


def extendable(
    index: Index, spec: ComponentSpec, description: Description
) -> Iterator[tuple[str, Any]]:
    """Dotted paths and values of the extendable fields."""
    if bounded(index, spec, description):
        return
    for path, inner, values, fixed in components(index, spec, description):
        for item in inner.fields:
            if item.extends and not fixed:
                yield f"{path}.{item.name}".strip("."), values.get(item.name, item.default)


def versions(index: Index, spec: ComponentSpec, description: Description) -> dict[str, Any]:
    """Version, or the digests of the source files, of every component inside, by `group/name`."""
    return {
        inner.key: dict(inner.code) or inner.version
        for _, inner, _, _ in components(index, spec, description)
    }


def packages(index: Index, spec: ComponentSpec, description: Description) -> dict[str, str]:
    """Installed versions of the distributions that the components declare."""
    names = {
        name for _, inner, _, _ in components(index, spec, description) for name in inner.packages
    }
    return {name: installed(name) for name in sorted(names)}


def files(index: Index, spec: ComponentSpec, description: Description) -> tuple[str, ...]:
    """The files and folders outside of the store that fields name, by the text of the field."""
    named = {
        str(values[item.name])
        for _, inner, values, _ in components(index, spec, description)
        for item in inner.fields
        if item.content and values.get(item.name)
    }
    return tuple(sorted(named))


def digest_of_path(path: Path) -> str:
    """Digest of a file's bytes, or of the names and bytes of all files in a folder.

    `missing` where there is nothing: the stage that reads it says so.
    """
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        # Any bytes may be a name; as text they would have no digest.
        names = [os.fsencode(p.relative_to(path)).decode(errors="backslashreplace") for p in inside]
        contents = [[name, hash_file(p)] for name, p in zip(names, inside, strict=True)]
        return Fingerprint.of("folder", contents).digest
    return hash_file(path) if path.is_file() else "missing"
