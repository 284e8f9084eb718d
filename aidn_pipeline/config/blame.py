"""Where a value of a recipe comes from: everything that set it, in order, and what it points to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

from aidn_pipeline.config.compose import Composed, compose
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.origins import shown
from aidn_pipeline.config.recipe import RUN_FIELDS
from aidn_pipeline.config.references import PATH, keys_of, split, target
from aidn_pipeline.config.tree import Node, find, wrap
from aidn_pipeline.core.describe import component_group
from aidn_pipeline.core.index import ComponentSpec, FieldSpec
from aidn_pipeline.core.masking import keep_out, masked, masked_within
from aidn_pipeline.core.secret import REFERENCE
from aidn_pipeline.errors import FoundBeforeStart, UnknownKey

DEEPEST = 16
"""Interpolations that are followed one behind the other."""
Kind = Literal[
    "default", "option", "set", "removed", "searched", "repeated", "environment", "secret"
]
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was said of a key.

    Attributes:
        kind: `default` of the component, `option` of a group that was chosen, `set`, `removed`,
            `searched` by a sweep, `repeated` by a matrix, read from the `environment`, or the name
            of a `secret`.
        value: as written.
        origin: `file:line`, the override, or what has it.
    """

    kind: Kind
    value: Any
    origin: str

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"kind": self.kind, "value": masked_within(self.value), "where": self.origin}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """The history of a key.

    Attributes:
        key: as it was asked for.
        path: where its value is written.
        links: interpolations on the way there: path and text of each, with its place.
        value: that it came to; None also where nothing did.
        history: everything that was said of it, the one that holds last.
        leaves: of a mapping: path below it, value and origin of each value.
        refers_to: histories of what its text refers to.
        problems: what is wrong with the composition of the recipe, so that this may be wrong too.
    """

    key: str
    path: str
    links: tuple[tuple[str, str, str], ...] = ()
    value: Any = None
    history: tuple[Entry, ...] = ()
    leaves: tuple[tuple[str, Any, str], ...] = ()
    refers_to: tuple["Blame", ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "key": self.key,
            "path": self.path,
            "links": [{"path": p, "value": v, "where": w} for p, v, w in self.links],
            "value": masked_within(self.value),
            "history": [entry.to_json() for entry in self.history],
            "leaves": [
                {"path": path, "value": masked_within(value), "where": where}
                for path, value, where in self.leaves
            ],
            "refers_to": [one.to_json() for one in self.refers_to],
            "problems": list(self.problems),
        }


def blame(
    library: Library,
    recipe: str,
    arguments: Sequence[str],
    key: str,
    environ: Mapping[str, str] | None = None,
) -> Blame:
    """The history of a key of a recipe. The recipe may have problems elsewhere.

    Args:
        library: where recipes, presets and components are found.
        recipe: its name.
        arguments: overrides as on the command line.
        key: a dotted path, as in an override.
        environ: environment for `oc.env`; the process's own by default.

    Raises:
        UnknownKey: if nothing has the key; names the nearest.
        ConfigError: if the recipe does not compose.
    """
    composed = compose(library, recipe, arguments, environ)
    found = _Historian(composed, library).of(key)
    return replace(found, problems=tuple(f"{p.where}: {p.problem}" for p in composed.problems))


class _Historian:
    def __init__(self, composed: Composed, library: Library) -> None:
        self._composed = composed
        self._library = library
        bodies = [wrap(layer.config.body, layer.package) for layer in composed.layers]
        for tree in (*bodies, *(tree for _, tree in composed.steps)):
            self._keep_secrets_out(tree, ())

    def _keep_secrets_out(self, node: Node, keys: Keys) -> None:
        """Masks what stands in the place of a secret's name, in every version of the recipe."""
        for key, child in node.children():
            here = (*keys, key)
            if isinstance(child.value, str) and not REFERENCE.search(child.value):
                fields = (self._field(here[:n]) for n in range(len(here), 0, -1))
                item = next(filter(None, fields), None)
                if item is not None and "secret" in json.dumps(item[1].type):
                    keep_out(child.value)
            self._keep_secrets_out(child, here)

    def of(self, key: str, above: tuple[str, ...] = ()) -> Blame:
        keys, node, links = self._locate(keys_of(key))
        path = ".".join(keys)
        item = self._field(keys)
        if node is None and item is None and not self._was_there(keys):
            raise self._unknown(key, keys)
        history = tuple(self._history(keys, item))
        resolved = self._resolved(node, path)
        inner = (
            () if path in above or len(above) >= DEEPEST else self._referred(node, (*above, path))
        )
        value = resolved.plain() if resolved is not None else None
        if node is None and item is not None and not any(e.kind == "removed" for e in history):
            value = item[1].default
        leaves = tuple(_leaves(resolved)) if resolved is not None and _is_whole(resolved) else ()
        return Blame(
            key=key,
            path=path,
            links=links,
            value=value,
            history=history,
            leaves=leaves,
            refers_to=inner,
        )

    def _locate(
        self, keys: list[str]
    ) -> tuple[Keys, Node | None, tuple[tuple[str, str, str], ...]]:
        """Keys of the place where a value is written, and the interpolations on the way."""
        links: list[tuple[str, str, str]] = []
        node: Node | None = self._composed.tree
        taken: list[str] = []
        rest = _without_cell(keys)
        while rest:
            through = target(node) if node is not None else None
            if node is not None and through is not None:
                links.append((".".join(taken), str(node.value), shown(node.origin)))
                if len(links) > DEEPEST:
                    break
                node, taken, rest = self._composed.tree, [], [*through, *rest]
                continue
            length = _longest(node, rest)
            step = ".".join(rest[:length])
            node = find(node, [step]) if node is not None else None
            taken.append(step)
            rest = rest[length:]
        return tuple(taken), node, tuple(links)

    def _resolved(self, node: Node | None, path: str) -> Node | None:
        if node is None:
            return None
        try:
            return self._composed.resolver.resolve(node, path)
        except FoundBeforeStart:
            # What is wrong with it is what the reader is about to find.
            return node

    def _was_there(self, keys: Keys) -> bool:
        return any(find(tree, list(keys)) is not None for _, tree in self._composed.steps)

    def _history(self, keys: Keys, item: tuple[str, FieldSpec] | None) -> Iterator[Entry]:
        if item is not None and not item[1].required:
            yield Entry(kind="default", value=item[1].default, origin=f"default of {item[0]}")
        base = find(self._composed.base, list(keys))
        if base is not None:
            yield _entry(base)
        yield from self._options(keys)
        for layer in self._composed.layers:
            body = wrap(layer.config.body, layer.package)
            if not layer.config.is_component and (said := _said(body, keys)) is not None:
                yield _entry(said)
        yield from self._overridden(keys)
        yield from self._varied(keys)

    def _options(self, keys: Keys) -> Iterator[Entry]:
        """Options that were chosen for a group that is mounted at the key."""
        path = ".".join(keys[:-1] if keys[-1:] == ("use",) else keys)
        for layer in self._composed.layers:
            defaults = layer.config.defaults
            for item in defaults.value if defaults is not None and defaults.value else ():
                if isinstance(item.value, Mapping) and len(item.value) == 1:
                    words, node = next(iter(item.value.items()))
                    group, _, package = words.rpartition(" ")[2].strip("/").partition("@")
                    if (package or group) == path:
                        yield Entry(kind="option", value=node.plain(), origin=shown(item.origin))
        for override in self._composed.overrides:
            group, _, package = override.key.partition("@")
            if override.kind == "choice" and (package or group) == path:
                yield Entry(kind="option", value=override.value, origin=override.origin)

    def _overridden(self, keys: Keys) -> Iterator[Entry]:
        before: Node | None = None
        for override, tree in self._composed.steps:
            now = find(tree, list(keys))
            if override is not None and now is not before:
                if override.kind == "delete":
                    yield Entry(kind="removed", value=None, origin=override.origin)
                elif now is not None:
                    yield _entry(now, override.origin)
            before = now

    def _varied(self, keys: Keys) -> Iterator[Entry]:
        """Spaces and matrices of stages that give the key other values."""
        path = ".".join(keys)
        stages = self._composed.tree.get("stages")
        for name, stage in stages.children() if stages is not None else ():
            use = stage.get("use")
            spec = self._library.index.get("stage", str(use.value)) if use is not None else None
            fields = spec.fields if spec is not None else ()
            given: list[tuple[Kind, str, str]] = [("repeated", "matrix", "")]
            given.extend(("searched", f.name, f"{f.masks}.") for f in fields if f.masks is not None)
            for kind, field, prefix in given:
                values = stage.get(field)
                for key, node in values.children() if values is not None else ():
                    inside = ["stages", name, *f"{prefix}{key}".split(".")]
                    pinned = path in self._composed.pinned and "override" not in node.origin
                    if not pinned and self._locate(inside)[0] == keys:
                        yield Entry(kind=kind, value=node.plain(), origin=shown(node.origin))

    def _referred(self, node: Node | None, above: tuple[str, ...]) -> tuple[Blame, ...]:
        if node is None or not isinstance(node.value, str) or "${" not in node.value:
            return ()
        parts = split(node.value, node.origin)
        return tuple(self._expression(text, node, above) for is_one, text in parts if is_one)

    def _expression(self, text: str, node: Node, above: tuple[str, ...]) -> Blame:
        name, colon, arguments = (part.strip() for part in text.partition(":"))
        place = shown(node.origin)
        if not colon:
            return self._path(text, above)
        if name == "oc.select":
            wanted, _, default = (part.strip() for part in arguments.partition(","))
            if PATH.match(wanted) and self._composed.resolver.at(wanted) is not None:
                return self._path(wanted, above)
            entry = Entry(kind="default", value=default or None, origin=f"nothing is at `{wanted}`")
            return Blame(key=wanted, path=wanted, value=default or None, history=(entry,))
        if name == "oc.env":
            variable, _, default = (part.strip() for part in arguments.partition(","))
            found = self._composed.resolver.environ.get(variable)
            value = masked(found) if found is not None else default
            origin = f"environment variable {variable}"
            kind: Kind = "environment"
            if found is None:
                kind, origin = "default", f"{origin} is not set"
            entry = Entry(kind=kind, value=value, origin=origin)
            return Blame(key=text, path=text, value=value, history=(entry,))
        kind = "secret" if name == "secret" else "set"
        entry = Entry(kind=kind, value=f"${{{text}}}", origin=place)
        return Blame(key=text, path=text, value=f"${{{text}}}", history=(entry,))

    def _path(self, path: str, above: tuple[str, ...]) -> Blame:
        try:
            return self.of(path, above)
        except UnknownKey:
            return Blame(key=path, path=path)

    def _field(self, keys: Keys) -> tuple[str, FieldSpec] | None:
        """The field that stands at the key, if there is one, and what has it."""
        if keys[:1] == ("run",):
            found = (field for field in RUN_FIELDS if keys[1:] == (field.name,))
            return next((("a run", field) for field in found), None)
        spec = self._component(keys[:-1])
        item = spec.field(keys[-1]) if spec is not None else None
        return (spec.key, item) if spec is not None and item is not None else None

    def _component(self, keys: Keys) -> ComponentSpec | None:
        if not keys:
            return None
        node = find(self._composed.tree, list(keys))
        use = node.get("use") if node is not None else None
        group = self._group(keys)
        if group is None:
            return None
        if use is not None:
            return self._library.index.get(group, str(use.value))
        name = node.value if node is not None else None
        if node is None and (item := self._field(keys)) is not None:
            default = item[1].default
            name = default.get("use") if isinstance(default, Mapping) else default
        return self._library.index.get(group, name) if isinstance(name, str) else None

    def _group(self, keys: Keys) -> str | None:
        if len(keys) == 2 and keys[0] == "stages":
            return "stage"
        path = ".".join(keys)
        mounts = [la.mount for la in self._composed.layers if la.package == path and la.mount]
        if mounts:
            return mounts[-1]
        item = self._field(keys)
        if item is not None:
            return component_group(item[1].type)
        # An entry of a mapping of components, such as `metrics.accuracy`.
        above = self._field(keys[:-1]) if len(keys) > 1 else None
        return component_group(above[1].type) if above is not None else None

    def _unknown(self, key: str, keys: Keys) -> UnknownKey:
        paths = [path for path, _, _ in _leaves(self._composed.tree)]
        ends = [path for path in paths if path.endswith(f".{key}")]
        above = self._component(keys[:-1])
        node = find(self._composed.tree, list(keys[:-1]))
        names = list(node.value) if node is not None and node.is_mapping else []
        names += [item.name for item in above.fields] if above is not None else []
        names += [item.name for item in RUN_FIELDS] if keys[:-1] == ("run",) else []
        prefix = "".join(f"{k}." for k in keys[:-1])
        near = get_close_matches(keys[-1], names, 1)
        if ends:
            remedy = f"did you mean `{min(ends, key=len)}`?"
        elif near:
            remedy = f"did you mean `{prefix}{near[0]}`?"
        elif names and len(keys) > 1:
            remedy = f"below `{prefix[:-1]}`: {', '.join(dict.fromkeys(names))}"
        else:
            remedy = nearest(key, [*self._composed.tree.value, *paths], noun="keys")
        return UnknownKey(f"there is no key `{key}`", where="this recipe", remedy=remedy)


def _without_cell(keys: list[str]) -> list[str]:
    # All cells of a stage have the history of the stage.
    if keys[:1] == ["stages"] and len(keys) > 1:
        return [keys[0], keys[1].partition("[")[0], *keys[2:]]
    return keys


def _longest(node: Node | None, rest: Sequence[str]) -> int:
    for length in range(len(rest), 0, -1):
        if node is not None and find(node, [".".join(rest[:length])]) is not None:
            return length
    return 1


def _said(body: Node, keys: Keys) -> Node | None:
    """What a layer says of a key: its value, or what replaces everything above it."""
    node = body
    for key in keys:
        if not node.is_mapping:
            return node if node is not body else None
        child = node.get(key)
        if child is None:
            return None
        node = child
    return node


def _entry(node: Node, origin: str = "") -> Entry:
    return Entry(kind="set", value=node.plain(), origin=shown(origin or node.origin))


def _is_whole(node: Node) -> bool:
    return isinstance(node.value, (dict, list)) and bool(node.value)


def _leaves(node: Node, path: str = "") -> Iterator[tuple[str, Any, str]]:
    if not _is_whole(node) or isinstance(node.value, list):
        yield path, node.plain(), shown(node.origin)
        return
    for key, child in node.children():
        yield from _leaves(child, f"{path}.{key}".lstrip("."))


def said(value: Any) -> str:
    """A value in one line, as it would be written."""
    if isinstance(value, str):
        return masked(" ".join(value.split())) if value else '""'
    return masked(json.dumps(value))
