"""The defaults list, resolved by Hydra over our own library; the only file that imports Hydra.

Hydra decides which configs take part, in which order and at which place. Reading the files and
merging them is ours, so that every value keeps its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hydra import version
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.defaults_list import Overrides, _create_defaults_list
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import ConfigDefault, GroupDefault, InputDefault, ResultDefault
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException, MissingConfigException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aidn_pipeline.config.library import BUILTIN, Config, Library, is_path
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.tree import Node
from aidn_pipeline.errors import ConfigError, UnknownComponent, UnknownKey, UnknownRecipe

EMPTY = OmegaConf.create({})
"""The body of every config, which is merged by us; it keeps Hydra from warning of `_self_`."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One config at one place.

    Attributes:
        config: what is merged.
        package: dotted path it is merged at; empty for the root.
        mount: the group mounted there, if the config is an option of one.
    """

    config: Config
    package: str
    mount: str | None


def resolve_defaults(library: Library, recipe: str, choices: Mapping[str, str]) -> list[Layer]:
    """The configs a recipe consists of, lowest first.

    Args:
        library: where to look.
        recipe: config path of the recipe.
        choices: option by `group` or `group@package`, from the command line.

    Raises:
        ConfigError: if an option, a group or a recipe is unknown, or a config extends itself.
    """
    version.setbase("1.3")
    repository = _Repository(library)
    try:
        return _resolve(repository, recipe, dict(choices), {})
    except MissingConfigException as problem:
        raise _missing(repository, str(problem.missing_cfg_file), choices) from problem
    except (ConfigCompositionException, OmegaConfBaseException, ValueError) as problem:
        raise ConfigError(
            "the defaults list, with those of the configs in it, does not compose",
            where=_list_of(library, recipe),
            remedy="take entries out until it does, and compare with `recipes/digits.yaml`",
        ) from problem


def _list_of(library: Library, recipe: str) -> str:
    config = library.load(recipe)
    listed = config.defaults if config is not None else None
    return listed.origin if listed is not None else library.place_of_recipe(recipe)


def refuse_recursion(library: Library, path: str, above: tuple[str, ...] = ()) -> None:
    """Refuses a config that extends itself, directly or through others.

    Raises:
        ConfigError: naming the line.
    """
    config = library.load(path)
    if config is None or config.defaults is None:
        return
    group = path.rpartition("/")[0]
    for default, origin in entries_of(config):
        value = option_of(default)
        if not isinstance(value, str) or value == "_self_":
            continue
        prefix = default.group if isinstance(default, GroupDefault) else ""
        inner = f"{prefix}/{value}" if prefix else value
        inner = inner[1:] if inner.startswith("/") else f"{group}/{inner}".lstrip("/")
        # What is put in the place of another option begins a chain of its own.
        chain = (*above, path) if not default.is_override() else ()
        if inner in chain:
            hint = (
                f"write `- /{BUILTIN}{inner}` for the shipped one"
                if library.shadowed(inner)
                else "remove the entry"
            )
            circle = " -> ".join((*chain[chain.index(inner) :], inner))
            by = f": {circle}" if inner != path else ""
            raise ConfigError(f"{inner} extends itself{by}", where=origin, remedy=hint)
        refuse_recursion(library, inner, chain)


def _resolve(
    repository: "_Repository", recipe: str, changed: dict[str, str], added: dict[str, str]
) -> list[Layer]:
    overrides = Overrides(
        repository,
        [
            *(_override(OverrideType.CHANGE, key, value) for key, value in changed.items()),
            *(_override(OverrideType.ADD, key, value) for key, value in added.items()),
        ],
    )
    results, _ = _create_defaults_list(
        repository, recipe, overrides, prepend_hydra=False, skip_missing=False
    )
    unused = {k: m for k, m in overrides.override_metadata.items() if not m.used}
    for key, meta in unused.items():
        mounts = sorted(overrides.known_choices_per_group.get(key.split("@")[0], ()))
        if not meta.external_override:
            raise _useless(repository, key, overrides.override_choices[key], mounts)
        if mounts:
            raise UnknownKey(
                f"group {key!r} is mounted elsewhere",
                where=f"override {key}={changed[key]}",
                remedy=f"write `{mounts[0]}={changed[key]}`"
                + (f" (or at {', '.join(mounts[1:])})" if mounts[1:] else ""),
            )
    if unused:
        more = added | {k: changed[k] for k in unused}
        return _resolve(
            repository, recipe, {k: v for k, v in changed.items() if k not in unused}, more
        )
    return [_layer(repository, result, changed | added) for result in results]


def _layer(repository: "_Repository", result: ResultDefault, choices: Mapping[str, str]) -> Layer:
    config = repository.library.load(str(result.config_path))
    assert config is not None
    assert result.package is not None
    group, _, name = config.path.removeprefix(BUILTIN).rpartition("/")
    package = result.package.removeprefix(BUILTIN.replace("/", "."))
    mounted = repository.library.is_group(group) and bool(package)
    if config.is_component:
        chosen = next(
            (k for k, v in choices.items() if k.split("@")[0] == group and v == name), None
        )
        place = f"override {chosen}={name}" if chosen else repository.place_of(config.path)
        config = replace(config, body=Node({"use": Node(name, place)}, place))
    return Layer(config, package, group if mounted else None)


def _override(kind: OverrideType, key: str, value: str) -> Override:
    group, _, package = key.partition("@")
    return Override(
        type=kind, key_or_group=group, value_type=None, _value=value, package=package or None
    )


def _useless(repository: "_Repository", key: str, choice: Any, mounts: list[str]) -> ConfigError:
    group, library = key.split("@", maxsplit=1)[0], repository.library
    remedy = (
        f"override `{mounts[0]}`" if mounts else f"write `- /{key}: {choice}`, without `override`"
    )
    if not library.is_group(group):
        return UnknownComponent(
            f"there is no group {group!r}",
            where=repository.place_of(f"{key}/{choice}"),
            remedy=nearest(group, library.groups(), noun="groups"),
        )
    return ConfigError(
        f"nothing mounts group {key!r}, so there is nothing to override",
        where=repository.place_of(f"{group}/{choice}"),
        remedy=remedy,
    )


def _missing(repository: "_Repository", path: str, choices: Mapping[str, str]) -> ConfigError:
    library = repository.library
    group, _, name = path.rpartition("/")
    chosen = next((k for k, v in choices.items() if k.split("@")[0] == group and v == name), None)
    place = f"override {chosen}={name}" if chosen else repository.place_of(path)
    return unknown_config(library, path, place)


def unknown_config(library: Library, path: str, place: str) -> ConfigError:
    """The error for a config path that leads nowhere.

    Args:
        library: knows what there is.
        path: such as `model/mpl` or `digit`.
        place: where it is named.
    """
    group, _, name = path.rpartition("/")
    if not is_path(path):
        return UnknownRecipe(
            f"{path[:80]!r} is no name of a config",
            where=place,
            remedy="write a name below `recipes/` or `conf/`, such as `/digits`: no path leads out "
            "of them",
        )
    if library.is_group(path):
        return UnknownRecipe(
            f"{path!r} is a group, and no recipe",
            where=place,
            remedy=f"name the option: `- /{path}: NAME`; "
            + nearest("", library.options(path), noun=f"options of {path}"),
        )
    if library.is_group(group):
        remedy = nearest(name, library.options(group), noun=f"options of {group}")
        return UnknownComponent(f"there is no {group} {name!r}", where=place, remedy=remedy)
    if group and not any((folder / group).is_dir() for folder in library.recipes_dirs):
        remedy = nearest(group, library.groups(), noun="groups")
        return UnknownComponent(f"there is no group {group!r}", where=place, remedy=remedy)
    remedy = nearest(path, sorted(library.recipes()), noun="recipes")
    return UnknownRecipe(f"there is no recipe {path!r}", where=place, remedy=remedy)


def entries_of(config: Config) -> list[tuple[InputDefault, str]]:
    """The entries of a config's defaults list, each with its place.

    Raises:
        ConfigError: if one cannot be read.
    """
    defaults = config.defaults
    if defaults is None or defaults.value is None:
        return []
    if not isinstance(defaults.value, list):
        raise ConfigError(
            "defaults is a list", where=defaults.origin, remedy="write `- /group: option` lines"
        )
    group = config.path.rpartition("/")[0]
    return [(entry_of(item, group), item.origin) for item in defaults.value]


def entry_of(item: Node, group: str = "") -> InputDefault:
    """An entry of the defaults list of a config of a group.

    Raises:
        ConfigError: if it cannot be read.
    """
    if isinstance(item.value, str):
        if "${" in item.value:
            raise _unreadable(item)
        path, _, package = item.value.partition("@")
        if not package and group and path.startswith(f"/{BUILTIN}{group}/"):
            # What a preset hides goes where the preset goes, not below it.
            package = "_here_"
        return ConfigDefault(path=path, package=package or None)
    if not (isinstance(item.value, dict) and len(item.value) == 1):
        raise _unreadable(item)
    key, node = next(iter(item.value.items()))
    *words, target = key.split(" ")
    value = node.plain()
    if not set(words) <= {"optional", "override"} or not _is_option(value):
        raise _unreadable(item)
    group, _, package = target.partition("@")
    if not group:
        raise _unreadable(item)
    return GroupDefault(
        group=group,
        value=value,
        package=package or None,
        optional="optional" in words,
        override="override" in words,
    )


def option_of(default: InputDefault) -> Any:
    """The option that an entry names, or the config; several, or None for neither."""
    if isinstance(default, ConfigDefault):
        return default.path
    return default.value if isinstance(default, GroupDefault) else None


def _is_option(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(v, str) and "${" not in v for v in value)
    return value is None or (isinstance(value, str) and "${" not in value)


def _unreadable(item: Node) -> ConfigError:
    return ConfigError(
        "this is no entry of a defaults list",
        where=item.origin,
        remedy="write `- /group: option`, `- override /group: option`, `- /recipe` or `- _self_`",
    )


@dataclass(slots=True)
class _Repository(IConfigRepository):
    """Hydra's view of the library; it reads files only through our guarded reader."""

    library: Library
    _results: dict[str, ConfigResult | None] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)

    def load_config(self, config_path: str) -> ConfigResult | None:
        if config_path not in self._results:
            self._results[config_path] = self._load(config_path)
        return self._results[config_path]

    def _load(self, config_path: str) -> ConfigResult | None:
        config = self.library.load(config_path)
        if config is None:
            return None
        entries = entries_of(config)
        for default, origin in entries:
            value = option_of(default)
            group = default.group if isinstance(default, GroupDefault) else ""
            self._places.setdefault(f"{group}/{value}".lstrip("/"), origin)
        result = ConfigResult(
            provider="aidn",
            path=config.file,
            config=EMPTY,
            header={"package": config.package},
        )
        result.defaults_list = [default for default, _ in entries]
        return result

    def place_of(self, path: str) -> str:
        """Where a config path is named."""
        return self._places.get(path) or next(
            (place for name, place in self._places.items() if path.endswith(f"/{name}")), path
        )

    def group_exists(self, config_path: str) -> bool:
        return self.library.is_group(config_path)

    def config_exists(self, config_path: str) -> bool:
        return self.library.load(config_path) is not None

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
    ) -> list[str]:
        return self.library.options(group_name)

    def get_sources(self) -> list[ConfigSource]:
        return []

    # Hydra's composition of a defaults list asks for neither: sources are the library's concern.
    def get_schema_source(self) -> ConfigSource:
        raise NotImplementedError

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        raise NotImplementedError
