"""What a recipe may say of a secret: its name, in a field that takes one, and never its value."""

from collections.abc import Iterator

from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.masking import keep_out
from aidn_pipeline.core.secret import REFERENCE, VARIABLE
from aidn_pipeline.errors import ForbiddenKey, WrongType

OVERRIDE = "override "


def written_out(node: Node) -> WrongType:
    """The error for a value that stands in the place of a secret's name; it does not show it."""
    for text in _texts(node):
        keep_out(text)
    name = node.path.rpartition(".")[2].upper().replace("-", "_") or "NAME"
    origin = node.origin
    if origin.startswith(OVERRIDE):
        origin = f"{origin.partition('=')[0]}=..."
    return WrongType(
        f"`{node.path}` takes a secret by its name, and never its value",
        where=f"{origin} ({node.path})" if node.path not in origin else origin,
        remedy=f"`export {VARIABLE}{name}=...`, and write `{node.path}: ${{secret:{name}}}`",
    )


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
