"""Keywords of `configure` as overrides, and the components of the program that are in them."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from aidn_pipeline.core.arrays import weights_text
from aidn_pipeline.core.component import MADE, Factory, Made, mark_of
from aidn_pipeline.core.describe import describe
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import AidnError, UnknownComponent

YAML = ("{", "[", '"', "'")
"""How a text begins that would be read as something else."""


def as_overrides(key: str, value: Any) -> Sequence[str]:
    """A keyword of `configure` as it would stand on the command line.

    Raises:
        UnknownComponent: if the value is neither plain nor a component.
    """
    try:
        description = _described(value)
    except AidnError as error:
        raise UnknownComponent(
            error.problem, where=f"configure({key}=...)", remedy=error.remedy
        ) from error
    if isinstance(value, str):
        return [f"{key}={json.dumps(value) if value.startswith(YAML) else value}"]
    mark = _mark(value)
    if mark is not None and key.split("@", maxsplit=1)[0] == mark.group:
        place = key.partition("@")[2] or key
        settings = {k: v for k, v in description.items() if k != "use"}
        return [
            f"{key}={description['use']}",
            *(f"{place}.{name}={json.dumps(item)}" for name, item in settings.items()),
        ]
    return [f"{key}={json.dumps(description)}"]


def components_in(value: Any) -> Iterator[Any]:
    """The component classes and functions that a value is or is made of."""
    if isinstance(value, partial):
        yield from components_in(value.func)
        yield from components_in(value.keywords)
    elif isinstance(value, Factory):
        yield from components_in(value.target)
        yield from components_in(value.arguments)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from components_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from components_in(item)
    elif mark_of(value) is not None:
        is_itself = isinstance(value, type) or inspect.isfunction(value)
        yield value if is_itself else type(value)
        if is_dataclass(value) and not isinstance(value, type):
            yield from components_in([getattr(value, item.name) for item in fields(value)])


def _mark(value: Any) -> Any:
    return mark_of(value.func if isinstance(value, partial) else value)


def _described(value: Any) -> Any:
    mark = _mark(value)
    if isinstance(value, partial) and mark is not None:
        if value.args:
            raise UnknownComponent(
                f"{mark.name} is given arguments without names", remedy="give each by its name"
            )
        return {"use": mark.name, **{k: _described(v) for k, v in value.keywords.items()}}
    if mark is not None and (isinstance(value, type) or inspect.isfunction(value)):
        return {"use": mark.name}
    made = getattr(value, MADE, None)
    if mark is not None and isinstance(made, Made):
        return {"use": mark.name, **_arguments(value, made)}
    if isinstance(value, Mapping):
        return {str(k): _named(v) if k == "use" else _described(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    return describe(value)


def _named(value: Any) -> Any:
    # `{"use": my_stage, ...}`, where a recipe has the name.
    mark = _mark(value)
    return value if mark is None else mark.name


def _arguments(value: Any, made: Made) -> dict[str, Any]:
    name = type(value).__name__
    if weights_text(value) != made.weights:
        raise UnknownComponent(
            f"the weights of this {name} were changed since it was made; they would not be used",
            remedy=f"pass the class, `{name}`; load weights where it is made, in its `__init__`",
        )
    bound = inspect.signature(type(value)).bind(*made.args, **made.kwargs)
    # The signature of the data is handed over where the model is built.
    return {k: _described(v) for k, v in bound.arguments.items() if not isinstance(v, Signature)}
