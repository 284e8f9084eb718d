"""The project: the folder a command works in, what it names, and where its store is."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aidn_pipeline.core.home import working_folder
from aidn_pipeline.errors import ConfigError, UnknownKey

KEYS = ("packages", "components")
LARGEST = 1 << 20
"""Bytes of the longest settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with `[tool.aidn]` in its `pyproject.toml`, or with recipes.

    Attributes:
        root: absolute; relative paths in a recipe are against it.
        packages: import names of the project's own packages that hold components.
        components: `group/name` to `module:attribute`, for what cannot be decorated.
        store_root: `AIDN_HOME`, else `.aidn` below the root.
        settings: text of `[tool.aidn]`, the part of the project that is trusted.
    """

    root: Path
    packages: tuple[str, ...] = ()
    components: Mapping[str, str] = field(default_factory=dict)
    store_root: Path
    settings: str = ""

    @property
    def recipes_dirs(self) -> tuple[Path, ...]:
        """Folders of the user's recipes that exist."""
        return _existing(self.root / "recipes")

    @property
    def conf_dirs(self) -> tuple[Path, ...]:
        """Folders of the user's config groups that exist."""
        return _existing(self.root / "conf")

    @property
    def import_paths(self) -> tuple[Path, ...]:
        """Folders that the project's own packages are imported from."""
        return (self.root, *_existing(self.root / "src"))


def find_project(start: Path | None = None) -> Project:
    """The project around a folder: its nearest ancestor that is one, else the folder itself.

    Args:
        start: the folder to start at; the working folder by default.

    Raises:
        ConfigError: if `[tool.aidn]` cannot be read.
        UsageError: if the working folder is gone.
    """
    here = (start or working_folder()).resolve()
    for folder in (here, *here.parents):
        table = _table(folder / "pyproject.toml")
        if table is not None or (folder / "recipes").is_dir():
            return _project(folder, table or {})
    return _project(here, {})


def _project(root: Path, table: Mapping[str, Any]) -> Project:
    place = root / "pyproject.toml"
    for key in table:
        if key not in KEYS:
            raise UnknownKey(
                f"[tool.aidn] has no key {key!r}",
                where=str(place),
                remedy=f"it takes {', '.join(KEYS)}",
            )
    packages, components = table.get("packages", []), table.get("components", {})
    if not (isinstance(packages, list) and all(isinstance(p, str) for p in packages)):
        raise ConfigError(
            "packages takes a list of names", where=str(place), remedy='packages = ["churn"]'
        )
    if not (
        isinstance(components, dict)
        and all(isinstance(v, str) and "/" in k and ":" in v for k, v in components.items())
    ):
        raise ConfigError(
            "components takes a table of names",
            where=str(place),
            remedy='components = {"model/resnet18" = "torchvision.models:resnet18"}',
        )
    return Project(
        root=root,
        packages=tuple(packages),
        components=components,
        store_root=store_folder(root),
        settings="\n".join(_lines(table)),
    )


def store_folder(root: Path) -> Path:
    """The store's folder: `AIDN_HOME`, else `.aidn` below a project's root."""
    home = os.environ.get("AIDN_HOME")
    return Path(home).expanduser().absolute() if home else root / ".aidn"


def _table(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        table = tomllib.loads(data.decode()).get("tool", {})
        table = table.get("aidn") if isinstance(table, dict) else None
    except (ValueError, RecursionError, OSError) as problem:
        raise ConfigError(
            f"pyproject.toml cannot be read: {problem}", where=str(path), remedy="correct the file"
        ) from problem
    if table is not None and not isinstance(table, dict):
        raise ConfigError("[tool.aidn] is a table", where=str(path), remedy="write `[tool.aidn]`")
    return table


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(table):
        value = table[key]
        yield f"{key} = {sorted(value.items()) if isinstance(value, dict) else value!r}"


def _existing(*folders: Path) -> tuple[Path, ...]:
    return tuple(folder for folder in folders if folder.is_dir())
