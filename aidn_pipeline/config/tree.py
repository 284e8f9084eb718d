"""Config values with the place each was written at."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Scalar: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its origin. Mappings and lists hold nodes and are never changed in place.

    Attributes:
        value: a scalar, `dict[str, Node]` or `list[Node]`.
        origin: `file:line`, or `override KEY=VALUE`.
        text: source text of an unquoted scalar; None for everything else.
        path: config path at which the value stands once the tree is resolved.
    """

    value: Any
    origin: str
    text: str | None = None
    path: str = ""

    @property
    def is_mapping(self) -> bool:
        """Whether it holds named nodes."""
        return isinstance(self.value, dict)

    def get(self, key: str) -> "Node | None":
        """The node under a key of a mapping; None if there is none."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def plain(self) -> Any:
        """The value without origins."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def children(self) -> Iterator[tuple[str, "Node"]]:
        """Keys and nodes of a mapping, positions and nodes of a list."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from ((str(i), node) for i, node in enumerate(self.value))


def wrap(node: Node, path: str) -> Node:
    """The node below the keys of a dotted path; the node itself for the empty path."""
    for key in reversed(path.split(".") if path else []):
        node = Node({key: node}, node.origin)
    return node


def find(root: Node, keys: list[str]) -> Node | None:
    """The node below some keys, or None."""
    node: Node | None = root
    for key in keys:
        if node is None:
            return None
        if isinstance(node.value, list):
            node = node.value[int(key)] if key.isdigit() and int(key) < len(node.value) else None
        else:
            node = node.get(key)
    return node


def put(root: Node, keys: list[str], node: Node) -> Node:
    """A tree with the node below some keys, made where they are missing."""
    if not keys:
        return node
    first, rest = keys[0], keys[1:]
    children = dict(root.value) if isinstance(root.value, dict) else {}
    children[first] = put(children.get(first, Node({}, node.origin)), rest, node)
    return replace(root, value=children)


def drop(root: Node, keys: list[str]) -> Node:
    """A tree without what stands below some keys."""
    children = dict(root.value)
    if len(keys) == 1:
        children.pop(keys[0], None)
    elif keys[0] in children:
        children[keys[0]] = drop(children[keys[0]], keys[1:])
    return replace(root, value=children)
