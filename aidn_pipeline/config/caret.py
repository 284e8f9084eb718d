"""A line of text with a caret below a part of it."""

import unicodedata
from typing import TypeAlias

from aidn_pipeline.core.masking import masked

WIDTH = 96
"""Columns of a line that are shown; of a longer one those around the caret."""
Span: TypeAlias = tuple[int, int]


def draw(number: str, line: str, span: Span) -> str:
    """Two lines: the text behind its number, and below it what is meant.

    Args:
        number: of the line; empty for an argument.
        line: the text; what a terminal would not print is a blank.
        span: first character, and the one behind the last.
    """
    start, end = max(0, min(span[0], len(line))), min(span[1], len(line))
    first = max(0, min(start - WIDTH // 3, len(line) - WIDTH)) if len(line) > WIDTH else 0
    shown = "".join(c if c.isprintable() else " " for c in line[first : first + WIDTH])
    shown, cut = f"{'...' if first else ''}{shown}", 3 if first else 0
    shown += "..." if first + WIDTH < len(line) else ""
    before = _columns(shown[: start - first + cut])
    below = _columns(shown[start - first + cut : end - first + cut])
    return masked(f"{number:>5} | {shown}\n      | {' ' * before}{'^' * max(1, below)}")


def _columns(text: str) -> int:
    """How wide a terminal shows a text."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)
