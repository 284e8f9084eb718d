"""What a recipe may say of a secret: its name, in a field that takes one, and never its value."""

from collections.abc import Iterator

from aidn_pipeline.config.caret import draw
from aidn_pipeline.config.syntax import OVERRIDE
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.masking import keep_out
from aidn_pipeline.core.secret import REFERENCE, VARIABLE
from aidn_pipeline.errors import ForbiddenKey, WrongType


def written_out(node: Node) -> WrongType:
    """The error for a value that stands in the place of a secret's name; it does not show it."""
    for text in _texts(node):
        keep_out(text)
    name = _last(node).upper().replace("-", "_") or "NAME"
    origin = node.origin
    if origin.startswith(OVERRIDE):
        origin = f"{origin.partition('=')[0]}=..."
    error = WrongType(
        f"`{node.path}` takes a secret by its name, and never its value",
        where=f"{origin} ({node.path})" if node.path not in origin else origin,
        remedy=f"`export {VARIABLE}{name}=...`, and write `{node.path}: ${{secret:{name}}}`",
    )
    # Its line is not shown as it is: it holds the value.
    key = origin.removeprefix(OVERRIDE) if origin.startswith(OVERRIDE) else f"{_last(node)}: ..."
    line = origin.rpartition(":")[2] if origin.rpartition(":")[2].isdigit() else ""
    error.excerpt = draw(line, key, (len(key) - 3, len(key)))
    return error


def _last(node: Node) -> str:
    return node.path.rpartition(".")[2]


def named_elsewhere(node: Node) -> ForbiddenKey:
    """The error for the name of a secret in a field that takes none."""
    return ForbiddenKey(
        f"`{node.path}` takes no secret: what it holds is recorded as it is",
        where=f"{node.origin} ({node.path})" if node.path not in node.origin else node.origin,
        remedy="use `${secret:NAME}` where a component takes one: a field of the type `Secret`",
    )


def names_a_secret(value: object) -> bool:
    """Whether a value is a text with `${secret:NAME}` in it."""
    return isinstance(value, str) and REFERENCE.search(value) is not None


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node.value, (dict, list)):
        for _, child in node.children():
            yield from _texts(child)
    elif node.value is not None:
        yield node.text if node.text is not None else str(node.value)
