"""The component index of a project: ours, as generated, and the project's own, once trusted."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aidn_pipeline.config.builtin import PACKAGE, data_folder
from aidn_pipeline.config.code import Codebase, distributions, installed_folder
from aidn_pipeline.config.discover import Found, components_in
from aidn_pipeline.config.memory import refuse_stale
from aidn_pipeline.config.outline import remember
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.trust import needs_trust, require_trust
from aidn_pipeline.core.fingerprint import JSON, Fingerprint, digest_bytes
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.errors import ConfigError
from aidn_pipeline.memo import cache_folder

FORMAT = 1
TIMEOUT_S = 300.0
MOST_PROJECTS = 256
"""Projects of which something is cached; with more, the oldest go."""


def builtin_index() -> Index:
    """The shipped components.

    Raises:
        ConfigError: if the generated file is missing or of another release.
    """
    path = data_folder("schemas") / "components.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ConfigError(
            f"the component index cannot be read: {problem}",
            where=str(path),
            remedy="install the package again, or run `python -m aidn_pipeline.config.generate`",
        ) from problem
    return Index(ComponentSpec.from_json(item) for item in value["components"])


def load_index(project: Project) -> Index:
    """All components that a recipe of the project may name.

    Raises:
        NotTrusted: if the project names code of its own and nobody trusted it.
        ConfigError: if that code cannot be read or imported.
    """
    builtin = builtin_index()
    if not needs_trust(project):
        return builtin
    require_trust(project)
    return builtin.merged(own_components(project))


def own_components(project: Project) -> list[ComponentSpec]:
    """The components of a trusted project, from the cache while no file of it changed.

    Raises:
        ConfigError: if its code cannot be read or imported.
    """
    codebase = _codebase(project)
    files = {m: f for package in project.packages for m, f in codebase.modules_of(package)}
    cached = cache_of(project) / f"components-{_key(project, codebase, files)}.json"
    specs = _read(cached)
    if specs is None:
        found = {m: list(components_in(codebase.tree(f)[1], f)) for m, f in files.items()}
        _check_names(project, found, files)
        specs = _introspect(project, found)
        _write(cached, specs)
    coded = [_with_code(spec, codebase) for spec in specs]
    for file, module in codebase.trees.items():
        remember(outlines(), codebase.digest(file), module)
    return coded


def outlines() -> Path:
    """The folder with the outlines of all projects' files, see `aidn_pipeline.config.outline`."""
    return Path(cache_folder(), "outlines")


def cache_of(project: Project) -> Path:
    """Where its index is, in the user's own cache: a look writes nothing into a project."""
    key = Fingerprint.of("project-cache", str(project.root)).hex[:32]
    return Path(cache_folder(), "projects", key)


def code_files(project: Project) -> list[Path]:
    """The files that the components of a trusted project may consist of.

    Raises:
        ConfigError: if its code cannot be read.
    """
    codebase = _codebase(project)
    files = {m: f for package in project.packages for m, f in codebase.modules_of(package)}
    return sorted({*files.values(), *(file for module in files for file in codebase.files(module))})


def refuse_stale_components(project: Project, specs: Iterable[ComponentSpec]) -> None:
    """Checks the project's modules that some components consist of, where they are imported.

    Raises:
        ConfigError: for a module that was edited or changed since it was imported.
    """
    codebase = _codebase(project)
    for module in sorted({spec.module for spec in specs if spec.code}):
        if codebase.file_of(module) is not None:
            codebase.closure(module)
    refuse_stale(codebase.trees)


def _codebase(project: Project) -> Codebase:
    codebase = Codebase(project.root, project.import_paths)
    # A project may be installed, and its recipes stand in another folder.
    elsewhere = {
        name: folder
        for name in project.packages
        if not any((path / name).is_dir() for path in project.import_paths)
        and codebase.file_of(name) is None
        and (folder := installed_folder(name))
    }
    return replace(codebase, installed=elsewhere)


def _key(project: Project, codebase: Codebase, files: dict[str, Path]) -> str:
    reached = sorted({file for module in files for file in codebase.files(module)})
    contents: JSON = {str(file): digest_bytes(file.read_bytes()) for file in reached}
    ours = digest_bytes((data_folder("schemas") / "components.json").read_bytes())
    facts: JSON = [FORMAT, sys.version, str(project.root), project.settings, contents, ours]
    return Fingerprint.of("own-components", facts).hex[:32]


def _check_names(
    project: Project, found: Mapping[str, list[Found]], files: Mapping[str, Path]
) -> None:
    settings = f"{project.root / 'pyproject.toml'} ([tool.aidn] components)"
    named = [
        (f"{item.group}/{item.name}", f"{files[module]}:{item.line}")
        for module, items in found.items()
        for item in items
    ]
    named += [(key, settings) for key in project.components]
    places = {spec.key: f"the built-in {spec.module}:{spec.attribute}" for spec in builtin_index()}
    for key, place in named:
        if key in places:
            raise ConfigError(
                f"two components are named {key}: {places[key]} and the one at {place}",
                where=place,
                remedy=f"give this one a name of its own, such as `my_{key.partition('/')[2]}`",
            )
        places[key] = place


def _introspect(project: Project, found: dict[str, list[Found]]) -> list[ComponentSpec]:
    request = {
        "root": str(project.root),
        "paths": [str(path) for path in project.import_paths],
        "components": [
            [module, item.attribute] for module, items in found.items() for item in items
        ],
        "external": dict(project.components),
    }
    place = str(project.root / "pyproject.toml")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "aidn_pipeline.config.introspect_modules"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            cwd=PACKAGE.parent,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise ConfigError(
            f"importing the project's packages took more than {TIMEOUT_S:.0f} s",
            where=place,
            remedy="a component's module only defines things when it is imported",
        ) from problem
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(
            f"the project's packages cannot be imported: {last}",
            where=place,
            remedy="import them in a Python session to see the whole message",
        )
    value: dict[str, Any] = json.loads(done.stdout)
    if "error" in value:
        error = value["error"]
        raise ConfigError(error["problem"], where=error["where"], remedy=error["remedy"])
    return [ComponentSpec.from_json(item) for item in value["specs"]]


def _with_code(spec: ComponentSpec, codebase: Codebase) -> ComponentSpec:
    if codebase.file_of(spec.module) is None:
        return replace(spec, packages=_merged(spec, {spec.module.partition(".")[0]}))
    code, foreign = codebase.closure(spec.module)
    return replace(spec, code=code, packages=_merged(spec, foreign))


def _merged(spec: ComponentSpec, modules: set[str]) -> tuple[str, ...]:
    return tuple(sorted({*spec.packages, *distributions(modules)}))


def _read(path: Path) -> list[ComponentSpec] | None:
    try:
        digest, _, data = path.read_bytes().partition(b"\n")
        # A flipped bit would be another default, or another field that counts.
        if digest.decode() != digest_bytes(data):
            return None
        return [ComponentSpec.from_json(item) for item in json.loads(data)]
    except (OSError, ValueError, TypeError, AttributeError):
        # A cache that cannot be read is made anew.
        return None


def _write(path: Path, specs: list[ComponentSpec]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps([spec.to_json() for spec in specs]).encode()
        temporary.write_bytes(digest_bytes(data).encode() + b"\n" + data)
        temporary.replace(path)
        _forget_oldest(path.parent.parent)
        # With what a killed process left half-written; a live one makes its own anew.
        for old in path.parent.glob("components-*.json*"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError:
        # Only time is lost: opening the store tells of a folder that cannot be written.
        with contextlib.suppress(OSError):
            temporary.unlink()


def _forget_oldest(folder: Path) -> None:
    kept = list(folder.iterdir())
    if len(kept) > MOST_PROJECTS:
        kept.sort(key=lambda project: project.stat().st_mtime)
        for project in kept[: MOST_PROJECTS // 2]:
            shutil.rmtree(project, ignore_errors=True)
