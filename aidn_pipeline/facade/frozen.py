"""A recipe held against its lock: before a run what it rests on, after it the bytes it came to."""

import platform
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.config.definitions import definitions
from aidn_pipeline.config.lock import FORMAT, Path_, lock_file, lock_text, parsed, read_lock
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.selection import UNASKED
from aidn_pipeline.config.unlocked import Tree, differences, outputs_that_differ
from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.core.installed import installed
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.engine.fingerprint import (
    components,
    digest_of_path,
    extendable,
    files,
    packages,
    semantic,
)
from aidn_pipeline.errors import NotReproduced, NotReproducible
from aidn_pipeline.facade.information import PACKAGES

SHOWN = 20
"""Differences that are told of at once."""
MACHINE = f"{platform.system()} {platform.machine()}"
"""Whose outputs are compared: another kind of machine may round differently."""


def lock_of(spec: PipelineSpec, index: Index, project: Project) -> dict[str, Any]:
    """What the results of a pipeline rest on, without its outputs."""
    stages = [stage.stage for stage in spec.stages.values()]
    found = [
        inner
        for stage in stages
        for _, inner, _, _ in components(index, index.find("stage", stage["use"]), stage)
    ]
    named: dict[str, str] = {}
    for stage in stages:
        component = index.find("stage", stage["use"])
        named |= packages(index, component, stage)
    named |= {name: version for name in PACKAGES if (version := installed(name))}
    read = {name for s in stages for name in files(index, index.find("stage", s["use"]), s)}
    return {
        "format": FORMAT,
        "recipe": spec.recipe,
        "name": spec.name,
        "seed": spec.seed,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": dict(sorted(named.items())),
        "environment": {k: False if v is None else v for k, v in spec.environment.items()},
        "files": {name: digest_of_path(project.root / name) for name in sorted(read)},
        "components": {c.key: c.version for c in sorted(found, key=_key) if not c.code},
        "code": _code({path: d for inner in found for path, d in inner.code.items()}, project),
        "stages": {name: _stage(stage, index) for name, stage in spec.stages.items()},
    }


def _key(component: ComponentSpec) -> str:
    return component.key


def _stage(stage: StageSpec, index: Index) -> dict[str, Any]:
    """What of a stage can change a result; a searched value has none of its own."""
    component = index.find("stage", stage.stage["use"])
    fields = semantic(index, component, stage.stage)
    for path, value in extendable(index, component, stage.stage):
        *above, last = path.split(".")
        node = fields
        for key in above:
            node = node[key]
        node[last] = value
    inputs = {port: [str(ref) for ref in refs] for port, refs in stage.inputs.items()}
    wired = {port: refs[0] if len(refs) == 1 else refs for port, refs in inputs.items()}
    skipped = {"skip": True} if stage.skip and not stage.skip.startswith(UNASKED) else {}
    return {**fields, "inputs": wired, **skipped}


def _code(digests: Mapping[str, str], project: Project) -> dict[str, Any]:
    """Of each file what it defines; of one that is not read here, such as a cell, its digest."""
    found: dict[str, Any] = {}
    for path, digest in sorted(digests.items()):
        places = (project.root / path, *(folder / path for folder in project.import_paths))
        file = next((place for place in places if place.is_file()), None)
        try:
            found[path] = definitions(file.read_text(encoding="utf-8")) if file else {path: digest}
        except (OSError, ValueError, SyntaxError, RecursionError):
            found[path] = {path: digest}
    return found


def refuse_unlocked(
    spec: PipelineSpec, index: Index, project: Project, overrides: Sequence[str]
) -> None:
    """Checks that nothing differs from the recipe's lock.

    Args:
        spec: the pipeline, before stages were selected.
        index: the components.
        project: where the lock is.
        overrides: the changes of the recipe, for the command that writes the lock.

    Raises:
        NotReproducible: if there is no lock; naming everything that differs.
    """
    path = lock_file(spec.recipe, project.root)
    shown, command = shown_lock(path, project), lock_command(spec.recipe, overrides)
    old = read_lock(path, shown=shown, remedy=f"write it: `aidn-run lock {command}`")
    found = against(old, spec, index, project)
    if not found:
        return
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    told = "\n".join(f"    {text}" for text in [*found[:SHOWN], *more])
    things = "1 thing differs" if len(found) == 1 else f"{len(found)} things differ"
    raise NotReproducible(
        f"{things} from the lock:\n{told}",
        where=shown,
        remedy=f"if that is meant, write the lock anew and commit it: `aidn-run lock {command}`",
    )


def against(old: Tree, spec: PipelineSpec, index: Index, project: Project) -> list[str]:
    """What differs between a lock and what a pipeline comes to."""
    # Both as they are read: what a text cannot tell apart is no difference.
    new = parsed(lock_text(lock_of(spec, index, project), ""), "")

    def place(name: str, path: Path_) -> str:
        return _place(spec, index, name, path)

    return differences(old, new, place)


def _place(spec: PipelineSpec, index: Index, name: str, path: Path_) -> str:
    if not name:
        return spec.origins.get(path[0], "")
    key = ".".join(("stages", name, *path))
    if key in spec.origins:
        return spec.origins[key]
    stage = spec.stages[name].stage
    dotted = ".".join(path)
    inside = [
        (inner_path, inner)
        for inner_path, inner, _, _ in components(index, index.find("stage", stage["use"]), stage)
        if not inner_path or f"{dotted}.".startswith(f"{inner_path}.")
    ]
    owner = max(inside, key=lambda found: len(found[0]))[1]
    file = owner.module.replace(".", "/")
    file = next((p for p in owner.code if p.endswith((f"{file}.py", f"{file}/__init__.py"))), "")
    return f"default of {owner.key}{f', {file}' if file else ''}"


def differing_outputs(
    spec: PipelineSpec, project: Project, outputs: Mapping[str, Mapping[str, Artifact]]
) -> tuple[str, int]:
    """Holds the outputs of a run against the locked ones.

    Returns:
        How the lock is called, and how many outputs were compared: none on another machine.

    Raises:
        NotReproduced: naming the outputs with other bytes.
    """
    path = lock_file(spec.recipe, project.root)
    shown = shown_lock(path, project)
    lock = read_lock(path, shown=shown, remedy="write it anew")
    if lock.get("machine") != MACHINE:
        return shown, 0
    found = {n: {port: a.digest for port, a in ports.items()} for n, ports in outputs.items()}
    differs, compared = outputs_that_differ(lock, found)
    if differs:
        few = ", ".join(differs[:SHOWN])
        raise NotReproduced(
            f"the run came to other bytes than the locked ones: {few}",
            where=shown,
            remedy="nothing that the lock holds differs: look for randomness that is not from "
            "`ctx.rng(NAME)`, for clocks, and for files that no field names",
        )
    return shown, compared


def shown_lock(path: Path, project: Project) -> str:
    """A lock as messages name it."""
    return path.relative_to(project.root).as_posix()


def lock_command(recipe: str, overrides: Sequence[str]) -> str:
    """The words of a command that are about what is locked."""
    kept = [text for text in overrides if not text.lstrip("+").startswith("run.")]
    return " ".join(map(shlex.quote, [f"recipe={recipe}", *kept]))
