"""Figures, tables and curves as plain text."""

import math
import textwrap
from collections.abc import Mapping, Sequence

BARS = "▁▂▃▄▅▆▇█"
CONTROLS = {
    # C0 without tab and newline, delete and C1; separators of lines; marks that turn the direction.
    *(set(range(32)) - {9, 10}),
    *range(127, 160),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
}
"""Characters by which a text could steer a terminal."""
ESCAPED = {c: f"\\x{c:02x}" if c < 256 else f"\\u{c:04x}" for c in CONTROLS}


def printable(text: str) -> str:
    """A text of anybody's, such as a file's name, with escapes for what would steer a terminal."""
    return text.translate(ESCAPED)


def seconds(value: float | None) -> str:
    """A duration for people: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if value is None:
        return ""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 99.5:
        return f"{value:.0f} s"
    minutes = round(value) // 60
    if minutes < 100:
        return f"{minutes} min {round(value) % 60:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def ago(value: float) -> str:
    """How long ago, for people: `just now`, `5 min ago`, `3 h ago`, `12 days ago`."""
    for size, unit in ((86_400, "day"), (3_600, "h"), (60, "min")):
        count = int(value // size)
        if count:
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def number(value: float) -> str:
    """A figure with at most four digits that matter."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"


def size(value: int) -> str:
    """A number of bytes for people."""
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), indent: str = "") -> str:
    """Rows as columns two spaces apart; the last column is left as it is."""
    lines = [header, *rows] if header else rows
    everything = [list(map(printable, row)) for row in lines]
    if not everything:
        return ""
    columns = max(map(len, everything))
    widths = [max(len(r[i]) if i < len(r) else 0 for r in everything) for i in range(columns)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        for row in everything
    )
    return "\n".join((indent + line).rstrip() for line in padded)


def pairs(values: Mapping[str, str], *, label: str = "", width: int = 78) -> str:
    """`name value` pairs two spaces apart, wrapped between them, behind a label."""
    # A no-break space holds a pair together while the text is filled.
    whole = (printable(f"{k} {v}") for k, v in values.items())
    text = "  ".join(
        pair.replace(" ", "\u00a0") if len(label) + len(pair) <= width else pair for pair in whole
    )
    filled = textwrap.fill(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return filled.replace("\u00a0", " ")


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A curve in one line; gaps for values that are not finite."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    step = max(1, math.ceil(len(values) / width))
    low, high = min(finite), max(finite)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        BARS[round((v - low) * scale)] if math.isfinite(v) else " " for v in values[::step]
    )


def read_from(variables: Mapping[str, str | None]) -> list[str]:
    """What a recipe read from the environment."""
    return [f"{k} (not set)" if v is None else f"{k}={v}" for k, v in variables.items()]
