"""What is wrong with defaults lists: every entry of every config, before any is composed.

A mistake is set right as it was probably meant, so that the rest of the recipe is checked as well;
what was found is told either way, and nothing runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from aidn_pipeline.config.defaults import entry_of, option_of, unknown_config
from aidn_pipeline.config.library import Config, Library, is_path
from aidn_pipeline.config.tree import Node
from aidn_pipeline.errors import ConfigError, FoundBeforeStart

SELF = "_self_"


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a list.

    Attributes:
        item: as written.
        key: `group` or `group@package`, from the root; empty for a recipe.
        group: from the root; empty for a recipe.
        option: of the group, or the path of a recipe from the root.
    """

    item: Node
    key: str
    group: str
    option: Any
    is_override: bool
    is_optional: bool


@dataclass(slots=True)
class Lists:
    """Walks the defaults lists that a recipe is made of.

    Attributes:
        library: where configs are found; those with mistakes are amended in it.
        choices: options from the command line, by group or `group@package`; amended as well.
        problems: what is wrong.
        is_whole: whether everything could be set right.
    """

    library: Library
    choices: dict[str, str]
    problems: list[FoundBeforeStart] = field(default_factory=list)
    is_whole: bool = True
    _mounted: dict[str, tuple[Any, str]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def check(self, recipe: str) -> None:
        """Checks the options of the command line, then the lists, beginning with the recipe's."""
        for key, name in list(self.choices.items()):
            group = key.partition("@")[0]
            self.choices[key] = self._known(group, name, f"override {key}={name}")
        self._walk(recipe, self.choices)
        for key, name in self.choices.items():
            if key not in self._mounted:
                # What nothing mounts comes behind everything else.
                self._walk(f"{key.partition('@')[0]}/{name}", self.choices)

    def _walk(self, path: str, above: Mapping[str, Any]) -> None:
        """Checks a config's list; `above` has the options that stand in the place of its own."""
        config = self.library.load(path)
        if config is None or config.defaults is None or path in self._seen:
            return
        self._seen.add(path)
        if not isinstance(config.defaults.value, list):
            return
        entries = self._ordered(self._read(config))
        chosen = {e.key: e.option for e in entries if e.is_override} | dict(above)
        kept = [self._checked(entry, chosen, above) for entry in entries]
        items = [item for item in kept if item is not None]
        self.library.amend(replace(config, defaults=replace(config.defaults, value=items)))

    def _read(self, config: Config) -> list[_Entry]:
        folder = config.path.rpartition("/")[0]
        found = []
        for item in config.defaults.value if config.defaults is not None else ():
            try:
                default = entry_of(item, folder)
            except ConfigError as problem:
                self.problems.append(problem)
                continue
            option, group = option_of(default), getattr(default, "group", None) or ""
            if group:
                group = group[1:] if group.startswith("/") else f"{folder}/{group}".lstrip("/")
            elif isinstance(option, str) and option != SELF:
                option = option[1:] if option.startswith("/") else f"{folder}/{option}".lstrip("/")
            key = f"{group}@{default.package}" if group and default.package else group
            is_optional = bool(getattr(default, "optional", False))
            found.append(_Entry(item, key, group, option, default.is_override(), is_optional))
        return found

    def _ordered(self, entries: list[_Entry]) -> list[_Entry]:
        """The entries as they must stand: overrides last, and one `_self_`."""
        first = next((e for e in entries if e.is_override), None)
        kept: list[_Entry] = []
        told = False
        for entry in entries:
            if entry.option == SELF and any(other.option == SELF for other in kept):
                self._report("`_self_` stands twice in a defaults list", entry, "keep one")
                continue
            is_late = first in kept and not entry.is_override and entry.option != SELF
            if is_late and first is not None and not told:
                told = True
                self._report(
                    "an `override` stands above entries that are none",
                    first,
                    "move it to the end of the defaults list, below `_self_`",
                )
            kept.append(entry)
        return sorted(kept, key=lambda e: e.is_override)

    def _checked(
        self, entry: _Entry, chosen: Mapping[str, Any], above: Mapping[str, Any]
    ) -> Node | None:
        """The entry as it was probably meant; None to leave it out."""
        if entry.option == SELF:
            return entry.item
        if entry.is_override:
            # Whether anything mounts the group is seen when the lists are composed.
            is_group = self.library.is_group(entry.group)
            return self._amended(entry) if is_group and entry.key not in above else entry.item
        if self._is_twice(entry):
            return None
        if entry.key and entry.key in chosen:
            option = chosen[entry.key]
            self._enter(entry, option, chosen)
            return entry.item
        item = self._amended(entry)
        self._enter(entry, option_of(entry_of(item)), chosen)
        return item

    def _enter(self, entry: _Entry, option: Any, chosen: Mapping[str, Any]) -> None:
        for name in option if isinstance(option, list) else [option]:
            if isinstance(name, str):
                path = f"{entry.group}/{name}" if entry.group else name.lstrip("/")
                self._walk(path, chosen)

    def _is_twice(self, entry: _Entry) -> bool:
        key = entry.key or f"/{entry.option}"
        before = self._mounted.get(key)
        if before is None:
            self._mounted[key] = entry.option, entry.item.origin
            return False
        remedy = f"keep one (the other is at {before[1]})"
        if not entry.key:
            self._report(f"recipe {entry.option!r} is in it twice", entry, remedy)
            return True
        first, second = ("null" if one is None else one for one in (before[0], entry.option))
        self._report(
            f"group {entry.group!r} is mounted twice: {first} and {second}",
            entry,
            f"{remedy}, or write `- override /{entry.key}: {second}` at the end of the defaults "
            "list",
        )
        return True

    def _amended(self, entry: _Entry) -> Node:
        place = entry.item.origin
        if not isinstance(entry.option, str):
            return entry.item
        if entry.is_optional:
            path = f"{entry.group}/{entry.option}".lstrip("/")
            if not is_path(path) or not is_path(entry.option):
                self._refuse_unknown(path, place)
            return entry.item
        if not entry.group:
            self._refuse_unknown(entry.option, place)
            return entry.item
        known = self._known(entry.group, entry.option, place)
        if known == entry.option:
            return entry.item
        key = next(iter(entry.item.value))
        return replace(entry.item, value={key: replace(entry.item.value[key], value=known)})

    def _refuse_unknown(self, path: str, place: str) -> None:
        if self.library.load(path) is None:
            self.problems.append(unknown_config(self.library, path, place))
            self.is_whole = False

    def _known(self, group: str, option: str, place: str) -> str:
        """The option, or the one that it probably is."""
        path = f"{group}/{option}"
        if self.library.load(path) is not None:
            return option
        self.problems.append(unknown_config(self.library, path, place))
        near = get_close_matches(option, self.library.options(group), 1)
        self.is_whole &= bool(near)
        return near[0] if near else option

    def _report(self, problem: str, entry: _Entry, remedy: str) -> None:
        self.problems.append(ConfigError(problem, where=entry.item.origin, remedy=remedy))
