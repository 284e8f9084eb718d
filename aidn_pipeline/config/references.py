"""`${...}` in a text: where it starts and ends, and which root keys a tree refers to."""

import re
from collections.abc import Iterator

from aidn_pipeline.config.tree import Node
from aidn_pipeline.errors import ConfigError

PATH = re.compile(r"^[A-Za-z_][\w-]*(?:\.[\w-]+|\[\w+\])*$")
ROOTS = re.compile(r"\$\{\s*(?:oc\.select\s*:\s*)?([A-Za-z_][\w-]*)")


def split(text: str, origin: str) -> Iterator[tuple[bool, str]]:
    """Pieces of a text: (False, literal text) and (True, what stands inside `${...}`).

    Raises:
        ConfigError: if a brace is not closed.
    """
    start = 0
    while (at := text.find("${", start)) >= 0:
        if at > 0 and text[at - 1] == "\\":
            yield False, text[start : at - 1] + "${"
            start = at + 2
            continue
        if at > start:
            yield False, text[start:at]
        depth, end = 1, at + 2
        while depth:
            if end >= len(text):
                raise ConfigError(
                    f"`{text[:80]}` opens a brace and does not close it",
                    where=origin,
                    remedy="close it, or write `\\${` for the two characters",
                )
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield True, text[at + 2 : end - 1].strip()
        start = end
    if start < len(text):
        yield False, text[start:]


def literal(text: str) -> str:
    """A text as it is written where no `${...}` of it is meant."""
    return text.replace("${", "\\${")


def target(node: Node) -> list[str] | None:
    """Keys of the path a value stands for as a whole (`${a.b}`), or None."""
    if not isinstance(node.value, str) or "${" not in node.value:
        return None
    parts = list(split(node.value, node.origin))
    if len(parts) != 1 or not parts[0][0]:
        return None
    inner = parts[0][1]
    if inner.startswith("oc.select:"):
        inner = inner.removeprefix("oc.select:").partition(",")[0].strip()
    return keys_of(inner) if PATH.match(inner) else None


def keys_of(path: str) -> list[str]:
    """Keys of a dotted path; `a[0]` is `a.0`."""
    return re.sub(r"\[(\w+)\]", r".\1", path).split(".")


def roots(node: Node) -> set[str]:
    """Root keys that any text in a tree refers to."""
    found: set[str] = set()
    for _, child in node.children():
        found |= roots(child)
    if isinstance(node.value, str) and "${" in node.value:
        found |= set(ROOTS.findall(node.value)) - {"oc", "secret", "matrix"}
    return found
