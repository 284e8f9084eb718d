"""Rows of a few columns that read well in 80 columns: what does not fit goes to a line below."""

from collections.abc import Iterator, Sequence

from aidn_pipeline.cli.text import printable

WIDTH = 79
GAP = 2
WIDEST = 34
"""Characters of a first column that others are aligned behind; a longer one stands by itself."""


def grid(
    rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), indent: str = ""
) -> list[str]:
    """Lines of a table: as a whole in `WIDTH` columns, or with long cells on lines below.

    Args:
        rows: of equal length; empty cells at the end are left out.
        header: titles of the columns; left out where the rows are broken.
        indent: before each line.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    titled = [list(header), *cells] if header else cells
    if not cells:
        return []
    widths = [max(len(row[i]) for row in titled) for i in range(len(titled[0]))]
    if len(indent) + sum(widths) + GAP * (len(widths) - 1) <= WIDTH:
        return [_line(row, widths, indent) for row in titled]
    firsts = [len(row[0]) for row in cells if len(row[0]) <= WIDEST]
    return [line for row in cells for line in _broken(row, max(firsts, default=0), indent)]


def _line(row: Sequence[str], widths: Sequence[int], indent: str) -> str:
    gap = " " * GAP
    padded = gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"{indent}{padded}".rstrip()


def _broken(row: Sequence[str], width: int, indent: str) -> Iterator[str]:
    line = f"{indent}{row[0]:<{width}}"
    below = f"{indent}{' ' * (width + GAP)}"
    if len(row[0]) > width:
        yield line
        line = below[:-GAP]
    for cell in filter(None, row[1:]):
        if len(line) + GAP + len(cell) > WIDTH and line.strip():
            yield line.rstrip()
            line = below[:-GAP]
        line += f"{' ' * GAP}{cell}"
    if line.strip():
        yield line.rstrip()
