"""Which recipes there are, by the comments on top of them; nothing is composed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.project import Project
from aidn_pipeline.core.index import Index


@dataclass(frozen=True, slots=True)
class RecipeInfo:
    """A recipe in a list.

    Attributes:
        name: as in `recipe=NAME`.
        path: its file.
        header: first sentence of the comment on top; empty if there is none.
        builtin: whether it is shipped.
    """

    name: str
    path: Path
    header: str
    builtin: bool


def list_recipes(project: Project) -> list[RecipeInfo]:
    """All recipes by name; a user's recipe hides a shipped one of the same name."""
    ours = data_folder("recipes").resolve()
    found = Library(project, Index(())).recipes()
    return [
        RecipeInfo(name, path, _header(path), path.is_relative_to(ours))
        for name, path in sorted(found.items())
    ]


def _header(path: Path) -> str:
    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        text = line.removeprefix("#").strip()
        if not line.startswith("#"):
            break
        if text and not text.startswith(("@package", "yaml-language-server")):
            return text
    return ""
