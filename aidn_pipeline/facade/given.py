"""Recipes as a program gives them: by name, by path, or as text."""

from collections.abc import Iterator
from pathlib import Path

from aidn_pipeline.config.library import PATH, GivenRecipe, Library, text_of
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.errors import UnknownRecipe
from aidn_pipeline.facade.workspace import Workspace

ENDINGS = (".yaml", ".yml")
SCRATCH = GivenRecipe(
    "scratch",
    """\
# @package _global_
# The standard pipeline without a sweep, to be configured.
defaults:
  - /pipeline: standard
  - /model: mlp
  - /optimizer: adamw
  - _self_

name: model
stages:
  tune: null
""",
    "AiModelBuilder()",
)
"""What a builder starts from that was given no recipe."""


def given_recipe(recipe: str | Path, workspace: Workspace) -> tuple[str, GivenRecipe | None]:
    """The config path of a recipe, and the recipe itself where it stands in no folder of recipes.

    Args:
        recipe: a name; the path of a file (a `Path`, or a text that ends in `.yaml`); or the text
            of a recipe, of more than one line.
        workspace: the project it is run in.

    Raises:
        UnknownRecipe: if there is no file at the path.
    """
    library = Library(workspace.project, workspace.index)
    if isinstance(recipe, str) and "\n" in recipe:
        return _named("recipe", recipe, "the text of the recipe", library)
    if isinstance(recipe, str) and not recipe.endswith(ENDINGS):
        return recipe, None
    file = Path(recipe).expanduser().absolute()
    if not file.is_file():
        near = nearest(file.stem, sorted(library.recipes()))
        raise UnknownRecipe(
            f"there is no file {str(recipe)!r}",
            where=str(file),
            remedy=f"recipes are named without an ending: {near}",
        )
    for folder in library.recipes_dirs:
        if file.resolve().is_relative_to(folder):
            return file.resolve().relative_to(folder).with_suffix("").as_posix(), None
    shown = library.shown(file)
    return _named(file.stem, text_of(file, shown), shown, library)


def _named(name: str, text: str, place: str, library: Library) -> tuple[str, GivenRecipe]:
    # A name of its own: the recipe may extend the one it is called like.
    path = next(n for n in _names(name) if n not in library.recipes())
    return path, GivenRecipe(path, text, place)


def _names(name: str) -> Iterator[str]:
    base = name if PATH.match(name) else "recipe"
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
