"""The search order: user recipes, user conf, our recipes, our conf, then every component.

A config path is `digits`, `nlp/tiny` (recipes) or `model/mlp` (an option of a group). A component
is an option of its group by itself; a file in `conf/` is a preset.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.text import MAX_BYTES, read_mapping
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.index import Index
from aidn_pipeline.errors import BudgetExceeded, ConfigError, FoundBeforeStart, UnknownRecipe

BUILTIN = "builtin/"
PATH = re.compile(r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")
LONGEST = 240
"""Bytes of the longest name of a config file."""
HEADER = re.compile(r"^#\s*@package\s+(\S+)\s*$")


@dataclass(frozen=True, slots=True)
class Config:
    """One config of the library.

    Attributes:
        path: its config path.
        package: where its keys go, from the `@package` header; None is the group's own place.
        defaults: the defaults list as written, if there is one.
        body: everything else.
        file: how to name it in messages.
        is_component: whether no file stands behind it.
    """

    path: str
    package: str | None
    defaults: Node | None
    body: Node
    file: str
    is_component: bool = False


@dataclass(frozen=True, slots=True)
class GivenRecipe:
    """A recipe that stands in no folder of recipes: a file elsewhere, or a text.

    Attributes:
        name: its config path, which no other recipe has.
        text: its content.
        place: how to name it in messages.
    """

    name: str
    text: str
    place: str


@dataclass(slots=True)
class Library:
    """Recipes, presets and components by config path; user files first.

    Attributes:
        project: whose files come first.
        index: components that may be named.
        given: one more recipe.
        problems: takes what is wrong in a file and leaves the rest of it readable; without it the
            first of them is raised.
        texts: of the files that were read, by the name that messages have for them.
        recipes_dirs: folders of recipes, user first, each once.
        conf_dirs: folders of groups, user first, each once.
    """

    project: Project
    index: Index
    given: GivenRecipe | None = None
    problems: list[FoundBeforeStart] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    recipes_dirs: tuple[Path, ...] = field(init=False)
    conf_dirs: tuple[Path, ...] = field(init=False)
    _loaded: dict[str, Config | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recipes, conf = data_folder("recipes").resolve(), data_folder("conf").resolve()
        self.recipes_dirs = tuple(dict.fromkeys((*self.project.recipes_dirs, recipes)))
        self.conf_dirs = tuple(dict.fromkeys((*self.project.conf_dirs, conf)))
        for folder in self.recipes_dirs:
            for child in folder.iterdir():
                if child.is_dir() and (self.is_group(child.name) or child.name == "builtin"):
                    raise ConfigError(
                        f"the folder of recipes {child.name!r} would hide the group of that name",
                        where=self.shown(child),
                        remedy="rename the folder",
                    )

    def is_group(self, name: str) -> bool:
        """Whether a name is a config group."""
        if not is_path(name):
            return False
        return name in self.index.groups() or any((d / name).is_dir() for d in self.conf_dirs)

    def groups(self) -> list[str]:
        """Names of all groups, sorted."""
        found = set(self.index.groups())
        for folder in self.conf_dirs:
            if folder.is_dir():
                found |= {child.name for child in folder.iterdir() if child.is_dir()}
        return sorted(found)

    def options(self, group: str) -> list[str]:
        """Options of a group, sorted: presets and components."""
        found = set(self.index.names(group))
        for folder in self.conf_dirs:
            found |= {file.stem for file in (folder / group).glob("*.yaml")}
        return sorted(found)

    def recipes(self) -> dict[str, Path]:
        """Recipe names and files; a user's file hides a shipped one."""
        found: dict[str, Path] = {}
        for folder in self.recipes_dirs:
            for file in sorted(folder.rglob("*.yaml")):
                if not _is_inside(file, folder):
                    continue
                found.setdefault(file.relative_to(folder).with_suffix("").as_posix(), file)
        return found

    def place_of_recipe(self, name: str) -> str:
        """How messages name the file of a recipe.

        Raises:
            UnknownRecipe: with the nearest name.
        """
        if self.given is not None and self.given.name == name:
            return self.given.place
        file = self._recipe_file(name)
        if file is None:
            known = sorted(self.recipes())
            raise UnknownRecipe(
                f"there is no recipe {name!r}",
                where=f"recipe={name}",
                remedy=nearest(name, known, noun="recipes"),
            )
        return self.shown(file)

    def shadowed(self, path: str) -> Path | None:
        """The shipped file that a user's file of the same config path hides."""
        mine = self._file(path)
        for folder in (data_folder("recipes").resolve(), data_folder("conf").resolve()):
            ours = folder / f"{path}.yaml"
            if mine is not None and ours.is_file() and ours != mine:
                return ours
        return None

    def load(self, path: str) -> Config | None:
        """The config of a path, or None.

        Raises:
            ConfigError: as `aidn_pipeline.config.text.read_mapping`.
        """
        if path not in self._loaded:
            self._loaded[path] = self._load(path)
        return self._loaded[path]

    def amend(self, config: Config) -> None:
        """Has a config stand for the one of its path, so that what else is wrong can be told."""
        self._loaded[config.path] = config

    def shown(self, file: Path) -> str:
        """A file's name in messages: relative inside the project, else absolute."""
        return str(
            file.relative_to(self.project.root) if file.is_relative_to(self.project.root) else file
        )

    def _load(self, path: str) -> Config | None:
        if not is_path(path):
            return None
        if self.given is not None and self.given.name == path:
            return self._config(path, self.given.text, self.given.place, is_recipe=True)
        file = self._file(path)
        if file is None:
            group, _, name = path.rpartition("/")
            spec = self.index.get(group, name)
            if spec is None:
                return None
            body = Node({"use": Node(spec.name, f"component {spec.key}")}, f"component {spec.key}")
            return Config(path, None, None, body, f"component {spec.key}", is_component=True)
        text = text_of(file, self.shown(file))
        is_recipe = self._recipe_file(path) == file
        return self._config(path, text, self.shown(file), is_recipe=is_recipe)

    def _config(self, path: str, text: str, place: str, *, is_recipe: bool) -> Config:
        self.texts[place] = text
        node = read_mapping(text, place, self.problems)
        body = replace(node, value={k: v for k, v in node.value.items() if k != "defaults"})
        package = package_of(text)
        if package is None and is_recipe:
            package = "_global_"
        return Config(path, package, node.get("defaults"), body, place)

    def _recipe_file(self, path: str) -> Path | None:
        if not is_path(path):
            return None
        if path.startswith(BUILTIN):
            return _first((data_folder("recipes").resolve(),), path.removeprefix(BUILTIN))
        return _first(self.recipes_dirs, path)

    def _file(self, path: str) -> Path | None:
        if path.startswith(BUILTIN):
            ours = (data_folder("recipes").resolve(), data_folder("conf").resolve())
            return _first(ours, path.removeprefix(BUILTIN))
        user = (*self.project.recipes_dirs, *self.project.conf_dirs)
        return _first((*user, *self.recipes_dirs, *self.conf_dirs), path)


def is_path(text: str) -> bool:
    """Whether a text may be the path of a config, which leads nowhere but down."""
    # No file system takes a longer name: asked for one, it answers with an error.
    return PATH.match(text) is not None and all(len(p.encode()) <= LONGEST for p in text.split("/"))


def _first(folders: tuple[Path, ...], path: str) -> Path | None:
    for folder in folders:
        file = folder / f"{path}.yaml"
        if file.is_file():
            if not _is_inside(file, folder):
                raise ConfigError(
                    f"{path!r} is a link that leads out of its folder",
                    where=str(file),
                    remedy="put the file itself there: a project's configs are those in its "
                    "folders",
                )
            return file
    return None


def _is_inside(file: Path, folder: Path) -> bool:
    """Whether a file is in its folder, wherever links lead; the folder itself may be one."""
    return file.resolve().is_relative_to(folder.resolve())


def text_of(file: Path, shown: str) -> str:
    """The text of a config file.

    Raises:
        BudgetExceeded: if it is too large.
        ConfigError: if it cannot be read, or is not UTF-8.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BudgetExceeded(
                f"a config file of more than {MAX_BYTES:,} bytes",
                where=shown,
                remedy="keep data out of configs: give the path of a file",
            )
        return data.decode("utf-8")
    except OSError as problem:
        raise ConfigError(
            f"the file cannot be read: {problem.strerror}", where=shown, remedy="make it readable"
        ) from problem
    except UnicodeDecodeError as problem:
        raise ConfigError(
            "the file is not UTF-8", where=shown, remedy="save it as UTF-8"
        ) from problem


def package_of(text: str) -> str | None:
    """Where a config's keys go, from the `@package` comment on top; None if there is none."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        header = HEADER.match(line)
        if header:
            return header[1]
    return None
