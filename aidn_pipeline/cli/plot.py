"""Curves as plain text: one line for many, a small plot for the one that counts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from aidn_pipeline.cli.text import number

MARKS = "*o+x"
HEIGHT = 9
WIDTH = 60

Points = Sequence[tuple[int, float]]


def plot(curves: Mapping[str, Points], *, unit: str, width: int = WIDTH) -> list[str]:
    """Curves over one axis, each with a mark of its own; values that are not finite leave a gap.

    Args:
        curves: steps and values by name, at most four.
        unit: of the steps.
        width: columns of the plot itself.
    """
    every = [point for points in curves.values() for point in points if math.isfinite(point[1])]
    if not every:
        return []
    first, last = min(s for s, _ in every), max(s for s, _ in every)
    low, high = min(v for _, v in every), max(v for _, v in every)
    canvas = [[" "] * width for _ in range(HEIGHT)]
    # The first curve is drawn last: it lies on top.
    for mark, points in reversed(list(zip(MARKS, curves.values(), strict=False))):
        for column, value in _columns(points, first, last, width):
            canvas[HEIGHT - 1 - _place(value, low, high, HEIGHT)][column] = mark
    labels = [number(high), *[""] * (HEIGHT - 2), number(low)]
    margin = max(map(len, labels))
    lines = [
        f"{label:>{margin}} |{''.join(row)}".rstrip()
        for label, row in zip(labels, canvas, strict=True)
    ]
    ends = f"{first}{last:>{max(width - len(str(first)), 1)}}" if last > first else str(first)
    legend = "  ".join(f"{mark} {name}" for mark, name in zip(MARKS, curves, strict=False))
    return [
        *lines,
        f"{'':{margin}} +{'-' * width}",
        f"{'':{margin}}  {ends}",
        f"{'':{margin}}  {legend}   by {unit}",
    ]


def _columns(points: Points, first: int, last: int, width: int) -> Iterator[tuple[int, float]]:
    """The curve in every column between its points, on straight lines from one to the next."""
    placed = [(_place(step, first, last, width), value) for step, value in points]
    yield from (pair for pair in placed if math.isfinite(pair[1]))
    for (start, before), (end, after) in pairwise(placed):
        if math.isfinite(before + after):
            for column in range(start + 1, end):
                yield column, before + (after - before) * (column - start) / (end - start)


def _place(value: float, low: float, high: float, cells: int) -> int:
    return round((value - low) / (high - low) * (cells - 1)) if high > low else 0
