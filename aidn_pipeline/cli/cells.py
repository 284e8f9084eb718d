"""Cells of a matrix as people read them: `train[fold=0..4]` for five of them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

FEW = 4
"""Values of an axis that are written out."""


def base_of(name: str) -> str:
    """The stage that a cell is one of; other stages are their own."""
    return name.partition("[")[0]


def values_of(name: str) -> dict[str, str]:
    """The values of a cell by axis; empty for a stage that is none."""
    inside = name.partition("[")[2].removesuffix("]")
    pairs = (part.partition("=") for part in inside.split(",")) if inside else ()
    return {axis: value for axis, _, value in pairs}


def called(names: Sequence[str]) -> str:
    """One name for some cells of a stage, in their order."""
    if len(names) == 1:
        return names[0]
    cells = [values_of(name) for name in names]
    axes = {axis: list(dict.fromkeys(c.get(axis, "") for c in cells)) for axis in cells[0]}
    whole = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    if sorted(map(str, whole)) != sorted(map(str, cells)):
        return f"{base_of(names[0])}[{len(names)} cells]"
    inside = ",".join(f"{axis}={_span(values)}" for axis, values in axes.items())
    return f"{base_of(names[0])}[{inside}]"


def _span(values: Sequence[str]) -> str:
    numbers = [int(value) for value in values if value.lstrip("-").isdecimal()]
    if len(numbers) == len(values) > 1:
        first = numbers[0]
        if numbers == list(range(first, first + len(numbers))):
            return f"{values[0]}..{values[-1]}"
    return "|".join(values) if len(values) <= FEW else f"{len(values)} values"


def shortened(reason: str) -> str:
    """A reason that names stages, with the cells of one stage as one: `needs train[fold=0..4]`."""
    for words in ("depends on ", "needs "):
        if reason.startswith(words):
            names = reason.removeprefix(words).split(", ")
            return words + ", ".join(called(group) for group in together(names, {}))
    return reason


def together(names: Iterable[str], alike: Mapping[str, object]) -> list[list[str]]:
    """Names in groups: cells of one stage that are alike stand where the first of them stood.

    Args:
        names: of stages and cells, in order.
        alike: what two cells have in common that go together; a plain stage is by itself.
    """
    groups: dict[object, list[str]] = {}
    for name in names:
        is_cell = base_of(name) != name
        key = (base_of(name), alike.get(name)) if is_cell else (name,)
        groups.setdefault(key, []).append(name)
    return list(groups.values())
