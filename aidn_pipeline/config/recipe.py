"""Recipes: what there is, and from a name and overrides to a `PipelineSpec`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.check import GONE, Checker, where
from aidn_pipeline.config.compose import Composed, compose
from aidn_pipeline.config.library import GivenRecipe, Library
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.spaces import check_spaces, unpinned
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.index import FieldSpec, Index
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.core.wiring import order
from aidn_pipeline.core.wiring import problems as wiring_problems
from aidn_pipeline.errors import (
    BudgetExceeded,
    ConfigError,
    ConfigProblems,
    FoundBeforeStart,
    UnknownKey,
    WiringError,
    WrongType,
)

RUN_FIELDS = (
    FieldSpec(name="force", type={"list": "str"}, doc="stages to run although a result exists"),
    FieldSpec(
        name="durability",
        type={"literal": ["full", "process"]},
        doc="full survives a power cut, process the death of processes",
    ),
    FieldSpec(
        name="executor",
        type={"literal": ["inline"]},
        doc="where stages run; inline is in this process, one after the other",
    ),
    FieldSpec(
        name="smoke",
        type="bool",
        default=False,
        doc="two batches and one trial in a store of its own; registers nothing",
    ),
)
NO_FIELDS = ("inputs",)


@dataclass(frozen=True, slots=True)
class RecipeInfo:
    """A recipe in a list.

    Attributes:
        name: as in `recipe=NAME`.
        path: its file.
        header: first sentence of the comment on top; empty if there is none.
        builtin: whether it is shipped.
    """

    name: str
    path: Path
    header: str
    builtin: bool


def list_recipes(project: Project) -> list[RecipeInfo]:
    """All recipes by name; a user's recipe hides a shipped one of the same name."""
    ours = data_folder("recipes").resolve()
    found = Library(project, Index(())).recipes()
    return [
        RecipeInfo(name, path, _header(path), path.is_relative_to(ours))
        for name, path in sorted(found.items())
    ]


def load_recipe(
    name: str,
    overrides: Sequence[str],
    project: Project,
    index: Index,
    environ: Mapping[str, str] | None = None,
    given: GivenRecipe | None = None,
) -> PipelineSpec:
    """Composes, resolves and checks a recipe.

    Args:
        name: the recipe, as in `recipe=NAME`.
        overrides: `key=value` and its kin, in order.
        project: where to look for the user's files.
        index: components that may be named.
        environ: environment for `oc.env`; the process's own by default.
        given: a recipe that stands in no folder of recipes.

    Raises:
        UnknownRecipe: with the nearest name.
        ConfigProblems: if several things are wrong, all of them.
        FoundBeforeStart: the one thing that is wrong.
    """
    composed = compose(Library(project, index, given), name, overrides, environ)
    checker = Checker(index, list(composed.problems))
    spec = _assemble(name, composed, checker)
    if len(checker.problems) > 1:
        raise ConfigProblems(checker.problems)
    if checker.problems:
        raise checker.problems[0]
    assert spec is not None
    return spec


def _assemble(recipe: str, composed: Composed, checker: Checker) -> PipelineSpec | None:
    written: dict[str, Node] = {}
    whole = True
    for key in ("name", "seed", "run", "stages"):
        node = composed.tree.get(key)
        if node is None:
            continue
        if key == "stages" and node.is_mapping:
            # One stage that cannot be resolved does not hide what is wrong with the others.
            parts = {
                k: _resolve(composed, checker, v, f"stages.{k}") for k, v in node.value.items()
            }
            whole = None not in parts.values()
            written[key] = Node(
                {k: v for k, v in parts.items() if v is not None}, node.origin, path="stages"
            )
        elif (resolved := _resolve(composed, checker, node, key)) is not None:
            written[key] = resolved
    nodes = _stage_nodes(written.get("stages"), checker)
    stages = {name: _stage(name, node, composed, checker) for name, node in nodes.items()}
    name = _scalar(checker, "str", written.get("name"))
    seed = _scalar(checker, "int", written.get("seed"))
    run = _run(written.get("run"), list(nodes), checker)
    if whole:
        _check_wiring(stages, nodes, checker)
    if checker.problems:
        return None
    origins: dict[str, str] = {}
    for key, node in written.items():
        _collect_origins(node, key, origins)
    return PipelineSpec(
        name=name,
        recipe=recipe,
        stages={s.name: s for s in stages.values() if s is not None},
        seed=seed,
        origins=origins,
        run=run,
        notes=tuple(composed.notes),
        environment=dict(sorted(composed.resolver.used.items())),
    )


def _resolve(composed: Composed, checker: Checker, node: Node, path: str) -> Node | None:
    try:
        return composed.resolver.resolve(node, path)
    except BudgetExceeded:
        # The budget is spent for everything that would be resolved after it.
        raise
    except FoundBeforeStart as problem:
        checker.report(problem)
        return None


def _stage_nodes(stages: Node | None, checker: Checker) -> dict[str, Node]:
    if stages is None or not stages.is_mapping or not stages.value:
        if not checker.problems:
            checker.report(
                ConfigError(
                    "the recipe has no stages",
                    where=stages.origin if stages else "stages",
                    remedy="add `- /pipeline: standard` to its defaults list",
                )
            )
        return {}
    found = {}
    for name, node in stages.value.items():
        if node.is_mapping:
            found[name] = node
        elif node.value is not None:
            checker.report(
                WrongType(
                    f"`stages.{name}` is a mapping, not {node.value!r}",
                    where=where(node),
                    remedy="write `{use: NAME, inputs: {...}}`, or null to remove it",
                )
            )
    return found


def _stage(name: str, node: Node, composed: Composed, checker: Checker) -> StageSpec | None:
    node = unpinned(name, node, composed, checker)
    before = len(checker.problems)
    given = checker.component("stage", node, skip=NO_FIELDS)
    inputs = _inputs(name, node.get("inputs"), checker)
    if given is None:
        return None
    if len(checker.problems) > before:
        # Kept for the wiring check, which needs no more than the name of the component.
        return StageSpec(name=name, stage={"use": given["use"]}, inputs=inputs)
    description = complete(checker.index, "stage", given, where=f"stages.{name}")
    check_spaces(name, node, description, checker)
    return StageSpec(name=name, stage=description, inputs=inputs)


def _inputs(name: str, node: Node | None, checker: Checker) -> dict[str, tuple[PortRef, ...]]:
    found: dict[str, tuple[PortRef, ...]] = {}
    if node is None or node.value is None:
        return found
    if not node.is_mapping:
        checker.report(
            WrongType(
                f"`stages.{name}.inputs` is a mapping of ports",
                where=where(node),
                remedy="write `inputs: {dataset: split.dataset}`",
            )
        )
        return found
    for port, value in node.value.items():
        items = value.value if isinstance(value.value, list) else [value]
        refs = [_reference(item, checker) for item in items if item.value is not None]
        if refs and all(refs):
            found[port] = tuple(ref for ref in refs if ref is not None)
    return found


def _reference(node: Node, checker: Checker) -> PortRef | None:
    try:
        return PortRef.parse(node.value if isinstance(node.value, str) else str(node.text))
    except ValueError:
        checker.report(
            WiringError(
                f"{node.plain()!r} is no reference to a port",
                where=where(node),
                remedy="write `stage.port`, or `stage.port?` if it may be missing",
            )
        )
        return None


def _scalar(checker: Checker, kind: str, node: Node | None) -> Any:
    return checker.value(kind, node) if node is not None else GONE


def _run(node: Node | None, stages: Sequence[str], checker: Checker) -> dict[str, Any]:
    if node is None or node.value is None:
        return {}
    if not node.is_mapping:
        checker.report(
            WrongType(
                "`run` is a mapping", where=where(node), remedy="write `run: {force: [STAGE]}`"
            )
        )
        return {}
    found = checker.fields(RUN_FIELDS, node.value, node)
    for name in found.get("force", ()):
        if name not in stages:
            place = node.get("force") or node
            checker.report(
                UnknownKey(
                    f"there is no stage {name!r} to force",
                    where=where(place),
                    remedy=nearest(name, stages, noun="stages"),
                )
            )
    return found


def _check_wiring(
    stages: Mapping[str, StageSpec | None], nodes: Mapping[str, Node], checker: Checker
) -> None:
    known = {name: stage for name, stage in stages.items() if stage is not None}
    if len(known) < len(nodes):
        return
    found = list(wiring_problems(known, checker.index))
    try:
        order(known)
    except WiringError as problem:
        found.append(problem)
    # A reference that could not be read is told already; its port is not missing beside that.
    told = {
        f"stages.{name}.inputs"
        for name in nodes
        if any(f"(stages.{name}.inputs." in p.where for p in checker.problems)
    }
    for one in found:
        if one.where in told:
            continue
        checker.report(WiringError(one.problem, where=_place(one.where, nodes), remedy=one.remedy))


def _place(path: str, nodes: Mapping[str, Node]) -> str:
    keys = path.split(".")
    node = nodes.get(keys[1])
    for key in keys[2:]:
        node = (node.get(key) or node) if node is not None else None
    return f"{node.origin} ({path})" if node is not None else path


def _collect_origins(node: Node, path: str, origins: dict[str, str]) -> None:
    if node.path and node.path != path:
        origins.setdefault(node.path, node.origin)
    origins[path] = node.origin
    for key, child in node.children():
        _collect_origins(child, f"{path}.{key}", origins)


def _header(path: Path) -> str:
    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        text = line.removeprefix("#").strip()
        if not line.startswith("#"):
            break
        if text and not text.startswith(("@package", "yaml-language-server")):
            return text
    return ""
