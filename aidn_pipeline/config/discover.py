"""Components in source files, found by reading: nothing is imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Found:
    """A `@component(group, name)` in a source file."""

    group: str
    name: str
    attribute: str
    line: int


def components_in(tree: ast.Module, file: Path) -> Iterator[Found]:
    """Top-level classes and functions marked as components.

    Raises:
        ConfigError: if group or name is not written out.
    """
    for node in tree.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and _is_component(decorator.func):
                group, name = (_word(decorator, i, k) for i, k in enumerate(("group", "name")))
                if group is None or name is None:
                    raise ConfigError(
                        "group and name of a component are written out",
                        where=f"{file}:{decorator.lineno}",
                        remedy=f'write `@component("model", "{node.name.lower()}")`',
                    )
                yield Found(group, name, node.name, decorator.lineno)


def assigns(tree: ast.Module, name: str) -> bool:
    """Whether a module assigns a top-level name."""
    targets = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    targets += [n.target for n in tree.body if isinstance(n, ast.AnnAssign)]
    return any(isinstance(t, ast.Name) and t.id == name for t in targets)


def _is_component(func: ast.expr) -> bool:
    if isinstance(func, ast.Attribute):
        return func.attr == "component"
    return isinstance(func, ast.Name) and func.id == "component"


def _word(call: ast.Call, position: int, keyword: str) -> str | None:
    value: ast.expr | None = call.args[position] if len(call.args) > position else None
    for item in call.keywords:
        if item.arg == keyword:
            value = item.value
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return None
