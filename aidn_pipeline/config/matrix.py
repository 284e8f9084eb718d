"""`matrix:` of a stage: its axes, their values with a label each, and how they are combined.

    matrix: {trainer.seed: [1, 2, 3]}                     # three cells
    matrix: {fold: {range: 5}}                            # 0, 1, 2, 3, 4
    matrix: {zip: true, epochs: [5, 10], lr: [0.1, 0.01]} # two cells, not four
    matrix: {model: [{label: small, value: {hidden: 16}}, {label: big, value: {hidden: 256}}]}

An axis is the path of a field inside the stage, or a name that the stage refers to as
`${matrix.NAME}`.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from aidn_pipeline.config.check import Checker, shown, where
from aidn_pipeline.config.tree import Node, Scalar
from aidn_pipeline.errors import ConfigError, WrongType

ZIP = "zip"
RANGE = "range"
LABELLED = ("label", "value")
MAX_CELLS = 10_000
"""Of one stage; more is a mistake, and would only be noticed after hours of planning."""
PLAIN = re.compile(r"[^\s\[\],=*?\x00-\x1f]{1,60}")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an axis.

    Attributes:
        label: what it is called in the names of cells.
        node: what is written into the stage.
    """

    label: Scalar
    node: Node

    @property
    def text(self) -> str:
        """The label as it stands in a name."""
        return self.label if isinstance(self.label, str) else json.dumps(self.label)


@dataclass(frozen=True, slots=True)
class Axis:
    """What one stage is repeated over.

    Attributes:
        stage: that declares it.
        path: of the field inside that stage, or a name of its own.
        values: in written order.
        origin: where it is written.
    """

    stage: str
    path: str
    values: tuple[Value, ...]
    origin: str

    @property
    def key(self) -> str:
        """`stage.path`, which no other axis has."""
        return f"{self.stage}.{self.path}"

    def is_called(self, name: str) -> bool:
        """Whether a reference may call it so."""
        return name in (self.path, self.key)


@dataclass(frozen=True, slots=True)
class Dimension:
    """Axes that move together: one, or those of a `zip`."""

    axes: tuple[Axis, ...]

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return self.axes[0].key

    @property
    def size(self) -> int:
        """How many values it has."""
        return len(self.axes[0].values)


Point = Mapping[str, int]
"""A cell's place: the position on each dimension, by the dimension's key."""


def points(dimensions: tuple[Dimension, ...]) -> list[Point]:
    """Every combination; the last dimension changes fastest."""
    keys = [dimension.key for dimension in dimensions]
    sizes = [range(dimension.size) for dimension in dimensions]
    return [dict(zip(keys, at, strict=True)) for at in product(*sizes)]


def read_matrix(
    stage: str, node: Node | None, pinned: Mapping[str, Node], checker: Checker
) -> tuple[Dimension, ...]:
    """The dimensions that a stage declares.

    Args:
        stage: its name.
        node: what stands under `matrix`, resolved.
        pinned: values given on the command line, by path of the axis they stand for.
        checker: takes the problems.
    """
    if node is None or node.value is None:
        return ()
    if not node.is_mapping:
        checker.report(
            WrongType(
                f"`{node.path}` is a mapping of axes, not {shown(node)}",
                where=where(node),
                remedy="write `matrix: {trainer.seed: [1, 2, 3]}`",
            )
        )
        return ()
    axes = []
    for path, given in node.value.items():
        if path == ZIP or given.value is None:
            continue
        values = _values(given, checker)
        if path in pinned and values:
            values = (given_value(pinned[path]),)
        if values:
            axes.append(Axis(stage, path, values, where(given)))
    zipped = node.get(ZIP)
    if not axes or zipped is None or not _is_true(zipped, checker):
        return tuple(Dimension((axis,)) for axis in axes)
    return _zipped(axes, zipped, checker)


def _zipped(axes: list[Axis], node: Node, checker: Checker) -> tuple[Dimension, ...]:
    if len({len(axis.values) for axis in axes}) > 1:
        lengths = ", ".join(f"{axis.path} {len(axis.values)}" for axis in axes)
        checker.report(
            ConfigError(
                f"axes that go together are equally long: {lengths}",
                where=where(node),
                remedy="give each as many values, or remove `zip: true` for every combination",
            )
        )
        return ()
    return (Dimension(tuple(axes)),)


def _is_true(node: Node, checker: Checker) -> bool:
    if not isinstance(node.value, bool):
        checker.report(
            WrongType(
                f"`{node.path}` takes true or false, not {shown(node)}",
                where=where(node),
                remedy="true pairs the values of the axes, false takes every combination",
            )
        )
    return node.value is True


def _values(node: Node, checker: Checker) -> tuple[Value, ...]:
    if node.is_mapping and set(node.value) == {RANGE}:
        axis, node = node, node.value[RANGE]
        count = checker.value("int", node)
        if isinstance(count, int) and count < 1:
            checker.report(
                WrongType(
                    f"`{node.path}` is {count}, the least is 1",
                    where=where(node),
                    remedy="write how many values the axis has: `{range: 5}` is 0, 1, 2, 3, 4",
                )
            )
        elif isinstance(count, int) and count <= MAX_CELLS:
            numbers = (Node(i, axis.origin, str(i), axis.path) for i in range(count))
            return tuple(Value(number.value, number) for number in numbers)
        elif isinstance(count, int):
            checker.report(too_many(count, where(node)))
        return ()
    if not isinstance(node.value, list) or not node.value:
        checker.report(
            WrongType(
                f"`{node.path}` is a list of values, not {shown(node) if node.value else 'empty'}",
                where=where(node),
                remedy=f"write `[{shown(node)}]` for one value, `{{range: 5}}` for 0 to 4, or null "
                "to remove the axis",
            )
        )
        return ()
    found = [_value(item, checker) for item in node.value]
    values = tuple(value for value in found if value is not None)
    twice = [text for text, count in Counter(v.text for v in values).items() if count > 1]
    if twice:
        checker.report(
            ConfigError(
                f"`{node.path}` has {twice[0]} twice",
                where=where(node),
                remedy="remove one, or tell them apart: `{label: NAME, value: ...}`",
            )
        )
    return values if len(values) == len(found) and not twice else ()


def too_many(count: int, place: str) -> ConfigError:
    """More cells than any machine runs."""
    return ConfigError(
        f"{count:,} cells are more than {MAX_CELLS:,}",
        where=place,
        remedy="give the axes fewer values, or search the values: `use: sweep`",
    )


def _value(node: Node, checker: Checker) -> Value | None:
    if node.is_mapping and set(node.value) == set(LABELLED):
        label = node.value["label"]
        if not isinstance(label.value, (dict, list)) and _fits(label.value):
            return Value(label.value, node.value["value"])
        node = label
    elif not isinstance(node.value, (dict, list)) and _fits(node.value):
        return Value(node.value, node)
    checker.report(
        ConfigError(
            f"{shown(node)} cannot stand in the name of a cell",
            where=where(node),
            remedy="give it a name: `{label: NAME, value: ...}`; a name has no blanks, commas, "
            "brackets, `=`, `*` or `?`",
        )
    )
    return None


def _fits(value: Scalar) -> bool:
    return not isinstance(value, str) or PLAIN.fullmatch(value) is not None


def given_value(node: Node) -> Value:
    """The one value of an axis that was given on the command line."""
    value = node.value
    if isinstance(value, (dict, list)) or not _fits(value):
        return Value("given", node)
    return Value(value, node)
