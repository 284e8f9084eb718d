"""What notebooks show: small tables, everything in them escaped."""

from collections.abc import Mapping
from html import escape
from typing import Any

LONGEST = 80
"""Characters of a value that are shown."""


def html_table(title: str, rows: Mapping[str, Any]) -> str:
    """A title and a table of names and values; None is left out, long values are cut."""
    lines = [
        f"<tr><th style='text-align:left'>{escape(str(name))}</th>"
        f"<td style='text-align:left'>{escape(shortened(value))}</td></tr>"
        for name, value in rows.items()
        if value is not None
    ]
    return f"<b>{escape(title)}</b><table>{''.join(lines)}</table>"


def shortened(value: Any) -> str:
    """A value as text of one line."""
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
