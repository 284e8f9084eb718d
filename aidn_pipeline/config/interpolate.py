"""Interpolations: `${path}`, `oc.env`, `oc.select`, `oc.decode`; `secret` stays a reference.

Work is counted: texts and mappings that double at every step end in an error, not in memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TypeAlias

from aidn_pipeline.config.references import PATH, keys_of, split, target
from aidn_pipeline.config.syntax import MAX_DEPTH
from aidn_pipeline.config.text import MAX_BYTES, MAX_NODES, read_value, refuse_forbidden
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.secret import NAME, VARIABLE
from aidn_pipeline.errors import (
    BudgetExceeded,
    ConfigError,
    ForbiddenKey,
    FoundBeforeStart,
    UnknownKey,
)

Failed: TypeAlias = Callable[[FoundBeforeStart, Node], None]
RESOLVERS = ("oc.env", "oc.select", "oc.decode", "secret")
CELL = "matrix."
"""Begins what stands for the value of a cell: `${matrix.fold}`."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A value of the root that is resolved, and what it expanded to."""

    node: Node
    nodes: int
    characters: int


@dataclass(slots=True)
class Resolver:
    """Resolves parts of one tree.

    Attributes:
        root: the composed tree.
        environ: where `oc.env` looks.
        used: environment variables that were asked for, with their values; None if not set.
    """

    root: Node
    environ: Mapping[str, str]
    used: dict[str, str | None] = field(default_factory=dict)
    _failed: Failed | None = None
    _open: list[str] = field(default_factory=list)
    _nodes: int = 0
    _characters: int = 0
    _failures: int = 0
    _done: dict[str, _Done] = field(default_factory=dict)

    def resolve(self, node: Node, path: str) -> Node:
        """The node with every interpolation replaced; each value knows the path it is written at.

        Raises:
            ConfigError: for an unknown path or variable, a circle, or a resolver that is not ours.
            BudgetExceeded: if the result would be too large.
        """
        self._spend(1, 0, node)
        if isinstance(node.value, dict):
            inner = {k: self._child(v, f"{path}.{k}" if path else k) for k, v in node.value.items()}
            return Node(inner, node.origin, path=path)
        if isinstance(node.value, list):
            items = [self._child(v, f"{path}.{i}") for i, v in enumerate(node.value)]
            return Node(items, node.origin, path=path)
        if isinstance(node.value, str) and "${" in node.value:
            return self._string(node, path)
        return Node(node.value, node.origin, node.text, path)

    def every(self, node: Node, path: str, failed: Failed) -> Node:
        """As `resolve`, but one value that cannot be resolved does not hide the next.

        Args:
            node: what is resolved.
            path: where it stands.
            failed: takes each problem, and the value with it, which stays as it is written.

        Raises:
            BudgetExceeded: it is spent for everything that would be resolved after it.
        """
        self._failed = failed
        try:
            return self._child(node, path)
        finally:
            self._failed = None

    def _child(self, node: Node, path: str) -> Node:
        if self._failed is None:
            return self.resolve(node, path)
        try:
            return self.resolve(node, path)
        except BudgetExceeded:
            raise
        except FoundBeforeStart as problem:
            self._failures += 1
            left = replace(node, path=path)
            self._failed(problem, left)
            return left

    def at(self, path: str) -> Node | None:
        """The resolved node at a path of the root, or None."""
        found = self._locate(keys_of(path))
        return self._enter(*found) if found is not None else None

    def canonical(self, keys: list[str]) -> str | None:
        """The path at which a value is written, with interpolations on the way followed."""
        found = self._locate(keys)
        return found[1] if found is not None else None

    def _locate(self, keys: list[str], depth: int = 0) -> tuple[Node, str] | None:
        if depth > MAX_DEPTH:
            raise ConfigError(
                f"`{'.'.join(keys)}` refers to itself",
                where=self.root.origin,
                remedy="break the circle",
            )
        node, path, rest = self.root, [""][:0], list(keys)
        while rest:
            through = target(node)
            if through is not None:
                return self._locate([*through, *rest], depth + 1)
            step = _step(node, rest)
            if step is None:
                return None
            node, taken = step
            path.append(".".join(rest[:taken]))
            rest = rest[taken:]
        return node, ".".join(path)

    def _enter(self, node: Node, path: str) -> Node:
        if path in self._open or len(self._open) >= MAX_DEPTH:
            start = self._open.index(path) if path in self._open else -4
            circle = " -> ".join([*self._open[start:], path])
            raise ConfigError(
                f"references go in a circle: {circle}",
                where=node.origin,
                remedy="write a value in one of these places",
            )
        if (done := self._done.get(path)) is not None:
            # Read once, and paid for each time: what it expands to is there in every place.
            self._spend(done.nodes, done.characters, node)
            return done.node
        self._open.append(path)
        before = self._nodes, self._characters, self._failures
        try:
            found = self.resolve(node, path)
        finally:
            self._open.pop()
        if self._failures == before[2]:
            spent = self._nodes - before[0], self._characters - before[1]
            self._done[path] = _Done(found, *spent)
        return found

    def _spend(self, nodes: int, characters: int, node: Node) -> None:
        self._nodes += nodes
        self._characters += characters
        over = f"{MAX_NODES:,} values" if self._nodes > MAX_NODES else ""
        over = f"{MAX_BYTES:,} characters" if self._characters > MAX_BYTES else over
        if over:
            raise BudgetExceeded(
                f"the interpolations expand to more than {over}",
                where=node.origin,
                remedy="simplify them",
            )

    def _string(self, node: Node, path: str) -> Node:
        parts = list(split(node.value, node.origin))
        if len(parts) == 1 and parts[0][0]:
            return self._expression(parts[0][1], node, path)
        texts = []
        for is_expression, text in parts:
            piece = self._piece(text, node, path) if is_expression else text
            self._spend(0, len(piece), node)
            texts.append(piece)
        return Node("".join(texts), node.origin, path=path)

    def _piece(self, inner: str, node: Node, path: str) -> str:
        found = self._expression(inner, node, path)
        value = found.value
        if isinstance(value, (dict, list)):
            raise ConfigError(
                f"`${{{inner}}}` is no single value, so it cannot stand inside a text",
                where=node.origin,
                remedy=f"refer to a value below it, such as `${{{inner}.{_single(found)}}}`",
            )
        # As it was written: `1.10` is a version, and no 1.1.
        return found.text if found.text is not None else str(value)

    def _expression(self, inner: str, node: Node, path: str) -> Node:
        if "${" in inner and not inner.startswith("oc.select:"):
            inner = str(self._string(Node(inner, node.origin), path).value)
        if inner.startswith(CELL):
            # Its value is known once the stage is repeated over its axes.
            return Node(f"${{{inner}}}", node.origin, path=path)
        if PATH.match(inner):
            found = self.at(inner)
            if found is None:
                raise self._unknown(inner, node)
            return found
        name, colon, arguments = inner.partition(":")
        name = name.strip()
        if not colon or name not in RESOLVERS:
            raise _refused(inner, node, path)
        if name == "secret":
            return _secret(arguments.strip(), node, path)
        if name == "oc.env":
            return self._env(arguments, node, path)
        if name == "oc.select":
            return self._select(arguments, node, path)
        decoded = read_value(arguments.strip(), node.origin)
        _refuse_all(decoded)
        return replace(decoded, path=path)

    def _env(self, arguments: str, node: Node, path: str) -> Node:
        name, comma, default = (part.strip() for part in arguments.partition(","))
        if name.startswith(VARIABLE):
            raise ForbiddenKey(
                f"{name} is a secret, and what `oc.env` reads is recorded",
                where=node.origin,
                remedy=f"write `${{secret:{name.removeprefix(VARIABLE)}}}` for a field that takes "
                "a secret",
            )
        value = self.environ.get(name)
        self.used[name] = value
        if value is None:
            if not comma:
                raise ConfigError(
                    f"environment variable `{name}` is not set",
                    where=node.origin,
                    remedy=f"set it, or give a default: `${{oc.env:{name},DEFAULT}}`",
                )
            found = read_value(default, node.origin)
            return Node(
                None if found.value is None else found.text or str(found.value),
                node.origin,
                path=path,
            )
        return Node(value, node.origin, path=path)

    def _select(self, arguments: str, node: Node, path: str) -> Node:
        wanted, _, default = (part.strip() for part in arguments.partition(","))
        if not PATH.match(wanted):
            raise ConfigError(
                f"`oc.select` takes the path of a key, not `{wanted[:80]}`",
                where=node.origin,
                remedy="write such as `${oc.select:early_stop,null}`",
            )
        found = self.at(wanted)
        if found is not None:
            return found
        fallback = read_value(default, node.origin) if default else Node(None, node.origin)
        return self.resolve(fallback, path)

    def _unknown(self, wanted: str, node: Node) -> UnknownKey:
        known = list(self.root.value)
        told = f"root keys: {', '.join(known)}"
        first, _, rest = wanted.partition(".")
        if first not in known:
            near = get_close_matches(first, known, 1)
            right = f"{near[0]}.{rest}".rstrip(".") if near else ""
        else:
            above = self.at(".".join(keys_of(wanted)[:-1]))
            names = list(above.value) if above is not None and above.is_mapping else []
            near = get_close_matches(keys_of(wanted)[-1], names, 1)
            right = ".".join([*keys_of(wanted)[:-1], near[0]]) if near else ""
            if names and not near:
                over = ".".join(keys_of(wanted)[:-1])
                told = f"keys of {over} that are written: {', '.join(map(str, names))}"
        return UnknownKey(
            f"`${{{wanted}}}` refers to nothing",
            where=node.origin,
            remedy=f"did you mean `${{{right}}}`?" if right else told,
        )


def _step(node: Node, rest: list[str]) -> tuple[Node, int] | None:
    # A key may itself contain dots: the longest that fits is meant.
    if isinstance(node.value, list):
        at = int(rest[0]) if rest[0].isdigit() else len(node.value)
        return (node.value[at], 1) if at < len(node.value) else None
    for length in range(len(rest), 0, -1):
        child = node.get(".".join(rest[:length]))
        if child is not None:
            return child, length
    return None


def _secret(name: str, node: Node, path: str) -> Node:
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:80]!r} is no name of a secret",
            where=node.origin,
            remedy="write `${secret:NAME}`, with letters, digits and `_` in the name",
        )
    return Node(f"${{secret:{name}}}", node.origin, path=path)


def _single(node: Node) -> str:
    """The path of the first single value inside a mapping or a list."""
    for key, child in node.children():
        inner = _single(child) if isinstance(child.value, (dict, list)) else ""
        return f"{key}.{inner}".rstrip(".")
    return "KEY"


def _refused(inner: str, node: Node, path: str) -> ConfigError:
    name, _, argument = inner.partition(":")
    if inner.startswith("."):
        dots = len(inner) - len(inner.lstrip("."))
        root = ".".join([*path.split(".")[:-dots], inner[dots:]])
        return ConfigError(
            f"`${{{inner}}}` is a relative path",
            where=node.origin,
            remedy=f"write the path from the root: `${{{root}}}`",
        )
    remedies: dict[str, str] = {
        "now": "remove it: a recipe gives the same tomorrow; times stand in the run's record",
        "hydra": "refer to a key of the recipe, such as `${name}`",
        "env": f"write `${{oc.env:{argument or 'NAME'}}}`",
    }
    known = ", ".join(RESOLVERS)
    return ForbiddenKey(
        f"`${{{inner[:80]}}}` is not known here",
        where=node.origin,
        remedy=remedies.get(name, f"write a path, or one of the resolvers {known}"),
    )


def _refuse_all(node: Node) -> None:
    for key, child in node.children():
        refuse_forbidden(key, str(child.value)[:80], "", node.origin)
        _refuse_all(child)
