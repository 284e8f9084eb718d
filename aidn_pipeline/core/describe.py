"""Descriptions: components as complete JSON, and back to live objects."""

import copy
import importlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from aidn_pipeline.core.component import Factory, mark_of
from aidn_pipeline.core.index import ComponentSpec, FieldType, Index
from aidn_pipeline.core.secret import Secret
from aidn_pipeline.core.stage import Description
from aidn_pipeline.errors import UnknownComponent, UnknownKey


def component_group(kind: FieldType) -> str | None:
    """The group a field of this type holds a component of, if it does."""
    if isinstance(kind, dict):
        if "component" in kind:
            return str(kind["component"])
        inner = kind.get("optional") or kind.get("map") or kind.get("list")
        return component_group(inner) if inner is not None else None
    return None


def complete(index: Index, group: str, given: Mapping[str, Any], *, where: str = "") -> Description:
    """Fills defaults in, recursively; a float field written as an integer becomes a float.

    Raises:
        UnknownComponent: if `use` names nothing in the index.
    """
    spec = index.find(group, str(given.get("use", "")), where=where)
    full: Description = {"use": spec.name}
    for item in spec.fields:
        value = given.get(item.name, item.default)
        full[item.name] = _complete_value(
            index, item.type, value, f"{where}.{item.name}".strip(".")
        )
    return full


def _complete_value(index: Index, kind: FieldType, value: Any, where: str) -> Any:
    if value is None:
        return None
    if kind == "float":
        return float(value) if type(value) is int else value
    if isinstance(kind, dict):
        if "optional" in kind:
            return _complete_value(index, kind["optional"], value, where)
        if "component" in kind:
            given = {"use": value} if isinstance(value, str) else value
            return complete(index, kind["component"], given, where=where)
        if "list" in kind:
            return [
                _complete_value(index, kind["list"], v, f"{where}[{i}]")
                for i, v in enumerate(value)
            ]
        if "map" in kind:
            items = (
                (k, _complete_value(index, kind["map"], v, f"{where}.{k}"))
                for k, v in value.items()
            )
            return {k: v for k, v in items if v is not None}
    return value


def load_target(spec: ComponentSpec) -> Any:
    """Imports the component's class or function.

    Raises:
        UnknownComponent: if its module does not hold it any more.
    """
    target: Any = importlib.import_module(spec.module)
    for part in spec.attribute.split("."):
        target = getattr(target, part, None)
    if target is None:
        raise UnknownComponent(
            f"{spec.key} is no longer {spec.attribute} of {spec.module}",
            where=spec.module,
            remedy="run the command again: the component index is made anew when a source changes",
        )
    return target


def build(index: Index, group: str, description: Description) -> Any:
    """The live component: a dataclass instance, or a `Factory`. Its secrets are read here.

    Raises:
        SecretUnavailable: if one is nowhere, or its file is open to others.
    """
    spec = index.find(group, str(description["use"]))
    arguments = {
        item.name: _build_value(index, item.type, description[item.name])
        for item in spec.fields
        if item.name in description
    }
    target = load_target(spec)
    if spec.form == "dataclass":
        return target(**arguments)
    return Factory(spec.group, spec.name, target, arguments, spec.wants_signature)


def _build_value(index: Index, kind: FieldType, value: Any) -> Any:
    if value is not None and kind == "secret":
        secret = Secret(value)
        # Read once now: one that is missing ends the work before it begins, and from here on its
        # value is kept out of every message.
        secret.reveal()
        return secret
    if value is None or not isinstance(kind, dict):
        return value
    if "optional" in kind:
        return _build_value(index, kind["optional"], value)
    if "component" in kind:
        return build(index, kind["component"], value)
    if "list" in kind:
        return tuple(_build_value(index, kind["list"], v) for v in value)
    if "map" in kind:
        return {k: _build_value(index, kind["map"], v) for k, v in value.items()}
    return value


def describe(value: Any) -> Any:
    """The description of a live component, recursively; plain values stay as they are.

    Raises:
        UnknownComponent: if an object is no component.
    """
    if isinstance(value, Secret):
        return value.reference
    if isinstance(value, Factory):
        return {"use": value.name, **{k: describe(v) for k, v in value.arguments.items()}}
    if isinstance(value, Mapping):
        return {k: describe(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    mark = mark_of(value)
    if mark is None or not is_dataclass(value):
        raise UnknownComponent(
            f"{type(value).__name__} is no component",
            remedy="give its class `@component(group, name)`, or pass its name",
        )
    return {"use": mark.name, **{f.name: describe(getattr(value, f.name)) for f in fields(value)}}


def write_params(description: Description, params: Mapping[str, Any]) -> Description:
    """A copy of a complete description with values set at dotted paths.

    An integer at a path that holds a float becomes a float, so equal values stay equal work.

    Raises:
        UnknownKey: if a path names no field.
    """
    changed = copy.deepcopy(description)
    for path, value in params.items():
        *above, last = path.split(".")
        place: Any = changed
        for part in above:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise UnknownKey(
                f"no field stands behind the parameter {path!r}",
                where=path,
                remedy="a key of a search space is a path of fields inside the trial",
            )
        is_float = (
            isinstance(place[last], float)
            and isinstance(value, int)
            and not isinstance(value, bool)
        )
        place[last] = float(value) if is_float else value
    return changed
