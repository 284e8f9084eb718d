"""The typed check: a resolved tree against the component index, every problem at once."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.rules import broken
from aidn_pipeline.config.scalars import SURPRISING, scalar, surprise
from aidn_pipeline.config.secret_values import named_elsewhere, names_a_secret, written_out
from aidn_pipeline.config.syntax import OVERRIDE
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.component import out_of_range
from aidn_pipeline.core.describe import complete, component_group
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, FieldType, Index
from aidn_pipeline.errors import (
    ConfigError,
    FoundBeforeStart,
    UnknownComponent,
    UnknownKey,
    WrongType,
)

WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "any": "anything",
    "null": "null",
    "secret": "the name of a secret, `${secret:NAME}`",
}
SEVERAL = "repeat a stage with `matrix:`, or search them with `use: sweep`"
MISSING = "???"
GONE: Any = object()


@dataclass(slots=True)
class Checker:
    """Checks nodes and collects what is wrong.

    Attributes:
        index: the component index.
        problems: in the order they were found; the same one is kept once.
        reports: how many were reported, those that were not kept included.
        notes: what is right, and may surprise.
        lost: paths of values that cannot be resolved.
    """

    index: Index
    problems: list[FoundBeforeStart] = field(default_factory=list)
    reports: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    _told: set[tuple[str, str]] = field(default_factory=set)
    _checked: dict[tuple[str, int, int], tuple[Node, dict[str, Any] | None, int]] = field(
        default_factory=dict
    )
    _unresolved: set[str] = field(default_factory=set)

    def report(self, problem: FoundBeforeStart) -> None:
        """Keeps a problem, unless the same one is kept already or follows from one that is."""
        self.reports += 1
        # An unknown key is one mistake, in however many cells of a matrix it stands.
        place = problem.where.partition(" (")[0] if isinstance(problem, UnknownKey) else ""
        key = problem.problem, place or problem.where
        if key not in self._told and problem.where not in self._unresolved:
            self._told.add(key)
            self.problems.append(problem)

    def unresolved(self, problem: FoundBeforeStart, node: Node) -> None:
        """Reports why a value cannot be resolved; what else is wrong with it follows from that."""
        self.report(problem)
        self._unresolved.add(where(node))
        self.lost.append(node.path)

    def component(
        self, group: str, node: Node, *, skip: Sequence[str] = (), default: Any = None
    ) -> dict[str, Any] | None:
        """The description written in a node, without defaults; None if it names no component.

        Args:
            group: of the component.
            node: resolved.
            skip: keys that are no fields.
            default: description that the field above has by default; keys written without `use`
                change it.
        """
        if not node.is_mapping:
            self._no_component(group, node)
            return None
        before = self.reports
        use = self._use(group, node, default)
        if use is None:
            return None
        spec = self.index.get(group, use)
        if spec is None:
            place = node.get("use") or node
            self.report(
                UnknownComponent(
                    f"there is no {group} {use!r}",
                    where=where(place),
                    remedy=nearest(use, self.index.names(group), noun=f"known {group} components"),
                )
            )
            return None
        start = dict(default) if isinstance(default, Mapping) and node.get("use") is None else {}
        written = {k: v for k, v in node.value.items() if k != "use" and k not in skip}
        found = start | {"use": use} | self.fields(spec.fields, written, node, spec)
        if self.reports == before:
            for problem in broken(spec, lambda: complete(self.index, group, found)):
                at = where(_told_by(deepest(node, problem.where), problem.problem))
                self.report(type(problem)(problem.problem, where=at, remedy=problem.remedy))
        return found

    def _inner(self, group: str, node: Node, default: Any) -> dict[str, Any] | None:
        """As `component`; what several stages refer to is one node, and is checked once."""
        key = group, id(node), id(default)
        if key not in self._checked:
            before = self.reports
            found = self.component(group, node, default=default)
            self._checked[key] = node, found, self.reports - before
        else:
            self.reports += self._checked[key][2]
        return self._checked[key][1]

    def fields(
        self,
        known: Sequence[FieldSpec],
        written: Mapping[str, Node],
        above: Node,
        spec: ComponentSpec | None = None,
    ) -> dict[str, Any]:
        """Values of written fields; unknown and missing ones are reported."""
        by_name = {item.name: item for item in known}
        found: dict[str, Any] = {}
        for key, node in written.items():
            item = by_name.get(key)
            if item is None:
                self.report(_unknown_key(key, node, list(by_name), spec, self.index))
                continue
            value = self.value(item.type, node, item)
            if value is not GONE:
                found[key] = value
        for item in known:
            if item.required and item.name not in written:
                self.report(
                    ConfigError(
                        f"`{_join(above.path, item.name)}` must be given: {words(item.type)}",
                        where=where(above),
                        remedy=f"add `{item.name}:`" + (f" ({item.doc})" if item.doc else ""),
                    )
                )
        return found

    def value(self, kind: FieldType, node: Node, item: FieldSpec | None = None) -> Any:
        """The value of a node as a field takes it; `GONE` after a problem was reported."""
        if self._unresolved and where(node) in self._unresolved:
            self.reports += 1
            return GONE
        if node.value == MISSING:
            self.report(
                ConfigError(
                    f"`{node.path}` must be given: {words(kind)}",
                    where=where(node),
                    remedy=f"write the value here, or give it as `{node.path}=VALUE`"
                    + (f"; {item.doc}" if item is not None and item.doc else ""),
                )
            )
            return GONE
        if isinstance(kind, dict):
            return self._composite(kind, node, item)
        if kind == "any":
            return self._any(node)
        if kind == "str":
            self._note(node, "is kept as the text it is, though YAML makes {} of it")
        if names_a_secret(node.value) != (kind == "secret"):
            self.report(written_out(node) if kind == "secret" else named_elsewhere(node))
            return GONE
        value = _plain(kind, node)
        if value is GONE:
            self.report(_wrong(kind, node, item))
        elif kind in ("int", "float") and node.text and SURPRISING.match(node.text):
            self.report(
                WrongType(
                    f"`{node.path}`: {node.text} is read as {node.value}",
                    where=where(node),
                    remedy=_as_meant(node),
                )
            )
        else:
            self._bounds(value, node, item)
        return value

    def _bounds(self, value: Any, node: Node, item: FieldSpec | None) -> None:
        if item is not None and (wrong := out_of_range(value, item.least, item.most)):
            remedy = f"write {wrong[1]}" + (f"; {item.doc}" if item.doc else "")
            self.report(WrongType(f"`{node.path}` {wrong[0]}", where=where(node), remedy=remedy))

    def _composite(self, kind: Mapping[str, Any], node: Node, item: FieldSpec | None) -> Any:
        if "optional" in kind:
            return None if node.value is None else self.value(kind["optional"], node, item)
        if "component" in kind:
            found = self._inner(kind["component"], node, item.default if item else None)
            return GONE if found is None else found
        if "literal" in kind:
            for choice in kind["literal"]:
                if node.value == choice and isinstance(choice, bool) == isinstance(
                    node.value, bool
                ):
                    return choice
                if node.text is not None and node.text == choice:
                    return choice
            self.report(_wrong(kind, node, item))
            return GONE
        if "union" in kind:
            return self._union(kind["union"], node, item)
        return self._collection(kind, node, item)

    def _collection(self, kind: Mapping[str, Any], node: Node, item: FieldSpec | None) -> Any:
        if "list" in kind and isinstance(node.value, list):
            return _whole([self.value(kind["list"], child) for child in node.value])
        if "map" in kind and node.is_mapping:
            # A name given null in a later file is removed.
            kept = {k: child for k, child in node.value.items() if child.value is not None}
            values = {k: self.value(kind["map"], child) for k, child in kept.items()}
            return GONE if any(v is GONE for v in values.values()) else values
        self.report(_wrong(kind, node, item))
        return GONE

    def _union(self, members: Sequence[FieldType], node: Node, item: FieldSpec | None) -> Any:
        exact = Checker(self.index)
        ordered = sorted(members, key=lambda m: m == "str" and not isinstance(node.value, str))
        for member in ordered:
            exact.problems.clear()
            exact.notes.clear()
            value = exact.value(member, node)
            if value is not GONE and not exact.problems:
                self._bounds(value, node, item)
                self.notes |= exact.notes
                return value
        self.report(_wrong({"union": list(members)}, node, item))
        return GONE

    def _any(self, node: Node) -> Any:
        if isinstance(node.value, dict):
            return {k: self._any(v) for k, v in node.value.items() if v.value is not None}
        if isinstance(node.value, list):
            return [self._any(v) for v in node.value]
        if isinstance(node.value, float) and not math.isfinite(node.value):
            self.report(_wrong("float", node, None))
            return GONE
        if names_a_secret(node.value):
            self.report(named_elsewhere(node))
            return GONE
        self._note(node, "is read as {}")
        return node.value

    def _note(self, node: Node, said: str) -> None:
        """Notes a word that YAML takes for something else than the text it may be meant as."""
        text = node.text
        if text is None or (isinstance(node.value, str) and not text[:1].isdigit()):
            return
        if read := surprise(text):
            key, sign, value = node.origin.removeprefix(OVERRIDE).partition("=")
            literal = node.origin.startswith(OVERRIDE) and sign and value.strip() == text
            quoted = f"`{key}:={text}`" if literal else f'"{text}"'
            note = f"{where(node)}: {text} {said.format(read)}; a text is written {quoted}"
            self.notes[note] = None

    def _use(self, group: str, node: Node, default: Any) -> str | None:
        use = node.get("use")
        if use is not None and isinstance(use.value, str):
            return use.value
        if use is not None and use.text:
            return use.text
        if use is not None and use.value is not None:
            self.report(
                WrongType(
                    f"`{use.path}` takes the name of {_article(group)} {group}, not {shown(use)}",
                    where=where(use),
                    remedy=f"known: {', '.join(self.index.names(group)) or 'none'}",
                )
            )
            return None
        if isinstance(default, Mapping) and "use" in default:
            return str(default["use"])
        names = self.index.names(group)
        if use is None and len(names) == 1:
            return names[0]
        self.report(
            ConfigError(
                f"`{node.path}` does not say which {group} it is",
                where=where(use or node),
                remedy=f"add `use:`; known: {', '.join(names) or 'none'}",
            )
        )
        return None

    def _no_component(self, group: str, node: Node) -> None:
        names = self.index.names(group)
        if isinstance(node.value, str):
            near = [n for n in names if n == node.value] or get_close_matches(node.value, names, 1)
            name = near[0] if near else "NAME"
            remedy = self._instead(group, name, node)
            remedy += "" if near else f"; known: {', '.join(names) or 'none'}"
        else:
            one = f"{{use: {names[0] if len(names) == 1 else 'NAME'}}}"
            remedy = f"write `{one}`; known: {', '.join(names) or 'none'}"
        self.report(
            WrongType(
                f"`{node.path}` takes {_article(group)} {group}, not {shown(node)}",
                where=where(node),
                remedy=remedy,
            )
        )

    def _instead(self, group: str, name: str, node: Node) -> str:
        is_root = node.path == group
        if node.origin.startswith(OVERRIDE):
            return f"write `{node.path}={name if is_root else f'{{use: {name}}}'}`"
        entry = f"- override /{group}: {name}" if is_root else f"- /{group}@{node.path}: {name}"
        return f"write `{{use: {name}}}`, or `{entry}` in the defaults list"


def where(node: Node) -> str:
    """The place of a node for messages: its line, then its config path."""
    return (
        f"{node.origin} ({node.path})"
        if node.path and node.path not in node.origin
        else node.origin
    )


def deepest(node: Node, path: str) -> Node:
    """The last node that is there on a dotted path below a node; keys may contain dots."""
    while node.is_mapping:
        fitting = [k for k in node.value if path == k or path.startswith((f"{k}.", f"{k}["))]
        if not fitting:
            break
        key = max(fitting, key=len)
        node, path = node.value[key], path[len(key) :].lstrip(".")
    return node


def _told_by(node: Node, problem: str) -> Node:
    """The value that a problem of several names and that another file than theirs has changed."""
    named = [c for k, c in node.children() if re.search(rf"\b{re.escape(k)}\b", problem)]
    file = node.origin.rpartition(":")[0]
    return next((child for child in named if child.origin.rpartition(":")[0] != file), node)


def words(kind: FieldType) -> str:
    """A type in words."""
    if isinstance(kind, str):
        return WORDS.get(kind, kind)
    if "literal" in kind:
        return "one of " + ", ".join(str(v) for v in kind["literal"])
    if "optional" in kind:
        return f"{words(kind['optional'])} or null"
    if "list" in kind:
        return f"a list, each item {words(kind['list'])}"
    if "map" in kind:
        return f"a mapping, each value {words(kind['map'])}"
    if "component" in kind:
        return f"{_article(kind['component'])} {kind['component']}"
    return " or ".join(words(member) for member in kind["union"])


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def shown(node: Node) -> str:
    """A value in a message, shortened."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "null"
    text = node.text if node.text is not None else repr(node.value)
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(kind: FieldType, node: Node) -> Any:
    value = node.value
    if kind in ("str", "secret"):
        if isinstance(value, str):
            return value
        # `12345e7` may be the name of a commit: a text gets what was written.
        return node.text if node.text and value is not None else GONE
    if kind == "null":
        return None if value is None else GONE
    if isinstance(value, bool):
        return value if kind == "bool" else GONE
    if kind == "int":
        return value if isinstance(value, int) else GONE
    if kind == "float":
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else GONE
    return GONE


def _whole(values: list[Any]) -> Any:
    return GONE if any(v is GONE for v in values) else values


def _wrong(kind: FieldType, node: Node, item: FieldSpec | None) -> WrongType:
    remedy = ""
    if isinstance(kind, dict) and "literal" in kind and isinstance(node.value, str):
        remedy = nearest(node.value, [str(v) for v in kind["literal"]], noun="choices")
    elif isinstance(kind, dict) and "list" in kind:
        remedy = f"write `{node.path}: [...]`; a list is replaced as a whole"
    elif node.value is None:
        remedy = "remove the key to get the default"
    elif (
        kind in ("int", "float", "bool")
        and node.origin.startswith(OVERRIDE)
        and "," in str(node.value)
    ):
        remedy = f"write one value; for several, {SEVERAL}"
    elif kind == "int" and isinstance(node.value, float) and node.value.is_integer():
        remedy = f"write {int(node.value)}"
    elif kind in ("int", "float", "bool") and isinstance(node.value, list):
        remedy = f"write one of them; for several, {SEVERAL}"
    elif node.text is None and isinstance(node.value, str) and _means(kind, node.value):
        remedy = "remove the quotes"
    else:
        default = item.default if item is not None else None
        such = default is not None and not isinstance(default, (dict, list))
        remedy = f"write {words(kind)}" + (f", such as {json.dumps(default)}" if such else "")
    if item is not None and item.doc:
        remedy = f"{remedy}; `{item.name}`: {item.doc}" if remedy else item.doc
    return WrongType(
        f"`{node.path}` takes {words(kind)}, not {shown(node)}", where=where(node), remedy=remedy
    )


def _as_meant(node: Node) -> str:
    """What to write for a number that YAML reads to another base."""
    text = node.text or ""
    bare = text.lstrip("0") or "0"
    return f"write {node.value}" + ("" if ":" in text else f", or {bare}, as you mean it")


def _means(kind: FieldType, text: str) -> bool:
    value = scalar(text)
    if kind == "bool":
        return isinstance(value, bool)
    fits = isinstance(value, int) or (kind == "float" and isinstance(value, float))
    return kind in ("int", "float") and fits and not isinstance(value, bool)


def _key_inside(key: str, spec: ComponentSpec | None, index: Index) -> str:
    """The component inside another one that has a key, if only one does."""
    groups = {component_group(item.type) for item in spec.fields} if spec is not None else set()
    having = {one.group for one in index if one.group in groups and one.field(key) is not None}
    return having.pop() if len(having) == 1 else ""


def _unknown_key(
    key: str, node: Node, known: list[str], spec: ComponentSpec | None, index: Index
) -> UnknownKey:
    of = f"{spec.group} {spec.name!r} has" if spec is not None else "there is"
    remedy = nearest(key, known, noun="its keys")
    first, colon, rest = key.partition(":")
    if colon and node.value is None:
        remedy = f"write `{first}: {rest}`, with a blank behind the colon"
    elif (inner := _key_inside(key, spec, index)) and not remedy.startswith("did"):
        remedy = f"`{key}` is a key of its {inner}: write it there"
    return UnknownKey(f"{of} no key `{key}`", where=where(node), remedy=remedy)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
