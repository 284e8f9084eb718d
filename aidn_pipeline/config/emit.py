"""A tree back to recipe text, with its interpolations as written.

What is read from the text is the tree again: the same values, and the same words where a field
takes them as text.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from aidn_pipeline.config.text import read_mapping
from aidn_pipeline.config.tree import Node
from aidn_pipeline.errors import ConfigError

KEY = re.compile(r"^[A-Za-z_][\w.-]*$")
INDENT = "  "


def emit(tree: Node) -> str:
    """The text of a mapping, a line for each value."""
    return "".join(f"{line}\n" for line in _mapping(tree, ""))


def word(node: Node) -> str:
    """A single value as it stands in the text."""
    value, text = node.value, node.text
    if text is not None and _is_read_as(text, value):
        return text
    if value is None:
        return "null"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)


def quoted(text: str) -> str:
    """A text in double quotes, on one line."""
    dumped = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return str(dumped).rstrip("\n")


def _mapping(node: Node, indent: str) -> Iterator[str]:
    for key, child in node.value.items():
        name = key if KEY.match(key) else quoted(key)
        if isinstance(child.value, dict) and child.value:
            yield f"{indent}{name}:"
            yield from _mapping(child, indent + INDENT)
        elif isinstance(child.value, list) and child.value and not _is_flat(child):
            yield f"{indent}{name}:"
            yield from _sequence(child, indent + INDENT)
        else:
            yield f"{indent}{name}: {_inline(child)}"


def _sequence(node: Node, indent: str) -> Iterator[str]:
    for child in node.value:
        if isinstance(child.value, dict) and child.value:
            first, *rest = _mapping(child, indent + INDENT)
            yield f"{indent}- {first.strip()}"
            yield from rest
        elif isinstance(child.value, list) and child.value and not _is_flat(child):
            yield f"{indent}-"
            yield from _sequence(child, indent + INDENT)
        else:
            yield f"{indent}- {_inline(child)}"


def _inline(node: Node) -> str:
    if isinstance(node.value, dict):
        return "{}"
    if isinstance(node.value, list):
        return f"[{', '.join(word(child) for child in node.value)}]"
    return word(node)


def _is_flat(node: Node) -> bool:
    # Numbers and truth values read the same inside brackets as outside.
    return all(isinstance(child.value, (bool, int, float)) for child in node.value)


def _is_read_as(text: str, value: Any) -> bool:
    try:
        found = read_mapping(f"k: {text}", "text").get("k")
    except ConfigError:
        return False
    return found is not None and (found.text, repr(found.value)) == (text, repr(value))
