"""Rows of a few columns that read well in 80 columns: what does not fit goes to a line below."""

from collections.abc import Sequence

from aidn_pipeline.cli.text import printable

WIDTH = 79
GAP = 2


def grid(
    rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), indent: str = ""
) -> list[str]:
    """Lines of a table in `WIDTH` columns; rows with long cells take several lines.

    Args:
        rows: of equal length; empty cells at the end are left out.
        header: titles of the columns.
        indent: before each line.
    """
    cells = [[printable(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    if not rows:
        return []
    starts = _starts(cells, len(indent))
    return [line for row in cells for line in _lines(row, starts, indent)]


def _starts(cells: Sequence[Sequence[str]], indent: int) -> list[int]:
    """Where each column begins, so that as many rows as possible fit on a line."""
    fitting = list(cells)
    while True:
        widths = [max((len(row[i]) for row in fitting), default=0) for i in range(len(cells[0]))]
        room = WIDTH - indent - GAP * (len(widths) - 1)
        if sum(widths) <= room or len(fitting) <= 1:
            return [indent + sum(widths[:i]) + GAP * i for i in range(len(widths))]
        # The widest cell makes its row one of several lines.
        at = max(range(len(widths)), key=lambda i: widths[i])
        fitting = [row for row in fitting if len(row[at]) < widths[at]]


def _lines(row: Sequence[str], starts: Sequence[int], indent: str) -> list[str]:
    lines = [indent + row[0]]
    below = starts[min(1, len(starts) - 1)]
    for start, cell in zip(starts[1:], row[1:], strict=True):
        if not cell:
            continue
        used = len(lines[-1])
        place = max(start, used + GAP)
        if place + len(cell) > WIDTH:
            lines.append("")
            place = below
        lines[-1] = f"{lines[-1]:<{place}}{cell}"
    return [line.rstrip() for line in lines]
