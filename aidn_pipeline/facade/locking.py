"""Writing the lock of a recipe."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.config.lock import Tree, lock_file, lock_text, read_lock
from aidn_pipeline.config.selection import after
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.plan import Plan
from aidn_pipeline.errors import NotReproducible, StorageUnwritable
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.frozen import MACHINE, against, lock_command, lock_of, shown_lock
from aidn_pipeline.store.disk import typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What came of locking a recipe.

    Attributes:
        path: of the lock.
        shown: the same relative to the project.
        was: whether there was one before.
        changed: what differs from that.
        written: whether anything was written.
        outputs: how many have their digests in it.
    """

    path: Path
    shown: str
    was: bool
    changed: tuple[str, ...]
    written: bool
    outputs: int


def lock(builder: AiModelBuilder) -> Locked:
    """Writes the lock of a recipe with its changes; one that says the same is left alone.

    Outputs are in it as far as they are in the store; those that the lock had stay, if nothing that
    they rest on has changed.

    Raises:
        FoundBeforeStart: if anything in the recipe is wrong.
        StorageUnwritable: if the file cannot be written.
    """
    # The recipe may say itself that it is to be held against its lock.
    builder = builder.configure("run.frozen=false")
    project, index = builder.workspace.project, builder.index
    spec, plan = builder.planned()
    path = lock_file(spec.recipe, project.root)
    old = _read(path)
    changed = tuple(against(old, spec, index, project)) if old is not None else ()
    outputs = _outputs(spec, plan, index)
    if old is not None and not changed and old.get("machine") == MACHINE:
        outputs = {**old.get("outputs", {}), **outputs}
        outputs = {name: outputs[name] for name in spec.stages if name in outputs}
    value: dict[str, Any] = lock_of(spec, index, project)
    if outputs:
        value |= {"machine": MACHINE, "outputs": outputs}
    text = lock_text(value, lock_command(spec.recipe, builder.overrides))
    written = not path.is_file() or path.read_bytes() != text.encode()
    if written:
        _write(path, text, project.root)
    return Locked(
        path=path,
        shown=shown_lock(path, project),
        was=old is not None,
        changed=changed,
        written=written,
        outputs=sum(map(len, outputs.values())),
    )


def _read(path: Path) -> Tree | None:
    try:
        return read_lock(path, shown=str(path), remedy="")
    except NotReproducible:
        # None, or one that is damaged, as after a merge: it is written anew.
        return None


def _write(path: Path, text: str, root: Path) -> None:
    if not path.parent.resolve().is_relative_to(root.resolve()):
        # A project from a stranger must not make us write outside of it.
        raise StorageUnwritable(
            "a lock is not written through a symbolic link that leads out of the project",
            where=str(path.parent),
            remedy="replace the link by a folder",
        )
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with typed(path, "writing the lock"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_bytes(text.encode())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def _outputs(spec: PipelineSpec, plan: Plan, index: Index) -> dict[str, Mapping[str, str]]:
    """Digests of what is there; not of versions, whose numbers depend on what was registered."""
    external = [
        name
        for name, stage in spec.stages.items()
        if index.find("stage", stage.stage["use"]).effects == "external"
    ]
    left_out = {*external, *after(spec, external)}
    return {
        row.name: {port: artifact.digest for port, artifact in row.outputs.items()}
        for row in plan.rows
        if row.outputs is not None and row.name not in left_out
    }
