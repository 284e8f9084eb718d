"""The component that a suite is about: its entry in the index, its description, its place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from typing import Any

from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.component import Factory, mark_of
from aidn_pipeline.core.describe import build, complete, describe
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.core.stage import Description
from aidn_pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class Subject:
    """A component under test.

    Attributes:
        spec: its entry in the index.
        description: it as JSON, complete.
        index: the shipped components, this one, and those it is made of.
    """

    spec: ComponentSpec
    description: Description
    index: Index

    @property
    def where(self) -> str:
        """Module and name, for errors."""
        return f"{self.spec.module}:{self.spec.attribute}"

    def build(self) -> Any:
        """A new live component: an instance, or a `Factory`."""
        return build(self.index, self.spec.group, self.description)


@cache
def shipped() -> Index:
    """The shipped components, read once."""
    return builtin_index()


def subject_of(group: str, made: Any, components: Sequence[Any] = ()) -> Subject:
    """The subject that `make` of a suite stands for.

    Args:
        group: the suite's.
        made: an instance of a component, a component's class or function (its defaults, or
            `functools.partial` with its fields), a `Factory`, or what a recipe says:
            `{"use": name, ...}`.
        components: classes and functions that a recipe's form names and that are not shipped.

    Raises:
        UsageError: if it is none of these, or a component of another group.
        ConfigError: if a field cannot be written in a recipe.
    """
    live = [*components, *(part for part in _parts(made) if mark_of(part) is not None)]
    index = shipped().merged(spec_of(part) for part in live)
    given = _description(made)
    if given is None:
        raise UsageError(
            f"{made!r} is no component",
            where=f"`make` of the {group} suite",
            remedy="give an instance, a class or function with `@component`, or {'use': name}",
        )
    found = _group_of(made) or group
    if found != group:
        raise UsageError(
            f"{given['use']!r} is a component of the group {found}",
            where=f"`make` of the {group} suite",
            remedy=f"use the suite in aidn_pipeline.testing.{found}",
        )
    return Subject(index.find(group, given["use"]), complete(index, group, given), index)


def _description(made: Any) -> Description | None:
    if isinstance(made, Mapping):
        return dict(made) if "use" in made else None
    if isinstance(made, partial) and (mark := mark_of(made.func)):
        return {"use": mark.name, **describe(made.keywords)}
    if isinstance(made, Factory) or (is_dataclass(made) and not isinstance(made, type)):
        found: Description = describe(made)
        return found
    mark = mark_of(made)
    return {"use": mark.name} if mark is not None else None


def _group_of(made: Any) -> str | None:
    if isinstance(made, Factory):
        return made.group
    mark = mark_of(made.func if isinstance(made, partial) else made)
    return mark.group if mark is not None else None


def _parts(value: Any) -> Iterator[Any]:
    """Classes and functions of a live component and of all that it is made of."""
    if isinstance(value, Factory):
        yield from (value.target, *_parts(value.arguments))
    elif isinstance(value, partial):
        yield from (value.func, *_parts(value.keywords))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    elif callable(value):
        yield value
