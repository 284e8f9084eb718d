"""Recipes: what there is, and from a name and overrides to a `PipelineSpec`."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from aidn_pipeline.config.cells import (
    Cell,
    expand,
    refuse_cell,
    refuse_repeated_effects,
    without_skipped,
)
from aidn_pipeline.config.check import GONE, Checker, where
from aidn_pipeline.config.compose import Composed, compose
from aidn_pipeline.config.excerpt import point
from aidn_pipeline.config.library import GivenRecipe, Library
from aidn_pipeline.config.limits import AMOUNTS, read_amounts, read_limits
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.spaces import check_spaces, unpinned
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, Index
from aidn_pipeline.core.pipeline import STAGE_KEYS, PipelineSpec, StageSpec
from aidn_pipeline.core.wiring import order
from aidn_pipeline.core.wiring import problems as wiring_problems
from aidn_pipeline.errors import (
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
        name="from",
        type={"list": "str"},
        doc="stages that are made anew with all that come after them",
    ),
    FieldSpec(
        name="until",
        type={"list": "str"},
        doc="stages to run with what they need, and nothing after them",
    ),
    FieldSpec(
        name="only",
        type={"list": "str"},
        doc="stages to run alone; the results of what they need must be there",
    ),
    FieldSpec(
        name="no_cache",
        type="bool",
        default=False,
        doc="makes everything anew and reuses nothing, trials neither",
    ),
    FieldSpec(
        name="frozen",
        type="bool",
        default=False,
        doc="fails before the first stage if anything differs from the recipe's lock",
    ),
    FieldSpec(
        name="strict",
        type="bool",
        default=False,
        doc="of a rerun: fails if code or packages have changed, or the bytes differ",
    ),
    FieldSpec(
        name="durability",
        type={"literal": ["full", "process"]},
        doc="what finished work survives: full, a power cut; process, the death of processes",
    ),
    FieldSpec(
        name="executor",
        type={"literal": ["inline", "processes"]},
        doc="where stages run: inline in this process, one after the other; processes, each in one "
        "of its own, several at once",
    ),
    FieldSpec(
        name="wait",
        type={"union": ["bool", "float"]},
        default=True,
        least=0,
        doc="for a process that does the same work: true waits, false fails at once, a number "
        "waits so many seconds",
    ),
    FieldSpec(
        name="smoke",
        type="bool",
        default=False,
        doc="two batches and one trial in a store of its own; registers nothing",
    ),
)
WIRED = re.compile(r"stages(\.[^.]+(\.(use|inputs|matrix)(\..*)?)?)?")
"""Paths without which nothing can be said of how stages are wired."""
CELL_NAME = re.compile(r"\[[^\[\]]*\]")


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
    library = Library(project, index, given)
    try:
        return _loaded(library, name, overrides, environ)
    except FoundBeforeStart as problem:
        point(problem, library.texts)
        raise


def _loaded(
    library: Library, name: str, overrides: Sequence[str], environ: Mapping[str, str] | None
) -> PipelineSpec:
    composed = compose(library, name, overrides, environ)
    checker = Checker(library.index)
    for problem in composed.problems:
        checker.report(problem)
    spec = assemble(name, composed, checker)
    if len(checker.problems) > 1:
        raise ConfigProblems(checker.problems)
    if checker.problems:
        raise checker.problems[0]
    assert spec is not None
    return spec


def assemble(recipe: str, composed: Composed, checker: Checker) -> PipelineSpec | None:
    """Resolves and checks a composed recipe; None if anything is wrong, which is reported.

    Args:
        recipe: the name it was loaded by.
        composed: the recipe.
        checker: takes the problems.
    """
    written: dict[str, Node] = {}
    for key in ("name", "seed", "run", "stages"):
        node = composed.tree.get(key)
        if node is None:
            continue
        if key == "stages" and node.is_mapping:
            parts = {
                k: composed.resolver.every(v, f"stages.{k}", checker.unresolved)
                for k, v in node.value.items()
            }
            written[key] = Node(parts, node.origin, path="stages")
        else:
            written[key] = composed.resolver.every(node, key, checker.unresolved)
    nodes = _stage_nodes(written.get("stages"), composed.tree.origin, checker)
    cells = expand(nodes, composed, checker)
    stages = {cell.name: _stage(cell, composed, checker) for cell in cells.values()}
    name = _scalar(checker, "str", written.get("name"))
    refuse_cell(written.get("name"), checker)
    seed = _scalar(checker, "int", written.get("seed"))
    run = _run(written.get("run"), cells, checker)
    if not any(WIRED.fullmatch(path) for path in checker.lost):
        _check_wiring(stages, cells, composed, checker)
    if checker.problems:
        return None
    origins: dict[str, str] = {}
    for key, node in written.items():
        _collect_origins(node, key, origins)
    for cell in cells.values():
        if cell.labels:
            _collect_origins(cell.node, f"stages.{cell.name}", origins)
    known = {s.name: s for s in stages.values() if s is not None}
    return PipelineSpec(
        name=name,
        recipe=recipe,
        stages=without_skipped(known, checker.index),
        seed=seed,
        origins=origins,
        run=run,
        notes=tuple(composed.notes),
        warnings=tuple(checker.notes),
        environment=dict(sorted(composed.resolver.used.items())),
    )


def _stage_nodes(stages: Node | None, place: str, checker: Checker) -> dict[str, Node]:
    if stages is None or not stages.is_mapping or not stages.value:
        if not checker.problems:
            checker.report(
                ConfigError(
                    "the recipe has no stages",
                    where=stages.origin if stages else f"{place}:1",
                    remedy="add `- /pipeline: standard` to its defaults list",
                )
            )
        return {}
    found = {}
    for name, node in stages.value.items():
        if node.value is not None and set(name) & set("[]."):
            checker.report(
                ConfigError(
                    f"a stage cannot be called {name!r}: no reference could name it",
                    where=where(node),
                    remedy="write a name without dots and brackets; to set keys of one cell, give "
                    "an axis a value for it, or refer to `${matrix.AXIS}`",
                )
            )
        elif node.is_mapping:
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


def _stage(cell: Cell, composed: Composed, checker: Checker) -> StageSpec | None:
    name = cell.base
    node = unpinned(name, cell.node, composed, checker)
    before = checker.reports
    limits = read_limits(node, checker)
    if node.get("use") is None and (near := get_close_matches(name, composed.others(name), 1)):
        checker.report(
            UnknownKey(
                f"there is no stage {name!r}, and nothing says what it would be",
                where=where(node),
                remedy=f"did you mean `{near[0]}`? For a new stage, add `use:`",
            )
        )
        return None
    pipeline = next((o for o in composed.overrides if o.key == "pipeline"), None)
    if node.get("use") is None and pipeline is not None:
        checker.report(
            UnknownKey(
                f"`{pipeline.written}` has no stage {name!r}, and nothing says what it would be",
                where=where(node),
                remedy=f"leave the stage out with `~stages.{name}`, or keep the recipe's pipeline",
            )
        )
        return None
    given = checker.component("stage", node, skip=STAGE_KEYS)
    if given is None:
        return None
    _refuse_absent(cell.node.get("inputs"), checker.index.find("stage", given["use"]), checker)
    if checker.reports > before:
        # Kept for the wiring check, which needs no more than the name of the component.
        return StageSpec(name=cell.name, stage={"use": given["use"]}, inputs=cell.inputs)
    description = complete(checker.index, "stage", given, where=f"stages.{name}")
    check_spaces(name, node, description, checker)
    return StageSpec(
        name=cell.name,
        stage=description,
        inputs=cell.inputs,
        cell=cell.labels,
        skip=cell.skip,
        on_failure=cell.on_failure,
        resources=limits.resources,
        timeout_s=limits.timeout_s,
        retries=limits.retries,
    )


def _refuse_absent(inputs: Node | None, spec: ComponentSpec, checker: Checker) -> None:
    """Null takes a reference away; of a port that there is not, it is a mistake."""
    for port, node in (inputs.value if inputs is not None and inputs.is_mapping else {}).items():
        if node.value is None and spec.input(port) is None:
            known = [item.name for item in spec.inputs]
            checker.report(
                WiringError(
                    f"stage {spec.name!r} has no input {port!r} to take away",
                    where=where(node),
                    remedy=nearest(port, known, noun="its inputs"),
                )
            )


def _scalar(checker: Checker, kind: str, node: Node | None) -> Any:
    return checker.value(kind, node) if node is not None else GONE


def _run(node: Node | None, cells: Mapping[str, Cell], checker: Checker) -> dict[str, Any]:
    if node is None or node.value is None:
        return {}
    if not node.is_mapping:
        checker.report(
            WrongType(
                "`run` is a mapping", where=where(node), remedy="write `run: {force: [STAGE]}`"
            )
        )
        return {}
    written = {key: child for key, child in node.value.items() if key != "resources"}
    found = checker.fields(RUN_FIELDS, written, node)
    if budget := read_amounts(node.get("resources"), AMOUNTS, checker):
        found["resources"] = budget
    forced: list[str] = []
    for name in found.get("force", ()):
        # The name of a matrix stands for all of its cells.
        fitting = [c.name for c in cells.values() if name in (c.base, c.name)]
        forced += fitting
        if not fitting:
            place = node.get("force") or node
            known = dict.fromkeys(key for c in cells.values() for key in (c.base, c.name))
            checker.report(
                UnknownKey(
                    f"there is no stage {name!r} to force",
                    where=where(place),
                    remedy=nearest(name, list(known), noun="stages"),
                )
            )
    return {**found, "force": forced} if forced else found


def _check_wiring(
    stages: Mapping[str, StageSpec | None],
    cells: Mapping[str, Cell],
    composed: Composed,
    checker: Checker,
) -> None:
    known = {name: stage for name, stage in stages.items() if stage is not None}
    if len(known) < len(cells):
        return
    found = list(wiring_problems(known, checker.index))
    try:
        order(known)
    except WiringError as problem:
        found.append(problem)
    refuse_repeated_effects(known, cells, checker.index, checker)
    # A reference that could not be read is told already; its port is not missing beside that.
    told = {p.where.partition(" (")[2].removesuffix(")") for p in checker.problems}
    gone = composed.removed
    same = set[tuple[str, str]]()
    for one in found:
        path, place = _place(one.where, cells)
        # What is wrong with a stage is wrong with each of its cells, and told once.
        said = (CELL_NAME.sub("", one.problem), place)
        if said in same or any(f"{t}.".startswith(f"{path}.") for t in told):
            continue
        same.add(said)
        missing = next((n for n in gone if one.problem.endswith(f"there is no stage {n!r}")), None)
        remedy = one.remedy
        if missing is not None:
            remedy = f"it is removed at {gone[missing]}: wire this to another, or remove it as well"
        checker.report(WiringError(one.problem, where=place, remedy=remedy))


def _place(path: str, cells: Mapping[str, Cell]) -> tuple[str, str]:
    """The path in the recipe of a path in a cell, and the same with its line."""
    fitting = [name for name in cells if f"{path}.".startswith(f"stages.{name}.")]
    if not fitting:
        return path, path
    cell = cells[max(fitting, key=len)]
    rest = path.removeprefix(f"stages.{cell.name}")
    node = cell.node
    for key in rest.split(".")[1:]:
        node = node.get(key) or node
    return f"stages.{cell.base}{rest}", f"{node.origin} (stages.{cell.base}{rest})"


def _collect_origins(node: Node, path: str, origins: dict[str, str]) -> None:
    if node.path and node.path != path:
        origins.setdefault(node.path, node.origin)
    origins[path] = node.origin
    for key, child in node.children():
        _collect_origins(child, f"{path}.{key}", origins)
