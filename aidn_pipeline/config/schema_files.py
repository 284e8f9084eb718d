"""The schemas as files, and how an editor finds them: by a comment on top of every YAML.

schemas/recipe.schema.json         recipes/**.yaml, conf/pipeline/*.yaml
schemas/resolved.schema.json       what `aidn-run show recipe=NAME` prints
schemas/conf/GROUP.schema.json     conf/GROUP/*.yaml
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from aidn_pipeline.config.editor import FOLDER
from aidn_pipeline.config.library import Library, package_of, text_of
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.schema import (
    RECIPE,
    RESOLVED,
    preset_schema,
    recipe_schema,
    resolved_schema,
)
from aidn_pipeline.config.schema_types import Schema
from aidn_pipeline.core.index import Index

MARK = "# yaml-language-server: $schema="
GLOBAL = "_global_"


def documents(library: Library) -> dict[str, Schema]:
    """Every schema by the path of its file below the folder of schemas."""
    index = library.index
    options = {group: library.options(group) for group in library.groups() if group != "stage"}
    return {
        f"{RECIPE}.schema.json": recipe_schema(index, options),
        f"{RESOLVED}.schema.json": resolved_schema(index),
        **{f"conf/{group}.schema.json": preset_schema(group) for group in index.groups()},
    }


def write(library: Library, folder: Path) -> list[Path]:
    """Writes all schemas of a project; the files. The one of recipes is the last: it dates all.

    Raises:
        OSError: if one cannot be written.
    """
    found = []
    for name, document in reversed(documents(library).items()):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(text(document), encoding="utf-8")
        temporary.replace(file)
        found.append(file)
    return found


def text(document: object) -> str:
    """A document as it stands in a file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write_for(project: Project, index: Index) -> None:
    """Writes the schemas of a project where its editor looks for them.

    Raises:
        OSError: if one cannot be written.
    """
    write(Library(project, index), project.root / FOLDER)


def header(file: Path, schemas: Path, name: str) -> str:
    """The comment by which an editor finds the schema of a file.

    Args:
        file: a recipe or a preset.
        schemas: the folder of schemas.
        name: of the schema below that folder.
    """
    target, start = (schemas / name).absolute().parts, file.absolute().parent.parts
    same = next(
        (i for i, (one, other) in enumerate(zip(target, start, strict=False)) if one != other),
        min(len(target), len(start)),
    )
    return MARK + "/".join([*[".."] * (len(start) - same), *target[same:]])


def headed(content: str, line: str) -> str:
    """A YAML text with that comment: in the place of another one, or below `@package`."""
    lines = content.splitlines(keepends=True)
    kept = [one for one in lines if not one.startswith(MARK)]
    at = next((i + 1 for i, one in enumerate(kept) if one.startswith("# @package")), 0)
    return "".join([*kept[:at], f"{line}\n", *kept[at:]])


def headers(project: Project, schemas: Path, index: Index) -> dict[Path, str]:
    """The comment that belongs on top of each recipe and preset of a project.

    A preset of a group that has no components needs none: nothing is known of it.
    """
    found = {
        file: header(file, schemas, f"{RECIPE}.schema.json")
        for folder in project.recipes_dirs
        for file in sorted(folder.rglob("*.yaml"))
    }
    for folder in project.conf_dirs:
        for file in sorted(folder.glob("*/*.yaml")):
            group = file.parent.name
            if package_of(text_of(file, str(file))) == GLOBAL:
                found[file] = header(file, schemas, f"{RECIPE}.schema.json")
            elif group in index.groups():
                found[file] = header(file, schemas, f"conf/{group}.schema.json")
    return found


def head(lines: Mapping[Path, str]) -> list[Path]:
    """Writes the comments on top of the files that have another one or none; those files.

    Raises:
        OSError: if one cannot be written.
    """
    changed = []
    for file, line in lines.items():
        content = file.read_text(encoding="utf-8")
        if line not in content.splitlines():
            file.write_text(headed(content, line), encoding="utf-8")
            changed.append(file)
    return changed
