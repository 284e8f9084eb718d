"""Search spaces in a recipe: pinned keys leave them, the rest is checked against the trial."""

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from aidn_pipeline.config.check import Checker, deepest, where
from aidn_pipeline.config.compose import Composed
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.describe import component_group
from aidn_pipeline.core.index import FieldSpec, Index
from aidn_pipeline.errors import ConfigError, ConfigProblems, UnknownKey
from aidn_pipeline.sweep.parse import parse_space


def unpinned(name: str, node: Node, composed: Composed, checker: Checker) -> Node:
    """A stage without the searched keys that were given on the command line.

    Args:
        name: of the stage.
        node: the resolved stage.
        composed: notes what left the space.
        checker: knows the stage's fields.
    """
    for item in _masking(node, checker.index):
        space = node.get(item.name)
        if space is None or not space.is_mapping:
            continue
        kept: dict[str, Node] = {}
        for key, domain in space.value.items():
            path = composed.resolver.canonical(["stages", name, str(item.masks), *key.split(".")])
            written = composed.pinned.get(path) if path is not None else None
            if written is None or domain.origin == f"override {written}":
                kept[key] = domain
            else:
                composed.notes.append(f"{key} is not searched by {name}: pinned by {written}")
        if space.value and not kept:
            checker.report(
                ConfigError(
                    f"nothing is left to search in stage {name!r}: every key is pinned",
                    where=where(space),
                    remedy=f"remove the stage with `~stages.{name}`, or pin fewer keys",
                )
            )
        node = replace(node, value={**node.value, item.name: replace(space, value=kept)})
    return node


def check_spaces(
    name: str, node: Node, description: MutableMapping[str, Any], checker: Checker
) -> None:
    """Writes out the spaces of a stage whose fields are right, or reports what is wrong with them.

    A short and a long form of the same space are the same work.

    Args:
        name: of the stage.
        node: the resolved stage, for places.
        description: complete; its spaces are replaced.
        checker: takes the problems.
    """
    for item in _masking(node, checker.index):
        spec = checker.index.get("stage", str(description["use"]))
        masked = spec.field(str(item.masks)) if spec is not None else None
        group = component_group(masked.type) if masked is not None else None
        value, trial = description[item.name], description.get(str(item.masks))
        if group is None or not isinstance(value, Mapping) or not isinstance(trial, Mapping):
            continue
        base = f"stages.{name}.{item.name}"
        try:
            space = parse_space(value, index=checker.index, group=group, trial=trial, where=base)
            description[item.name] = space.to_json()
        except ConfigProblems as several:
            for problem in several.problems:
                checker.report(_placed(problem, base, node.get(item.name)))
        except ConfigError as problem:
            checker.report(_placed(problem, base, node.get(item.name)))


def _masking(node: Node, index: Index) -> list[FieldSpec]:
    use = node.get("use")
    spec = index.get("stage", str(use.value)) if use is not None else None
    return [item for item in spec.fields if item.masks is not None] if spec is not None else []


def _placed(problem: Any, base: str, space: Node | None) -> Any:
    if space is None:
        return problem
    rest = problem.where.removeprefix(base).lstrip(".")
    remedy = problem.remedy
    searched = space.value if space.is_mapping else {}
    fitting = [key for key in searched if rest == key or rest.startswith((f"{key}.", f"{key}["))]
    if isinstance(problem, UnknownKey) and fitting and "did you mean" not in remedy:
        remedy = f"{remedy}; leave it out with `~{base}.{max(fitting, key=len)}`"
    place = f"{deepest(space, rest).origin} ({problem.where})"
    return type(problem)(problem.problem, where=place, remedy=remedy)
