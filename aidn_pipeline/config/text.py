"""Config text to a tree: budgets first, then values, each with the line it stands on.

Reads the parser's events, so an alias is counted at its expanded size before anything is built,
no tag is ever looked at, and the text of every word is kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from aidn_pipeline.config.scalars import scalar
from aidn_pipeline.config.syntax import MAX_DEPTH, OVERRIDE, shown_tag, unreadable
from aidn_pipeline.config.tree import Node
from aidn_pipeline.errors import BudgetExceeded, ConfigError, ForbiddenKey, FoundBeforeStart

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
FORBIDDEN = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NAME = re.compile(r"[^\W\d]\w*")


def read_mapping(text: str, file: str, problems: list[FoundBeforeStart] | None = None) -> Node:
    """The mapping a config file consists of; an empty file is an empty mapping.

    Args:
        text: the file's contents.
        file: how to name it in messages.
        problems: takes those that leave the rest readable; without it the first is raised.

    Raises:
        BudgetExceeded: if it is too large, too deep or expands too far.
        ForbiddenKey: if it holds `_target_` or its kin, a tag, or a `hydra` node.
        ConfigError: if it is no YAML mapping, or names a key twice.
    """
    reader = _Reader(file, problems)
    node = reader.read(text)
    if node.value is None:
        return Node({}, f"{file}:1")
    if not node.is_mapping:
        raise ConfigError(
            "a config file is a mapping", where=node.origin, remedy="write `key: value` lines"
        )
    try:
        refuse_hydra(node)
    except ForbiddenKey as problem:
        reader.report(problem)
        return replace(node, value={k: v for k, v in node.value.items() if k != "hydra"})
    return node


def read_value(text: str, origin: str) -> Node:
    """A value from the command line, by the same rules as in a file.

    Brackets, braces and quotes are read as YAML; anything else is one word, whatever it contains.

    Args:
        text: what stands after `=`.
        origin: how to name the place in messages.

    Raises:
        ConfigError: as `read_mapping`.
    """
    if text[:1] in ("[", "{", '"', "'"):
        return _same_origin(_Reader(origin).read(text), origin)
    if len(text) > MAX_BYTES:
        raise BudgetExceeded(f"a value of {len(text):,} characters", where=origin[:200])
    return Node(scalar(text) if text else "", origin, text)


def refuse_hydra(root: Node) -> None:
    """Refuses settings of Hydra itself.

    Raises:
        ForbiddenKey: if there is a `hydra` node.
    """
    node = root.get("hydra")
    if node is not None:
        raise ForbiddenKey(
            "a recipe does not configure Hydra",
            where=node.origin,
            remedy="remove it; own groups and recipes go to `conf/` and `recipes/`",
        )


def refuse_forbidden(key: str, value: str, parent: str, where: str) -> None:
    """Refuses a key that could name code.

    Args:
        key: the key.
        value: what it names, for the lines to write instead.
        parent: the key above it, a guess at the component's group.
        where: its place.

    Raises:
        ForbiddenKey: if the key is one of `FORBIDDEN`.
    """
    if key not in FORBIDDEN:
        return
    if key != "_target_":
        raise ForbiddenKey(
            f"`{key}` is not used here",
            where=where,
            remedy="components are named by `use:`; remove the key",
        )
    found = NAME.findall(value) or ["Thing"]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", found[-1]).lower()
    group = parent if NAME.fullmatch(parent) and not parent.startswith("_") else "model"
    raise ForbiddenKey(
        "`_target_` would let a config file run any code; components are named by `use:`",
        where=where,
        remedy=(
            f"write `use: {name}`, and above {found[-1]}:\n"
            f"    from aidn_pipeline import component\n"
            f'    @component("{group}", "{name}")'
        ),
    )


@dataclass(slots=True)
class _Anchor:
    node: Node
    nodes: int
    depth: int


@dataclass(slots=True)
class _Reader:
    file: str
    problems: list[FoundBeforeStart] | None = None
    nodes: int = 0
    anchors: dict[str, _Anchor | None] = field(default_factory=dict)

    def report(self, problem: FoundBeforeStart) -> None:
        if self.problems is None:
            raise problem
        self.problems.append(problem)

    def read(self, text: str) -> Node:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            raise BudgetExceeded(
                f"a config text of {size:,} bytes; at most {MAX_BYTES:,} are read",
                where=self.file[:200],
                remedy="keep data out of configs: give the path of a file",
            )
        try:
            return self._document(yaml.parse(text, Loader=LOADER))
        except (yaml.YAMLError, UnicodeError) as problem:
            raise unreadable(problem, text, self.file) from problem

    def _document(self, events: Iterator[Any]) -> Node:
        node = Node(None, f"{self.file}:1")
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ConfigError(
                        "a config file is one document",
                        where=self._place(event),
                        remedy="remove `---`",
                    )
                first = next(events)
                node = self._node(first, events, 1, "", self._place(first))[0]
        return node

    def _node(
        self, event: Any, events: Iterator[Any], depth: int, parent: str, origin: str
    ) -> tuple[Node, int]:
        # Returns the node and how many levels it is high.
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth, origin)
        self._count(1, depth, event)
        if event.tag is not None:
            self.report(
                ForbiddenKey(
                    f"the tag `{shown_tag(event.tag)}` says how to build a value",
                    where=self._place(event),
                    remedy="remove the tag; components are named by `use:`",
                )
            )
        before = self.nodes
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            node = Node(
                scalar(event.value) if plain else event.value,
                origin,
                event.value if plain else None,
            )
            height = 1
        elif isinstance(event, yaml.SequenceStartEvent):
            node, height = self._sequence(events, depth, parent, origin)
        else:
            node, height = self._mapping(events, depth, parent, origin)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(node, self.nodes - before + 1, height)
        return node, height

    def _sequence(
        self, events: Iterator[Any], depth: int, parent: str, origin: str
    ) -> tuple[Node, int]:
        items: list[Node] = []
        height = 0
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            item, high = self._node(event, events, depth + 1, parent, self._place(event))
            items.append(item)
            height = max(height, high)
        return Node(items, origin), height + 1

    def _mapping(
        self, events: Iterator[Any], depth: int, parent: str, origin: str
    ) -> tuple[Node, int]:
        items: dict[str, Node] = {}
        merged: list[Node] = []
        height, targeted = 0, False
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            place = self._place(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise ConfigError(
                    "a key is a word, and no list or mapping",
                    where=place,
                    remedy="write `key: value`; a text with braces stands in quotes, and a "
                    "reference is `${key}`",
                )
            self._node(event, events, depth + 1, parent, place)
            key, plain = event.value, event.implicit[0]
            value_event = next(events)
            targeted |= key == "_target_"
            if key in FORBIDDEN:
                self._forbidden(key, getattr(value_event, "value", ""), parent, place)
            value, high = self._node(value_event, events, depth + 1, key, place)
            height = max(height, high)
            if key == "<<" and plain:
                merged.append(value)
            elif key in items:
                self.report(
                    ConfigError(
                        f"key {key!r} stands twice in one mapping",
                        where=place,
                        remedy=f"keep one; the other is at {items[key].origin}",
                    )
                )
            elif key not in FORBIDDEN and getattr(value_event, "tag", None) is None:
                items[key] = value
        for value in merged:
            items = self._merge_key(value) | items
        if targeted:
            # Its other keys are those of what it would run.
            items = {}
        return Node(items, origin), height + 1

    def _forbidden(self, key: str, value: str, parent: str, place: str) -> None:
        try:
            refuse_forbidden(key, value, parent, place)
        except ForbiddenKey as problem:
            self.report(problem)

    def _merge_key(self, value: Node) -> dict[str, Node]:
        if isinstance(value.value, list):
            found: dict[str, Node] = {}
            for item in value.value:
                found = self._merge_key(item) | found
            return found
        if not value.is_mapping:
            raise ConfigError(
                "`<<` takes a mapping", where=value.origin, remedy="write `<<: *anchor`"
            )
        return dict(value.value)

    def _alias(self, event: Any, depth: int, origin: str) -> tuple[Node, int]:
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            problem = "contains itself" if event.anchor in self.anchors else "is not known here"
            raise ConfigError(
                f"alias *{event.anchor} {problem}",
                where=self._place(event),
                remedy="write the value out",
            )
        self._count(anchor.nodes, depth + anchor.depth - 1, event)
        return replace(anchor.node, origin=origin), anchor.depth

    def _count(self, nodes: int, depth: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise BudgetExceeded(
                f"the text expands to more than {MAX_NODES:,} values",
                where=self._place(event),
                remedy="aliases multiply; write the few values that are needed",
            )
        if depth > MAX_DEPTH:
            raise BudgetExceeded(
                f"the text is nested more than {MAX_DEPTH} levels deep",
                where=self._place(event),
                remedy="flatten it",
            )

    def _place(self, event: Any) -> str:
        if self.file.startswith(OVERRIDE):
            return self.file
        return f"{self.file}:{event.start_mark.line + 1}"


def _same_origin(node: Node, origin: str) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {key: _same_origin(child, origin) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_same_origin(child, origin) for child in value]
    return replace(node, value=value, origin=origin)
