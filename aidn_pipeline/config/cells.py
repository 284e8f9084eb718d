"""Stages with a matrix, and those that follow them, to plain stages: one for each cell.

A stage that refers to a matrix stage is repeated over the same axes, two references on the same
axis are paired by its value, and `[*]` gathers. What runs the stages knows nothing of it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

from aidn_pipeline.config.check import GONE, Checker, where
from aidn_pipeline.config.compose import Composed
from aidn_pipeline.config.condition import decide
from aidn_pipeline.config.interpolate import CELL
from aidn_pipeline.config.matrix import (
    MAX_CELLS,
    Axis,
    Dimension,
    Point,
    Value,
    points,
    read_matrix,
    too_many,
)
from aidn_pipeline.config.merge import merge
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.tree import Node, Scalar, find, put
from aidn_pipeline.config.wires import Route, Wire, port_wires, read_wires, route
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PortRef, StageSpec
from aidn_pipeline.core.wiring import order
from aidn_pipeline.errors import ConfigError, FoundBeforeStart, UnknownKey, WiringError, WrongType

STANDS_FOR = re.compile(r"\$\{\s*matrix\.([\w.-]+)\s*\}")
UNFILLED = ("inputs", "matrix", "on_failure")
"""Keys of a stage that are the same for all of its cells."""
ON_FAILURE = {"literal": ["stop", "continue"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A stage as it will be run; a stage without axes is one cell.

    Attributes:
        base: the stage's key in the recipe.
        name: the same with its values by axis.
        node: the stage with those values written into it.
        inputs: references to other cells by port.
        labels: values by axis.
    """

    base: str
    name: str
    node: Node
    inputs: Mapping[str, tuple[PortRef, ...]]
    labels: Mapping[str, Scalar] = field(default_factory=dict)
    skip: str = ""
    on_failure: Literal["stop", "continue"] = "stop"


def expand(nodes: Mapping[str, Node], composed: Composed, checker: Checker) -> dict[str, Cell]:
    """The cells of all stages by name, in written order; problems are reported.

    Args:
        nodes: resolved stages by key.
        composed: the recipe; its notes say how many cells there are.
        checker: takes the problems.
    """
    return _Expansion(nodes, composed, checker).cells()


def pinned_values(name: str, node: Node, composed: Composed) -> dict[str, tuple[Node, str]]:
    """Values given on the command line for axes of a stage, by path, and the override of each.

    Args:
        name: of the stage.
        node: the resolved stage.
        composed: knows what was given.
    """
    matrix, found = node.get("matrix"), dict[str, tuple[Node, str]]()
    for path in matrix.value if matrix is not None and matrix.is_mapping else ():
        place = composed.resolver.canonical(["stages", name, *path.split(".")])
        written = composed.pinned.get(place) if place is not None else None
        value = find(node, path.split("."))
        if written is not None and value is not None:
            found[path] = value, written
    return found


class _Expansion:
    def __init__(self, nodes: Mapping[str, Node], composed: Composed, checker: Checker) -> None:
        self._nodes = nodes
        self._composed = composed
        self._checker = checker
        self._own = {name: self._declared(name, node) for name, node in nodes.items()}
        self._wires = {n: read_wires(n, node.get("inputs"), checker) for n, node in nodes.items()}
        self._dimensions: dict[str, tuple[Dimension, ...]] = {}
        self._routes: dict[str, dict[str, list[list[Route]]]] = {}
        paths = [a.path for own in self._own.values() for d in own for a in d.axes]
        self._used = {used for node in nodes.values() for used in _names(node)}
        self._unique = {path for path in paths if paths.count(path) == 1}

    def cells(self) -> dict[str, Cell]:
        for name in self._ordered():
            self._follow(name)
        found = {cell.name: cell for name in self._nodes for cell in self._cells_of(name)}
        self._tell(found)
        return found

    def _declared(self, name: str, node: Node) -> tuple[Dimension, ...]:
        pinned = pinned_values(name, node, self._composed)
        for path, (_, written) in pinned.items():
            self._note(f"{path} of {name} has one value: pinned by {written}")
        values = {path: value for path, (value, _) in pinned.items()}
        return read_matrix(name, node.get("matrix"), values, self._checker)

    def _note(self, text: str) -> None:
        if text not in self._composed.notes:
            self._composed.notes.append(text)

    def _ordered(self) -> list[str]:
        skeleton = {
            name: StageSpec(
                name=name,
                stage={},
                inputs={
                    port: tuple(PortRef(w.stage, w.port) for w in wires)
                    for port, wires in {**self._wires[name], **self._other_inputs(name)}.items()
                },
            )
            for name in self._nodes
        }
        try:
            return order(skeleton)
        except WiringError:
            # Told with its place by the check of the wiring, which needs the stages as they are.
            self._own = dict.fromkeys(self._nodes, ())
            return list(self._nodes)

    def _other_inputs(self, name: str) -> dict[str, list[Wire]]:
        """References that stand as values of an axis such as `inputs.dataset`."""
        return {
            axis.path: [w for value in axis.values for w in port_wires(value.node, self._checker)]
            for dimension in self._own[name]
            for axis in dimension.axes
            if _port_of(axis)
        }

    def _follow(self, name: str) -> None:
        routes: dict[str, list[list[Route]]] = {}
        for port, wires in self._wires[name].items():
            routes[port] = [self._routed(wires)]
        for axis in (axis for dimension in self._own[name] for axis in dimension.axes):
            if port := _port_of(axis):
                found = [self._routed(port_wires(v.node, self._checker)) for v in axis.values]
                routes[port] = found
                sets = {frozenset(d.key for r in one for d in r.followed) for one in found}
                if len(sets) > 1:
                    self._checker.report(
                        WiringError(
                            f"the values of axis {axis.path!r} of stage {name!r} have not the same "
                            "axes themselves",
                            where=axis.origin,
                            remedy="gather or pick cells, so that each value is one artifact",
                        )
                    )
        every = (r.followed for ways in routes.values() for way in ways for r in way)
        followed = {d.key: d for dimensions in every for d in dimensions}
        dimensions = (*followed.values(), *self._own[name])
        cells = prod(d.size for d in dimensions)
        if cells > MAX_CELLS:
            own = [axis.origin for dimension in self._own[name] for axis in dimension.axes]
            self._checker.report(too_many(cells, own[-1] if own else where(self._nodes[name])))
            dimensions = ()
        self._dimensions[name], self._routes[name] = dimensions, routes

    def _routed(self, wires: list[Wire]) -> list[Route]:
        found = []
        for wire in wires:
            dimensions = self._dimensions.get(wire.stage, ())
            # What a stage that is not there is like is not known; it is told by the wiring.
            known = wire.stage in self._nodes
            one = route(wire, dimensions, self._checker) if known else Route(wire)
            if one is not None:
                found.append(one)
        return found

    def _cells_of(self, name: str) -> list[Cell]:
        node, dimensions = self._nodes[name], self._dimensions[name]
        kept = self._on_failure(node)
        return [self._cell(name, node, at, kept) for at in points(dimensions)]

    def _cell(self, name: str, node: Node, at: Point, kept: Any) -> Cell:
        values = [
            (axis, axis.values[at[dimension.key]])
            for dimension in self._dimensions[name]
            for axis in dimension.axes
        ]
        called = _Called(name, values, self._checker)
        for axis, value in values:
            if axis.stage == name and not _port_of(axis) and self._writes(axis, node):
                node = _written(node, axis.path, value.node)
        filled = called.fill(node)
        inputs = {
            port: tuple(
                ref for one in self._way(name, port, ways, at) for ref in self._refs(one, at)
            )
            for port, ways in self._routes[name].items()
        }
        return Cell(
            base=name,
            name=self._name(name, at),
            node=filled,
            inputs={port: refs for port, refs in inputs.items() if refs},
            labels={self._shown(axis): value.label for axis, value in values},
            skip=self._unmet(filled, called),
            on_failure=kept,
        )

    def _way(self, name: str, port: str, ways: list[list[Route]], at: Point) -> list[Route]:
        if len(ways) == 1:
            return ways[0]
        own = next(d for d in self._own[name] for axis in d.axes if _port_of(axis) == port)
        return ways[at[own.key]]

    def _refs(self, one: Route, at: Point) -> list[PortRef]:
        wire = one.wire
        if wire.stage not in self._nodes:
            return [PortRef(wire.stage, wire.port, wire.optional)]
        start = {**{d.key: at[d.key] for d in one.followed if d.key in at}, **one.fixed}
        found = []
        for place in points(one.gathered):
            labels = tuple(
                (self._shown(axis), axis.values[place[d.key]].label)
                for d in one.gathered
                for axis in d.axes
            )
            name = self._name(wire.stage, {**start, **place})
            cell = labels if one.gathered else None
            found.append(PortRef(name, wire.port, wire.optional, cell))
        return found

    def _name(self, stage: str, at: Point) -> str:
        parts = [
            f"{self._shown(axis)}={axis.values[at[dimension.key]].text}"
            for dimension in self._dimensions[stage]
            if dimension.key in at
            for axis in dimension.axes
        ]
        return f"{stage}[{','.join(parts)}]" if parts else stage

    def _shown(self, axis: Axis) -> str:
        return axis.path if axis.path in self._unique else axis.key

    def _writes(self, axis: Axis, node: Node) -> bool:
        """Whether an axis is the path of a field, and no name that only `${matrix...}` uses."""
        use = node.get("use")
        spec = self._checker.index.get("stage", str(use.value)) if use is not None else None
        is_field = spec is None or spec.field(axis.path.partition(".")[0]) is not None
        return is_field or not any(axis.is_called(name) for name in self._used)

    def _on_failure(self, node: Node) -> Any:
        given = node.get("on_failure")
        if given is None or given.value is None:
            return "stop"
        found = self._checker.value(ON_FAILURE, given)
        return "stop" if found is GONE else found

    def _unmet(self, node: Node, called: "_Called") -> str:
        """Why the stage is not run; empty if its condition holds or there is none."""
        given = node.get("when")
        if given is None or given.value is None or given.value is True:
            return ""
        if given.value is False:
            return "`when` is false"
        if not isinstance(given.value, str):
            self._checker.report(
                WrongType(
                    f"`{given.path}` is a condition, not {given.plain()!r}",
                    where=where(given),
                    remedy="write true, false, or such as `trainer.epochs > 5`",
                )
            )
            return ""

        def value_of(name: str) -> Any:
            if name.startswith(CELL):
                value = called.value(name.removeprefix(CELL), given)
                return None if value is None else _single(value)
            return self._at(name, given)

        try:
            verdict = decide(given.value, value_of, where(given))
        except FoundBeforeStart as problem:
            self._checker.report(problem)
            return ""
        return "" if verdict.holds else verdict.said(given.value)

    def _at(self, name: str, node: Node) -> Any:
        found = self._composed.resolver.at(name)
        if found is not None:
            return found.plain()
        if name in RUN_DEFAULTS:
            return RUN_DEFAULTS[name]
        roots = [key for key in self._composed.tree.value if key != "stages"]
        first = name.partition(".")[0]
        inside = self._composed.resolver.at(first) if first in roots else None
        roots += [f"{first}.{key}" for key, _ in inside.children()] if inside is not None else []
        raise UnknownKey(
            f"`{name}` in a condition refers to nothing",
            where=where(node),
            remedy=f"{nearest(name, roots, noun='root keys')}; a text stands in quotes: '{name}'",
        )

    def _tell(self, cells: Mapping[str, Cell]) -> None:
        alike: dict[str, list[str]] = {}
        for name in self._nodes:
            if own := self._dimensions[name]:
                size = prod(d.size for d in own)
                axes = " x ".join("+".join(self._shown(a) for a in d.axes) for d in own)
                said = f"{size} cell{'s' if size > 1 else ''} each by {axes}"
                alike.setdefault(said, []).append(name)
        if alike:
            told = "; ".join(f"{', '.join(names)}: {said}" for said, names in alike.items())
            self._note(f"matrix: {told}; {len(cells)} stages in all")


RUN_DEFAULTS: Mapping[str, Any] = {"run.smoke": False}
"""Of keys that a condition may ask for though nobody wrote them."""


@dataclass(frozen=True, slots=True)
class _Called:
    """The values of one cell by the names they are referred to."""

    stage: str
    values: Sequence[tuple[Axis, Value]]
    checker: Checker

    def value(self, name: str, node: Node) -> Value | None:
        found = [value for axis, value in self.values if axis.is_called(name)]
        if len(found) == 1:
            return found[0]
        known = [axis.key if found else axis.path for axis, _ in self.values]
        problem = (
            f"`matrix.{name}` is one of several axes of stage {self.stage!r}"
            if found
            else f"stage {self.stage!r} has no axis {name!r}"
        )
        remedy = nearest(name, known, noun="its axes") if known else "give it a `matrix:`"
        self.checker.report(UnknownKey(problem, where=where(node), remedy=remedy))
        return None

    def fill(self, node: Node) -> Node:
        """A stage with its values in the place of `${matrix.NAME}`."""
        kept = {k: v for k, v in node.value.items() if k in UNFILLED}
        inside = {k: self._filled(v) for k, v in node.value.items() if k not in kept}
        return replace(node, value={**inside, **kept})

    def _filled(self, node: Node) -> Node:
        # What holds none stays the node it is: stages that refer to it share it.
        if isinstance(node.value, dict):
            inner = {k: self._filled(v) for k, v in node.value.items()}
            changed = any(inner[k] is not v for k, v in node.value.items())
            return replace(node, value=inner) if changed else node
        if isinstance(node.value, list):
            items = [self._filled(v) for v in node.value]
            changed = any(a is not b for a, b in zip(items, node.value, strict=True))
            return replace(node, value=items) if changed else node
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        whole = STANDS_FOR.fullmatch(node.value)
        if whole is not None:
            value = self.value(whole[1], node)
            return node if value is None else replace(value.node, path=node.path)

        def text(match: re.Match[str]) -> str:
            value = self.value(match[1], node)
            return match[0] if value is None else _text(value)

        return replace(node, value=STANDS_FOR.sub(text, node.value), text=None)


def _single(value: Value) -> Any:
    return value.label if isinstance(value.node.value, (dict, list)) else value.node.value


def _text(value: Value) -> str:
    plain = value.node.value
    return value.text if isinstance(plain, (dict, list)) or plain == value.label else str(plain)


def _port_of(axis: Axis) -> str:
    head, dot, port = axis.path.partition(".")
    return port if dot and head == "inputs" else ""


def _names(node: Node) -> list[str]:
    found = [name for _, child in node.children() for name in _names(child)]
    return found + (STANDS_FOR.findall(node.value) if isinstance(node.value, str) else [])


def _written(stage: Node, path: str, value: Node) -> Node:
    keys = path.split(".")
    old = find(stage, keys)
    swapped = value.get("use") is not None
    if old is not None and value.is_mapping and not swapped:
        value = merge(old, value, {}, [])
    return put(stage, keys, value)


def refuse_cell(node: Node | None, checker: Checker) -> None:
    """Reports `${matrix...}` in a value that belongs to no stage."""
    if node is not None and _names(node):
        checker.report(
            ConfigError(
                f"`{node.plain()}` stands in a stage, or in what a stage refers to",
                where=where(node),
                remedy="write it in the stage: `stages.register.name=...`",
            )
        )


def refuse_repeated_effects(
    stages: Mapping[str, StageSpec], cells: Mapping[str, Cell], index: Index, checker: Checker
) -> None:
    """Reports stages with outside effects whose cells would all do the same one."""
    names: dict[str, list[Any]] = {}
    for name, stage in stages.items():
        spec = index.get("stage", stage.stage["use"])
        if spec is not None and spec.effects == "external" and cells[name].labels:
            names.setdefault(cells[name].base, []).append(stage.stage.get("name"))
    for base, given in names.items():
        if len(given) > 1 and len(set(map(str, given))) < len(given):
            cell = next(cell for cell in cells.values() if cell.base == base)
            checker.report(
                ConfigError(
                    f"stage {base!r} would act {len(given)} times under the name {given[0]!r}",
                    where=where(_followed(cell)),
                    remedy="wire it to one cell or to what gathers them, or let its name vary: "
                    f"`name: NAME-${{matrix.{next(iter(cell.labels))}}}`",
                )
            )


def _followed(cell: Cell) -> Node:
    """Where a stage got its axes: the reference to another matrix, or its own."""
    wired = cell.node.get("inputs")
    for port, refs in cell.inputs.items():
        node = wired.get(port) if wired is not None else None
        if node is not None and any("[" in ref.stage and ref.cell is None for ref in refs):
            return node
    return cell.node.get("matrix") or cell.node


def without_skipped(stages: Mapping[str, StageSpec], index: Index) -> dict[str, StageSpec]:
    """The stages, none of which still refers to one that is not run.

    What needs such a stage is not run either; where a reference may be missing, and among those
    that are gathered, it is left out.
    """
    done: dict[str, StageSpec] = {}
    for name in order(stages):
        stage = stages[name]
        spec = index.find("stage", stage.stage["use"])
        inputs, missing = dict[str, tuple[PortRef, ...]](), list[str]()
        for port, refs in stage.inputs.items():
            absent = [ref for ref in refs if ref.stage in done and done[ref.stage].skip]
            item = spec.input(port)
            spared = [r for r in absent if r.cell or (r.optional and item and item.optional)]
            left = tuple(ref for ref in refs if ref not in spared)
            missing += [r.stage for r in absent if r not in spared]
            if not left and not (item and item.optional):
                missing += [r.stage for r in spared]
            inputs[port] = left
        if missing and not stage.skip:
            stage = replace(stage, skip=f"needs {', '.join(dict.fromkeys(missing))}")
        kept = stage.inputs if stage.skip else {p: refs for p, refs in inputs.items() if refs}
        done[name] = replace(stage, inputs=kept)
    return {name: done[name] for name in stages}
