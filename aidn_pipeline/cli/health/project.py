"""The project: its root, `[tool.aidn]`, trust, packages and recipes."""

import sys
from collections.abc import Iterator
from pathlib import Path

from aidn_pipeline.cli.health import places
from aidn_pipeline.cli.health.finding import Finding, doubtful, sound, told, wrong
from aidn_pipeline.cli.health.packages import MODULES, declared
from aidn_pipeline.config.code import Codebase, installed_folder
from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.indexes import load_index
from aidn_pipeline.config.project import Project, find_project, store_folder
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.trust import is_trusted, needs_trust
from aidn_pipeline.core.home import working_folder
from aidn_pipeline.core.index import Index
from aidn_pipeline.errors import AidnError, ConfigProblems
from aidn_pipeline.facade.workspace import BUNDLES

PARTS = ("recipes", "conf", "src")


def found() -> tuple[Project, list[Finding]]:
    """The project around the working folder, and what is wrong with its settings.

    With settings that cannot be read it is as if there were none: its store is looked at all the
    same.
    """
    try:
        return find_project(), []
    except AidnError as error:
        here = working_folder().resolve()
        root = next((f for f in (here, *here.parents) if (f / "pyproject.toml").is_file()), here)
        return Project(root=root, store_root=store_folder(root)), [told(error)]


def examine(project: Project) -> Iterator[Finding]:
    """Looks at it; its own code is imported only if it is trusted, and in another process."""
    root = project.root
    is_one = bool(project.settings or project.recipes_dirs)
    yield sound("project" if is_one else "no project here: shipped recipes run in it", str(root))
    if (finding := places.owner(root)) is not None:
        yield finding
    yield from places.links(root / part for part in PARTS)
    yield from places.bundles(root / BUNDLES)
    missing = list(_missing(project))
    yield from missing
    if needs_trust(project):
        yield from _hiding(project)
    if not is_trusted(project):
        named = ", ".join([*project.packages, *project.components.values()])
        yield wrong(
            f"the workspace is not trusted: its code ({named}) does not run",
            str(root / "pyproject.toml"),
            "read it, then type `aidn-run trust` once (in CI: AIDN_TRUST=1)",
        )
        return
    if missing:
        return
    try:
        index = load_index(project)
    except AidnError as error:
        yield told(error)
        return
    own = [s for s in index if s.module.partition(".")[0] in project.packages]
    if needs_trust(project):
        count = len(own) + len(project.components)
        noun = "component" if count == 1 else "components"
        yield sound(f"trusted, {count} {noun} of its own", str(root / "pyproject.toml"))
    yield from _recipes(project, index)


def _hiding(project: Project) -> Iterator[Finding]:
    names = sys.stdlib_module_names | {MODULES.get(n, n) for n in declared().packages}
    for folder in project.import_paths:
        for place in sorted(folder.iterdir()):
            name = place.stem if place.suffix == ".py" else place.name
            if name in names and (place.suffix == ".py" or (place / "__init__.py").is_file()):
                yield wrong(
                    f"{place.name} is imported in place of the package {name!r}",
                    str(place),
                    "rename it: the project's folder comes first on the path",
                )


def _missing(project: Project) -> Iterator[Finding]:
    codebase = Codebase(project.root, project.import_paths)
    for name in project.packages:
        here = any((path / name).is_dir() for path in project.import_paths)
        if here or codebase.file_of(name) is not None or installed_folder(name) is not None:
            continue
        yield wrong(
            f"the package {name!r} is listed under [tool.aidn] and is nowhere",
            str(project.root / "pyproject.toml"),
            f"make the folder `{name}`, install the package, or take it off the list",
        )


def _recipes(project: Project, index: Index) -> Iterator[Finding]:
    own = [recipe for recipe in list_recipes(project) if not recipe.builtin]
    good = []
    for recipe in own:
        try:
            load_recipe(recipe.name, (), project, index)
            good.append(recipe.name)
        except ConfigProblems as error:
            first, *rest = error.problems
            more = f" (and {len(rest)} more)" if rest else ""
            yield doubtful(
                f"recipe {recipe.name}: {first.problem}{more}",
                first.where or _shown(recipe.path, project),
                first.remedy or f"see `aidn-run plan recipe={recipe.name}`",
            )
        except AidnError as error:
            yield doubtful(
                f"recipe {recipe.name}: {error.problem}",
                error.where or _shown(recipe.path, project),
                error.remedy or f"see `aidn-run plan recipe={recipe.name}`",
            )
    if good:
        yield sound(f"recipes that compose: {', '.join(good)}", str(project.root / "recipes"))


def _shown(path: Path, project: Project) -> str:
    return str(path.relative_to(project.root) if path.is_relative_to(project.root) else path)
