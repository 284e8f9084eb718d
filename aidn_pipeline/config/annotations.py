"""What annotations and docstrings say: field types as JSON, artifact ports, one line per field."""

import inspect
import re
import types
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence as AbstractSequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.component import mark_of
from aidn_pipeline.core.index import FieldType
from aidn_pipeline.core.secret import Secret

PLAIN: dict[Any, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    Path: "str",
    Secret: "secret",
}
SECTIONS = frozenset({"Attributes", "Args"})
HEADER = re.compile(r"^[A-Z][A-Za-z ]*:( .*)?$")
ENTRY = re.compile(r"^(\w+)(?: \([^)]*\))?: (.*)$")


class Unrepresentable(TypeError):
    """A type that no value in a recipe has."""


def field_type(annotation: Any, group: str | None) -> FieldType:
    """The type expression of `aidn_pipeline.core.index` for an annotation.

    Members of a union that no recipe can hold (a tensor beside a float) are left out.

    Args:
        annotation: a resolved type.
        group: the innermost type stands for a component of this group.

    Raises:
        Unrepresentable: if nothing is left.
    """
    if annotation is Any or annotation is object:
        return {"component": group} if group else "any"
    if annotation is None or annotation is type(None):
        return "null"
    origin = get_origin(annotation)
    if origin is Annotated:
        return field_type(get_args(annotation)[0], group)
    if origin is Literal:
        return {"literal": list(get_args(annotation))}
    if origin in (Union, types.UnionType):
        return _union(get_args(annotation), group)
    container = origin or annotation
    if (isinstance(container, type) and issubclass(container, (AbstractMapping, list, tuple))) or (
        container is AbstractSequence
    ):
        return _container(container, get_args(annotation), group)
    if group:
        return {"component": group}
    if annotation in PLAIN:
        return PLAIN[annotation]
    mark = mark_of(annotation) if isinstance(annotation, type) else None
    if mark is not None:
        return {"component": mark.group}
    raise Unrepresentable(getattr(annotation, "__name__", None) or str(annotation))


def _container(container: Any, arguments: tuple[Any, ...], group: str | None) -> FieldType:
    if issubclass(container, AbstractMapping):
        return {"map": field_type(arguments[1] if len(arguments) == 2 else Any, group)}
    inner = [field_type(a, group) for a in arguments if a is not Ellipsis] or ["any"]
    distinct = _distinct(inner)
    return {"list": distinct[0] if len(distinct) == 1 else {"union": distinct}}


def _union(members: tuple[Any, ...], group: str | None) -> FieldType:
    kinds: list[FieldType] = []
    for member in members:
        if member is type(None):
            continue
        try:
            kinds.append(field_type(member, group))
        except Unrepresentable:
            continue
    kinds = _distinct(kinds)
    if not kinds:
        raise Unrepresentable(" | ".join(str(m) for m in members))
    if "secret" in kinds and len(kinds) > 1:
        # A value that may also be written out would be written out.
        raise Unrepresentable("Secret beside other types; write `Secret`, or `Secret | None`")
    if "any" in kinds:
        return "any"
    kind = kinds[0] if len(kinds) == 1 else {"union": kinds}
    return {"optional": kind} if type(None) in members else kind


def _distinct(kinds: list[FieldType]) -> list[FieldType]:
    return [kind for i, kind in enumerate(kinds) if kind not in kinds[:i]]


def artifact_port(annotation: Any) -> tuple[str, bool, bool] | None:
    """Kind, whether optional, whether many, of an annotation that is an artifact's; else None."""
    if isinstance(annotation, type) and issubclass(annotation, Artifact):
        return annotation.kind, False, False
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = [artifact_port(a) for a in arguments if a is not type(None)]
        if len(inner) == 1 and inner[0] is not None:
            return inner[0][0], True, inner[0][2]
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        one = artifact_port(arguments[0])
        if one is not None:
            return one[0], False, True
    return None


def hints_of(target: Any) -> dict[str, Any]:
    """Resolved annotations of a dataclass, or of what a class or function is called with."""
    source = (
        _constructor(target) if inspect.isclass(target) and not is_dataclass(target) else target
    )
    try:
        return get_type_hints(source, include_extras=True)
    except NameError:
        # A foreign class may annotate with names that only a type checker sees.
        plain = dict(getattr(source, "__annotations__", {}))
        return {k: v for k, v in plain.items() if not isinstance(v, str)}


def _constructor(target: Any) -> Any:
    return target.__init__


def first_paragraph(target: Any) -> str:
    """The first paragraph of the docstring, on one line."""
    text = inspect.cleandoc(target.__doc__ or "")
    return " ".join(text.split("\n\n")[0].split())


def docs_of(target: Any) -> dict[str, str]:
    """Descriptions of fields and parameters, from the docstring's `Attributes:` and `Args:`."""
    found: dict[str, str] = {}
    texts = [vars(cls).get("__doc__") for cls in getattr(target, "__mro__", (target,))[:-1][::-1]]
    texts += [getattr(target, "__doc__", None)]
    if inspect.isclass(target):
        texts.append(_constructor(target).__doc__)
    for text in texts:
        found |= _entries(inspect.cleandoc(text or ""))
    return found


def _entries(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    inside, name, indent = False, "", 0
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if HEADER.match(line) and depth == 0:
            inside, name, indent = line.rstrip(":") in SECTIONS, "", 0
        elif inside and line.strip():
            indent = indent or depth
            entry = ENTRY.match(line.strip()) if depth == indent else None
            if entry:
                name = entry[1]
                found[name] = entry[2].strip()
            elif name and depth > indent:
                found[name] += " " + line.strip()
    return found
