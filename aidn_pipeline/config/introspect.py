"""From a live class or function to its entry in the component index.

Runs where importing is allowed: when the index of the built-in components is generated, in the
subprocess that reads a trusted project's packages, and in programs that pass live components.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, get_args, get_origin

from aidn_pipeline.config.annotations import (
    Unrepresentable,
    artifact_port,
    docs_of,
    field_type,
    first_paragraph,
    hints_of,
)
from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.component import Mark, mark_of
from aidn_pipeline.core.describe import describe
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, PortSpec
from aidn_pipeline.core.pipeline import STAGE_KEYS
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.errors import AidnError, ConfigError

HANDED_OVER = {"optimizer": ("params",), "lr_scheduler": ("optimizer",)}
"""First parameters that the place which runs a component of the group hands over."""


def spec_of(target: Any, *, module: str | None = None) -> ComponentSpec:
    """The index entry of a class or function marked with `@component`.

    Args:
        target: the live class or function.
        module: import path to record instead of the target's own.

    Raises:
        ConfigError: if it has no mark, or a field or port cannot be written in a recipe.
    """
    mark = mark_of(target)
    if mark is None:
        raise ConfigError(
            f"{_place(target)} is no component",
            where=_place(target),
            remedy="put `@component(group, name)` above it",
        )
    return _spec(target, mark, module or target.__module__, lenient=False)


def spec_of_external(key: str, path: str, *, packages: tuple[str, ...] = ()) -> ComponentSpec:
    """The index entry of a class or function that cannot be decorated.

    Parameters that no recipe can hold (tensors, callables) are left out if they have a default.

    Args:
        key: `group/name`.
        path: `module:attribute`.
        packages: distributions whose version counts.

    Raises:
        ConfigError: if there is no such module or attribute.
    """
    module, _, attribute = path.partition(":")
    group, _, name = key.partition("/")
    if not (module and attribute and group and name):
        raise ConfigError(
            f"{key} = {path!r} is no component",
            where=key,
            remedy='write `"group/name" = "module:attribute"`',
        )
    try:
        target: Any = importlib.import_module(module)
        for part in attribute.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError) as problem:
        raise ConfigError(
            f"{key} names {path}, which cannot be imported: {problem}",
            where=key,
            remedy="install the package, or correct the name",
        ) from problem
    return _spec(target, Mark(group, name, 1, packages), module, attribute=attribute, lenient=True)


def _spec(
    target: Any, mark: Mark, module: str, *, lenient: bool, attribute: str | None = None
) -> ComponentSpec:
    common: dict[str, Any] = {
        "group": mark.group,
        "name": mark.name,
        "version": mark.version,
        "packages": mark.packages,
        "module": module,
        "attribute": attribute or target.__qualname__,
        "doc": first_paragraph(target),
        "bounded": bool(getattr(target, "bounded", False)),
    }
    if isinstance(target, type) and is_dataclass(target) and not lenient:
        common |= _of_dataclass(target)
    elif mark.group == "stage":
        common |= _of_stage_function(target)
    else:
        common |= _of_factory(target, mark.group, lenient)
    if mark.group == "stage":
        for item in common["fields"]:
            if item.name in STAGE_KEYS:
                raise _unusable(
                    target,
                    f"`{item.name}` is a key of every stage, and no field of one",
                    "call the field something else",
                )
    return ComponentSpec(**common)


def _of_dataclass(target: type) -> dict[str, Any]:
    if not target.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise _unusable(
            target,
            "a component's dataclass is frozen",
            "use `@dataclass(frozen=True, kw_only=True)`",
        )
    hints, docs = hints_of(target), docs_of(target)
    found: list[FieldSpec] = []
    for item in fields(target):
        if not item.init:
            continue
        flags = {k: v for k, v in item.metadata.items() if k != "group"}
        with_default = item.default is not MISSING or item.default_factory is not MISSING
        found.append(
            FieldSpec(
                name=item.name,
                type=_type(
                    target, item.name, hints.get(item.name, Any), item.metadata.get("group")
                ),
                required=not with_default,
                default=_default(target, item.name, item.default, item.default_factory),
                doc=docs.get(item.name, ""),
                **flags,
            )
        )
    spec: dict[str, Any] = {"form": "dataclass", "fields": tuple(found)}
    if issubclass(target, Stage):
        inputs, outputs = _ports_of_stage(target)
        spec |= {"inputs": inputs, "outputs": outputs}
        spec |= {"effects": target.effects, "seeded": target.seeded}
    return spec


def _ports_of_stage(target: type) -> tuple[tuple[PortSpec, ...], tuple[PortSpec, ...]]:
    for cls in target.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            arguments = get_args(base)
            if get_origin(base) is Stage and len(arguments) == 2:
                return _ports_of(arguments[0]), _ports_of(arguments[1])
    raise _unusable(target, "its ports are unknown", "derive it from `Stage[Inputs, Outputs]`")


def _ports_of(cls: Any) -> tuple[PortSpec, ...]:
    if not (isinstance(cls, type) and is_dataclass(cls)):
        raise _unusable(cls, "ports stand in a frozen dataclass", "make it a frozen dataclass")
    hints = hints_of(cls)
    return tuple(
        replace(
            _port(cls, item.name, hints[item.name], item.default is not MISSING),
            into=item.metadata.get("into"),
            cells=item.metadata.get("cells"),
        )
        for item in fields(cls)
    )


def _port(owner: Any, name: str, annotation: Any, has_default: bool) -> PortSpec:
    port = artifact_port(annotation)
    if port is None:
        raise _unusable(
            owner,
            f"port {name!r} is not annotated with an artifact kind",
            "use `Dataset`, `Metrics`, ...",
        )
    kind, optional, many = port
    return PortSpec(name=name, kind=kind, optional=optional or has_default, many=many)


def _of_stage_function(target: Any) -> dict[str, Any]:
    if isinstance(target, type):
        raise _unusable(
            target,
            "a stage is a frozen dataclass or a function",
            "use `@dataclass(frozen=True, kw_only=True)`",
        )
    hints, docs = hints_of(target), docs_of(target)
    inputs: list[PortSpec] = []
    found: list[FieldSpec] = []
    injected: list[str] = []
    for item in inspect.signature(target).parameters.values():
        annotation = hints.get(item.name, Any)
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
            raise _unusable(
                target,
                f"`*{item.name}` is neither a port nor a field",
                "name each port, and each field after `*`",
            )
        if item.kind is item.POSITIONAL_ONLY:
            raise _positional_only(target, item)
        if item.kind is item.KEYWORD_ONLY:
            _check_annotated(target, item, hints)
            found.append(_parameter_field(target, item, annotation, docs))
        elif annotation is StageContext or item.name == "ctx":
            injected.append(item.name)
        else:
            inputs.append(_port(target, item.name, annotation, item.default is not item.empty))
    return {
        "form": "function",
        "fields": tuple(found),
        "inputs": tuple(inputs),
        "outputs": _outputs_of_function(target, hints.get("return")),
        "injected": tuple(injected),
        "seeded": bool(injected),
    }


def _outputs_of_function(target: Any, annotation: Any) -> tuple[PortSpec, ...]:
    if annotation is None or annotation is type(None):
        return ()
    if isinstance(annotation, type) and issubclass(annotation, Artifact):
        return (PortSpec(name=annotation.kind, kind=annotation.kind),)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _ports_of(annotation)
    raise _unusable(
        target,
        "it does not say what it returns",
        "annotate it `-> Dataset`, or a frozen dataclass of artifacts",
    )


def _of_factory(target: Callable[..., Any], group: str, lenient: bool) -> dict[str, Any]:
    hints, docs = hints_of(target), docs_of(target)
    found: list[FieldSpec] = []
    injected: list[str] = []
    wants: list[str] = []
    for item in _parameters(target):
        annotation = hints.get(item.name, Any)
        if annotation is Signature or Signature in get_args(annotation):
            wants.append(item.name)
        elif item.name in HANDED_OVER.get(group, ()) or _is_handed_over(target, item, annotation):
            injected.append(item.name)
        else:
            if not lenient:
                _check_annotated(target, item, hints)
                if item.kind is item.POSITIONAL_ONLY:
                    raise _positional_only(target, item)
            try:
                one = _parameter_field(target, item, annotation, docs)
            except ConfigError:
                if not lenient or item.default is item.empty:
                    raise
                continue
            found.append(replace(one, doc=_sentence(one.doc)) if lenient else one)
    return {
        "form": "factory",
        "fields": tuple(found),
        "injected": tuple(injected),
        "wants_signature": tuple(wants),
    }


def _sentence(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].removesuffix(".")


def _parameters(target: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    for item in inspect.signature(target).parameters.values():
        if item.kind not in (item.VAR_KEYWORD, item.VAR_POSITIONAL):
            yield item


def _is_handed_over(target: Any, item: inspect.Parameter, annotation: Any) -> bool:
    # A function such as a loss is called with tensors where it runs: its plain positional
    # parameters. A class is constructed from its arguments alone.
    if isinstance(target, type) or item.kind is item.KEYWORD_ONLY or item.default is not item.empty:
        return False
    try:
        return bool(field_type(annotation, None) == "any")
    except Unrepresentable:
        return True


def _check_annotated(target: Any, item: inspect.Parameter, hints: Mapping[str, Any]) -> None:
    if item.name not in hints:
        kind = "int" if item.default in (item.empty, None) else type(item.default).__name__
        problem = (
            f"parameter {item.name!r} has no annotation"
            if item.annotation is item.empty
            else f"the annotation {item.annotation!r} of {item.name!r} names nothing"
        )
        raise _unusable(target, problem, f"say what it takes, such as `{item.name}: {kind}`")


def _positional_only(target: Any, item: inspect.Parameter) -> ConfigError:
    return _unusable(
        target,
        f"parameter {item.name!r} is positional-only; a recipe gives its keys by name",
        "take the `/` out of the parameters",
    )


def _parameter_field(
    target: Any, item: inspect.Parameter, annotation: Any, docs: Mapping[str, str]
) -> FieldSpec:
    required = item.default is item.empty
    return FieldSpec(
        name=item.name,
        type=_type(target, item.name, annotation, None),
        required=required,
        default=None if required else _default(target, item.name, item.default, MISSING),
        doc=docs.get(item.name, ""),
    )


def _type(target: Any, name: str, annotation: Any, group: str | None) -> Any:
    try:
        return field_type(annotation, group)
    except Unrepresentable as problem:
        raise _unusable(
            target,
            f"field {name!r} has a type no recipe can hold: {problem}",
            "use plain types, or `setting(group=...)` for a component",
        ) from problem


def _default(target: Any, name: str, default: Any, factory: Any) -> Any:
    value = factory() if factory is not MISSING else default
    if value is MISSING:
        return None
    try:
        return describe(value)
    except AidnError as problem:
        raise _unusable(
            target,
            f"a recipe cannot hold the default of field {name!r}, a {type(value).__name__}",
            "use a number, text, list, mapping or component as the default, or None",
        ) from problem


def _place(target: Any) -> str:
    name = getattr(target, "__qualname__", type(target).__qualname__)
    return f"{getattr(target, '__module__', '?')}.{name}"


def _where(target: Any) -> str:
    try:
        _, line = inspect.getsourcelines(target)
        return f"{inspect.getsourcefile(target)}:{line}"
    except (OSError, TypeError):
        # Defined in a console or in C: there is no file.
        return _place(target)


def _unusable(target: Any, problem: str, remedy: str) -> ConfigError:
    return ConfigError(f"{_place(target)}: {problem}", where=_where(target), remedy=remedy)
