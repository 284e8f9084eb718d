"""Keeps the schemas that a project's editor reads as fresh as its components and presets.

Looking whether they are costs a few calls of `stat`; what writes them is imported where they are
not.
"""

import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.indexes import cache_of
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.trust import needs_trust
from aidn_pipeline.core.index import Index

FOLDER = Path(".aidn", "schemas")
"""Where a project has its schemas, below its root and wherever its store is."""
RECIPE_FILE = "recipe.schema.json"


def refresh(project: Project, index: Index) -> None:
    """Writes the schemas of a project where something changed that they are made from.

    A project gets them where it has components of its own, which the shipped schemas refuse, or
    where it has them already. That they cannot be written is no reason to stop.
    """
    with contextlib.suppress(OSError):
        if is_stale(project):
            import_module("aidn_pipeline.config.schema_files").write_for(project, index)


def is_stale(project: Project) -> bool:
    """Whether the schemas of a project are older than what they are made from.

    Raises:
        OSError: if a folder cannot be looked at.
    """
    written = project.root / FOLDER / RECIPE_FILE
    if not written.exists():
        return needs_trust(project)
    own = cache_of(project).glob("components-*.json")
    sources = (data_folder("schemas") / "components.json", *own, *_groups(project))
    made = written.stat().st_mtime_ns
    # What changed in the same tick of the clock may have changed after.
    return any(file.stat().st_mtime_ns >= made for file in sources)


def _groups(project: Project) -> Iterator[Path]:
    # A folder is changed by every preset that comes or goes.
    for folder in project.conf_dirs:
        yield folder
        yield from (child for child in folder.iterdir() if child.is_dir())
