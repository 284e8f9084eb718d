"""`key=value`, `+key=value`, `++key=value`, `~key`: what the command line changes.

A key is a path of the composed tree. The longest key that stands at a place is taken, so keys that
contain dots (the paths of a space) are written like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aidn_pipeline.config.hydra_keys import hydra_key
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.matrix import RANGE
from aidn_pipeline.config.merge import merge
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.references import literal, target
from aidn_pipeline.config.text import FORBIDDEN, read_value, refuse_forbidden
from aidn_pipeline.config.tree import Node, drop, find, put
from aidn_pipeline.core.index import Index
from aidn_pipeline.errors import ConfigError, FoundBeforeStart, UnknownKey, UsageError

ROOT_KEYS = ("name", "seed", "stages", "run")
DOMAIN = ("low", "high", "log", "step", "choices", "ordered", "type")


@dataclass(frozen=True, slots=True)
class Override:
    """One change.

    Attributes:
        kind: `choice` picks an option of a group, `set` sets a value, `delete` removes a key.
        key: as written, without sign.
        value: as written.
        written: the whole argument.
        is_literal: whether the value is a text, as written with `:=`, whatever is in it.
    """

    kind: Literal["choice", "set", "delete"]
    key: str
    value: str
    written: str
    is_literal: bool = False

    @property
    def origin(self) -> str:
        """How messages name it."""
        return f"override {self.written}"


def parse_overrides(
    arguments: Sequence[str], library: Library, problems: list[FoundBeforeStart]
) -> list[Override]:
    """Reads command line arguments.

    Args:
        arguments: as they were given.
        library: knows the groups.
        problems: takes a `UsageError` for one that is no override, and a `ForbiddenKey` for one
            that sets `_target_`, its kin or Hydra itself.
    """
    found = []
    for argument in arguments:
        try:
            found.append(_parse(argument, library))
        except FoundBeforeStart as problem:
            problems.append(problem)
    return found


def _parse(argument: str, library: Library) -> Override:
    written = argument.strip()
    if written.startswith("~"):
        key = written[1:].partition("=")[0].strip()
        if not key:
            raise UsageError(
                f"{written!r} removes nothing",
                where=f"override {written}",
                remedy="write `~key`, such as `~stages.tune`",
            )
        return Override("delete", _checked(key, "", written), "", written)
    key, equals, value = argument.lstrip().lstrip("+").partition("=")
    is_literal = key.endswith(":")
    key = key.removesuffix(":").strip()
    if is_literal:
        # Kept to the last blank.
        written = argument.lstrip()
    else:
        value = value.strip()
    if not equals or not key:
        raise UsageError(
            f"{written!r} is no override",
            where=f"override {written}",
            remedy=f"write `{written or 'key'}=VALUE`, or `~{written or 'key'}` to remove it",
        )
    _checked(key, value, written)
    if is_literal:
        return Override("set", key, value, written, is_literal=True)
    if key == "recipe":
        raise UsageError(
            "the recipe is given once", where=f"override {written}", remedy="keep one `recipe=NAME`"
        )
    group, at, _ = key.partition("@")
    if at and not library.is_group(group):
        raise UnknownKey(
            f"there is no group {group!r}",
            where=f"override {written}",
            remedy=nearest(group, library.groups(), noun="groups"),
        )
    is_word = value[:1] not in ("{", "[", "$", "") and value != "null"
    kind: Literal["choice", "set"] = "choice" if library.is_group(group) and is_word else "set"
    return Override(kind, key, value.strip("\"'") if kind == "choice" else value, written)


def _checked(key: str, value: str, written: str) -> str:
    parts = key.replace("/", ".").replace("@", ".").split(".")
    if parts[0] == "hydra":
        raise hydra_key(key, written)
    for above, part in zip(["", *parts], parts, strict=False):
        if part in FORBIDDEN:
            refuse_forbidden(part, value, above, f"override {written}")
    return key


@dataclass(slots=True)
class Application:
    """Applies overrides to a composed tree.

    Attributes:
        tree: the tree so far.
        pinned: paths of values that were set.
        problems: what was wrong.
        known: root keys that something refers to.
    """

    tree: Node
    library: Library
    index: Index
    known: set[str]
    pinned: set[str]
    problems: list[FoundBeforeStart]

    def apply(self, override: Override) -> None:
        """Applies one `set` or `delete`; problems are collected."""
        try:
            keys = self._locate(override)
            if override.kind == "delete":
                self._delete(keys, override)
            else:
                self._set(keys, _value(override), override)
        except FoundBeforeStart as problem:
            self.problems.append(problem)

    def _locate(self, override: Override) -> list[str]:
        node: Node | None = self.tree
        keys, rest = list[str](), override.key
        while rest:
            self._refuse_reference(node, keys, rest, override)
            if node is not None and isinstance(node.value, list):
                raise ConfigError(
                    f"`{'.'.join(keys)}` is a list, which is replaced as a whole",
                    where=override.origin,
                    remedy=f"write `{'.'.join(keys)}=[...]`",
                )
            key = self._key(node, keys, rest)
            keys.append(key)
            rest = rest[len(key) + 1 :]
            node = node.get(key) if node is not None else None
        return keys

    def _refuse_reference(
        self, node: Node | None, keys: list[str], rest: str, override: Override
    ) -> None:
        path = target(node) if node is not None else None
        if path is None or node is None:
            return
        root = [*path, *rest.split(".")]
        for _ in range(16):
            length = next((n for n in range(1, len(root)) if self._target_at(root[:n])), 0)
            if not length:
                break
            root = [*(self._target_at(root[:length]) or []), *root[length:]]
        sign = "~" if override.kind == "delete" else ""
        value = f"={override.value}" if override.kind == "set" else ""
        raise ConfigError(
            f"`{'.'.join(keys)}` is `{node.value}`; a key below it would change a copy only",
            where=override.origin,
            remedy=f"write `{sign}{'.'.join(root)}{value}`",
        )

    def _target_at(self, keys: list[str]) -> list[str] | None:
        node = find(self.tree, keys)
        return target(node) if node is not None else None

    def _key(self, node: Node | None, keys: list[str], rest: str) -> str:
        children = node.value if node is not None and node.is_mapping else {}
        fitting = [k for k in children if rest == k or rest.startswith(f"{k}.")]
        if fitting:
            return str(max(fitting, key=len))
        if len(keys) == 3 and keys[0] == "stages" and keys[2] == "matrix":
            return rest.removesuffix(f".{RANGE}")
        if self._holds_paths(keys):
            head, _, last = rest.rpartition(".")
            return head if head and last in DOMAIN else rest
        return rest.partition(".")[0]

    def _holds_paths(self, keys: list[str]) -> bool:
        if len(keys) != 3 or keys[0] != "stages":
            return False
        use = find(self.tree, ["stages", keys[1], "use"])
        spec = self.index.get("stage", str(use.value)) if use is not None else None
        item = spec.field(keys[2]) if spec is not None else None
        return item is not None and item.masks is not None

    def _delete(self, keys: list[str], override: Override) -> None:
        found = find(self.tree, keys)
        if found is None or (keys[0] == "stages" and len(keys) == 2 and found.value is None):
            above = find(self.tree, keys[:-1])
            known = list(above.value) if above is not None and above.is_mapping else []
            raise UnknownKey(
                f"there is no `{'.'.join(keys)}` to remove",
                where=override.origin,
                remedy=nearest(keys[-1], known),
            )
        if keys[0] == "stages" and len(keys) == 2:
            # So that it is known who removed it.
            self.tree = put(self.tree, keys, Node(None, override.origin))
        else:
            self.tree = drop(self.tree, keys)

    def _set(self, keys: list[str], node: Node, override: Override) -> None:
        self._refuse_unknown(keys, override)
        if keys[-1].isdigit() and find(self.tree, keys[:-1]) is None:
            above = ".".join(keys[:-1])
            raise ConfigError(
                f"`{above}` has its default, and an item of a list is not set by itself",
                where=override.origin,
                remedy=f"write `{above}=[...]`, the whole list",
            )
        old = find(self.tree, keys)
        # `key={}` empties a mapping: merged it would say nothing.
        if old is not None and node.is_mapping and node.value:
            node = merge(old, node, self._mounts(), self.problems, ".".join(keys))
        use = find(self.tree, [*keys[:-1], "use"]) if keys[-1] == "use" else None
        group = self._mounts().get(".".join(keys[:-1]))
        if use is not None and group is not None and use.value != node.value:
            raise ConfigError(
                f"`{override.key}` would keep the keys of {use.value!r}",
                where=override.origin,
                remedy=f"write `{group}={node.value}`",
            )
        self.tree = put(self.tree, keys, node)
        self.pinned |= set(_leaves(node, ".".join(keys)))

    def _mounts(self) -> dict[str, str]:
        return {key: key for key in self.tree.value if self.library.is_group(key)}

    def _refuse_unknown(self, keys: list[str], override: Override) -> None:
        if (
            keys[0] not in self.tree.value
            and keys[0] not in ROOT_KEYS
            and keys[0] not in self.known
        ):
            raise UnknownKey(
                f"nothing in this recipe refers to `{keys[0]}`",
                where=override.origin,
                remedy=self._meant(keys[0], override),
            )
        stages = self.tree.get("stages")
        if (
            keys[0] == "stages"
            and len(keys) > 2
            and stages is not None
            and getattr(stages.get(keys[1]), "value", None) is None
        ):
            found = stages.value if stages.is_mapping else {}
            known = [name for name, stage in found.items() if stage.value is not None]
            raise UnknownKey(
                f"there is no stage {keys[1]!r}",
                where=override.origin,
                remedy=nearest(keys[1], known, noun="stages"),
            )

    def _meant(self, key: str, override: Override) -> str:
        groups = [g for g in self.library.groups() if g.endswith(f"_{key}")]
        fitting = [g for g in groups if override.value in self.library.options(g)]
        if fitting or groups:
            return " or ".join(
                f"write `{g}{override.written.lstrip('+')[len(key) :]}`" for g in fitting or groups
            )
        known = dict.fromkeys((*self.tree.value, *self.known, *ROOT_KEYS))
        return nearest(key, list(known), noun="root keys")


def _value(override: Override) -> Node:
    if override.is_literal:
        return Node(literal(override.value), override.origin)
    return read_value(override.value, override.origin)


def _leaves(node: Node, path: str) -> list[str]:
    if node.is_mapping and node.value:
        return [
            leaf for key, child in node.value.items() for leaf in _leaves(child, f"{path}.{key}")
        ]
    return [path]
