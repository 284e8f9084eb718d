"""A recipe with its changes, written as a recipe of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aidn_pipeline.config.cells import pinned_values
from aidn_pipeline.config.check import Checker
from aidn_pipeline.config.compose import Composed, compose
from aidn_pipeline.config.emit import emit, quoted
from aidn_pipeline.config.library import GivenRecipe, Library
from aidn_pipeline.config.matrix import given_value
from aidn_pipeline.config.overrides import ROOT_KEYS
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.references import roots
from aidn_pipeline.config.spaces import unpinned
from aidn_pipeline.config.tree import Node, put
from aidn_pipeline.core.index import Index

FIRST = ("name", "seed")
LAST = "stages"
KEPT = ("durability",)
"""Keys of `run` that say how rather than what is run once."""


def recipe_text(
    name: str,
    overrides: Sequence[str],
    project: Project,
    index: Index,
    *,
    environ: Mapping[str, str] | None = None,
    given: GivenRecipe | None = None,
) -> str:
    """A recipe that composes to the same pipeline without the changes; of a recipe that is right.

    Groups stand in its defaults list and interpolations as they were written, so that it is changed
    in one place as before: `model=cnn`, `trainer.epochs=5`.

    Args:
        name: as in `load_recipe`.
        overrides: as in `load_recipe`.
        project: as in `load_recipe`.
        index: as in `load_recipe`.
        environ: as in `load_recipe`.
        given: as in `load_recipe`.
    """
    library = Library(project, index, given)
    composed = compose(library, name, overrides, environ)
    tree = _without_pinned(composed, index)
    entries: list[str] = []
    body: dict[str, Node] = {}
    kept = _kept(tree)
    for key in [*FIRST, *(k for k in kept if k not in (*FIRST, LAST)), LAST]:
        node = kept[key]
        rest = _over_option(library, key, node)
        if rest is not None:
            entries.append(f"  - /{key}: {node.value['use'].value}\n")
        if rest is None or rest.value:
            body[key] = rest or node
    made = " ".join([f"recipe={name}", *overrides])
    lines = "".join(
        f"#   {line if line.isprintable() else quoted(line)}\n" for line in made.splitlines()
    )
    head = f"# @package _global_\n# {_said(composed)}, written out from\n{lines}"
    listed = f"defaults:\n{''.join(entries)}  - _self_\n\n" if entries else ""
    return head + listed + emit(Node(body, tree.origin))


def _kept(tree: Node) -> dict[str, Node]:
    # What stages refer to, directly or through others; a root key that none does is an error.
    found = {key: node for key, node in tree.value.items() if key in ROOT_KEYS}
    stages = {k: v for k, v in found[LAST].value.items() if v.value is not None}
    found[LAST] = replace(found[LAST], value=stages)
    run = found.pop("run", None)
    if run is not None and run.is_mapping and run.value.keys() & set(KEPT):
        found["run"] = replace(run, value={k: v for k, v in run.value.items() if k in KEPT})
    more = set(found)
    while more:
        named = {name for node in found.values() for name in roots(node)}
        more = (named & tree.value.keys()) - found.keys()
        found |= {key: tree.value[key] for key in more}
    return {key: found[key] for key in tree.value if key in found}


def _said(composed: Composed) -> str:
    name = composed.tree.get("name")
    return quoted(str(name.value)).strip('"') if name is not None else "A recipe"


def _without_pinned(composed: Composed, index: Index) -> Node:
    # A file never pins: what an override took out of a space is taken out of it here, and an axis
    # of a matrix that it gave a value has that one.
    tree, checker = composed.tree, Checker(index)
    for name, node in tree.value[LAST].value.items():
        if not node.is_mapping:
            continue
        resolved = composed.resolver.resolve(node, f"stages.{name}")
        kept = unpinned(name, resolved, composed, checker)
        for key, child in kept.value.items():
            if child is not resolved.value[key] and child.value != resolved.value[key].value:
                tree = put(tree, ["stages", name, key], child)
        for path, (given, _) in pinned_values(name, resolved, composed).items():
            label = Node(given_value(given).label, given.origin)
            whole = Node({"label": label, "value": given}, given.origin)
            one = given if label.value == given.value else whole
            tree = put(tree, ["stages", name, "matrix", path], Node([one], given.origin))
    return tree


def _over_option(library: Library, key: str, node: Node) -> Node | None:
    # What is left to say of a component that the defaults list names; None if it cannot name it.
    use = node.get("use")
    if use is None or not isinstance(use.value, str) or not library.is_group(key):
        return None
    option = library.load(f"{key}/{use.value}")
    if option is None or option.defaults is not None or option.package is not None:
        return None
    below = option.body.value
    if any(k not in node.value or _differs_inside(below[k], node.value[k]) for k in below):
        return None
    said = {
        k: v
        for k, v in node.value.items()
        if k != "use" and not (k in below and _same(below[k], v))
    }
    return replace(node, value=said)


def _differs_inside(below: Node, above: Node) -> bool:
    # Mappings merge, so a key that the option has and the tree has not would come back.
    return below.is_mapping and above.is_mapping and not _same(below, above)


def _same(one: Node, other: Node) -> bool:
    inner, others = dict(one.children()), dict(other.children())
    if inner or others:
        return inner.keys() == others.keys() and all(_same(inner[k], others[k]) for k in inner)
    # 1 and 1.0 are equal, and are not the same.
    return (repr(one.value), one.text) == (repr(other.value), other.text)
