"""What stands under `inputs:`: references to ports, and to cells of a matrix.

split.dataset                       # the cell with the same values, where split is a matrix
train[fold=0].best                  # one cell
evaluate[*].metrics                 # all cells, in the order of the matrix
evaluate[fold=*].metrics            # all folds, once for each value of the other axes
tune.params?                        # may be missing
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from aidn_pipeline.config.check import Checker, where
from aidn_pipeline.config.matrix import Axis, Dimension
from aidn_pipeline.config.text import read_value
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.pipeline import PortRef
from aidn_pipeline.errors import WiringError, WrongType

EVERY = "*"
INSIDE = re.compile(r"(?P<stage>[^\[]+)\[(?P<inside>.*)\]")


@dataclass(frozen=True, slots=True)
class Wire:
    """One reference as written.

    Attributes:
        stage: whose output it is, without its cell.
        port: of that stage.
        optional: whether the stage may be missing.
        choices: what stands in brackets: axis (empty for all) and value.
        node: where it stands.
    """

    stage: str
    port: str
    optional: bool
    choices: tuple[tuple[str, str], ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Route:
    """A reference resolved against the dimensions of the stage it refers to.

    Attributes:
        fixed: position on each dimension of which one value is picked.
        gathered: dimensions of which every value is taken.
        followed: those on which the referring stage is repeated as well.
    """

    wire: Wire
    fixed: Mapping[str, int] = field(default_factory=dict)
    gathered: tuple[Dimension, ...] = ()
    followed: tuple[Dimension, ...] = ()


def read_wires(name: str, node: Node | None, checker: Checker) -> dict[str, list[Wire]]:
    """The references of a stage by port; problems are reported."""
    if node is None or node.value is None:
        return {}
    if not node.is_mapping:
        checker.report(
            WrongType(
                f"`stages.{name}.inputs` is a mapping of ports",
                where=where(node),
                remedy="write `inputs: {dataset: split.dataset}`",
            )
        )
        return {}
    found: dict[str, list[Wire]] = {}
    for port, value in node.value.items():
        wires = port_wires(value, checker)
        if wires:
            found[port] = wires
    return found


def port_wires(node: Node, checker: Checker) -> list[Wire]:
    """The references of one port; none if one of them cannot be read."""
    items = node.value if isinstance(node.value, list) else [node]
    wires = [_wire(item, checker) for item in items if item.value is not None]
    return [wire for wire in wires if wire is not None] if all(wires) else []


def _wire(node: Node, checker: Checker) -> Wire | None:
    text = node.value if isinstance(node.value, str) else str(node.text)
    try:
        ref = PortRef.parse(text)
        inside = INSIDE.fullmatch(ref.stage)
        choices = _choices(inside["inside"]) if inside else ()
    except ValueError:
        checker.report(
            WiringError(
                f"{node.plain()!r} is no reference to a port",
                where=where(node),
                remedy="write `stage.port`, `stage.port?` if it may be missing, or of a matrix "
                "`stage[axis=value].port` or `stage[*].port`",
            )
        )
        return None
    stage = inside["stage"] if inside else ref.stage
    return Wire(stage, ref.port, ref.optional, choices, node)


def _choices(inside: str) -> tuple[tuple[str, str], ...]:
    if inside.strip() == EVERY:
        return (("", EVERY),)
    pairs = [part.partition("=") for part in inside.split(",")]
    if not all(axis.strip() and equals and value.strip() for axis, equals, value in pairs):
        raise ValueError(inside)
    return tuple((axis.strip(), value.strip()) for axis, _, value in pairs)


def route(wire: Wire, dimensions: Sequence[Dimension], checker: Checker) -> Route | None:
    """Resolves a reference; None if it is wrong, which is reported.

    Args:
        wire: the reference.
        dimensions: of the stage it refers to.
        checker: takes the problems.
    """
    open_rows = {d.key: list(range(d.size)) for d in dimensions}
    picked, every = set[str](), set[str]()
    for name, value in wire.choices:
        if name == "":
            every = {d.key for d in dimensions}
            if not dimensions:
                _wrong(wire, f"{wire.stage!r} has no axes to gather", [], checker)
                return None
            continue
        found = [(d, axis) for d in dimensions for axis in d.axes if axis.is_called(name)]
        if len(found) != 1:
            _no_axis(wire, name, dimensions, checker)
            return None
        dimension, axis = found[0]
        if value == EVERY:
            every.add(dimension.key)
            continue
        picked.add(dimension.key)
        fitting = _fitting(axis, value)
        if not fitting:
            known = [v.text for v in axis.values]
            problem = f"axis {name!r} of {wire.stage!r} has no value `{value}`"
            _wrong(wire, problem, known, checker)
            return None
        open_rows[dimension.key] = [at for at in open_rows[dimension.key] if at in fitting]
    if wrong := [key for key in picked if len(open_rows[key]) != 1]:
        problem = f"{wire.node.plain()} picks {len(open_rows[wrong[0]])} cells, not one"
        _wrong(wire, problem, [], checker)
        return None
    every -= picked
    return Route(
        wire,
        fixed={key: open_rows[key][0] for key in picked},
        gathered=tuple(d for d in dimensions if d.key in every),
        followed=tuple(d for d in dimensions if d.key not in every | picked),
    )


def _fitting(axis: Axis, text: str) -> list[int]:
    same = [at for at, value in enumerate(axis.values) if value.text == text]
    if same:
        return same
    # 0.0001 and 1.0e-4 are one number.
    read = read_value(text, axis.origin).value
    number = isinstance(read, (int, float)) and not isinstance(read, bool)
    return [at for at, v in enumerate(axis.values) if number and v.label == read]


def _no_axis(wire: Wire, name: str, dimensions: Sequence[Dimension], checker: Checker) -> None:
    axes = [axis for dimension in dimensions for axis in dimension.axes]
    called, known = [axis.key for axis in axes if axis.is_called(name)], [a.path for a in axes]
    if called:
        _wrong(wire, f"{wire.stage!r} has several axes {name!r}", called, checker)
    elif axes:
        near = get_close_matches(name, known, 1) or known
        _wrong(wire, f"{wire.stage!r} has no axis {name!r}", near, checker)
    else:
        _wrong(wire, f"{wire.stage!r} is no matrix: it has no axis {name!r}", [], checker)


def _wrong(wire: Wire, problem: str, known: Sequence[str], checker: Checker) -> None:
    remedy = f"write one of {', '.join(known)}" if known else f"write `{wire.stage}.{wire.port}`"
    checker.report(WiringError(problem, where=where(wire.node), remedy=remedy))
