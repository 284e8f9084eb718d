"""From a recipe's name and overrides to one tree, without knowing yet what its stages are."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from aidn_pipeline.config.defaults import Layer, refuse_recursion, resolve_defaults
from aidn_pipeline.config.interpolate import Resolver
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.listing import Lists
from aidn_pipeline.config.merge import merge_layers
from aidn_pipeline.config.overrides import ROOT_KEYS, Application, Override, parse_overrides
from aidn_pipeline.config.references import roots
from aidn_pipeline.config.tree import Node
from aidn_pipeline.errors import BudgetExceeded, ConfigProblems, FoundBeforeStart, UnknownKey

MANY = 50
"""Stages that may be mounted by a defaults list before a plan says what is quicker."""


@dataclass(slots=True)
class Composed:
    """A composed recipe.

    Attributes:
        tree: with interpolations as written.
        resolver: resolves parts of the tree.
        pinned: paths of values given on the command line, and the override that gave each.
        notes: what a plan should say of the composition.
        problems: what is wrong so far.
        base: what stands below every layer.
        layers: the configs it consists of, lowest first.
        steps: the tree before the first override, and after each that is no choice of an option.
        overrides: all that were given, in order.
    """

    tree: Node
    resolver: Resolver
    pinned: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[FoundBeforeStart] = field(default_factory=list)
    base: Node = field(default_factory=lambda: Node({}, ""))
    layers: Sequence[Layer] = ()
    steps: Sequence[tuple[Override | None, Node]] = ()
    overrides: Sequence[Override] = ()

    @property
    def removed(self) -> dict[str, str]:
        """Stages that were there and are null now, each with the place that says so."""
        return {k: v.origin for k, v in self._stages().items() if v.value is None}

    def others(self, name: str) -> list[str]:
        """The stages beside one that say what they are."""
        return [k for k, v in self._stages().items() if k != name and v.get("use") is not None]

    def _stages(self) -> dict[str, Node]:
        stages = self.tree.get("stages")
        return stages.value if stages is not None and stages.is_mapping else {}


def compose(
    library: Library,
    recipe: str,
    arguments: Sequence[str],
    environ: Mapping[str, str] | None = None,
) -> Composed:
    """Composes a recipe.

    Args:
        library: where recipes, presets and components are found.
        recipe: its name.
        arguments: overrides as on the command line.
        environ: environment for `oc.env`; the process's own by default.

    Raises:
        ConfigError: if nothing can be composed; what can be told beside other problems is
            collected instead.
    """
    place = library.place_of_recipe(recipe)
    found: list[FoundBeforeStart] = []
    library.problems = found
    overrides = parse_overrides(arguments, library, found)
    choices = {o.key: o.value for o in overrides if o.kind == "choice"}
    layers = _layers(library, recipe, choices, found)
    base = {
        "name": Node(recipe.rpartition("/")[2], "the recipe's file name"),
        "seed": Node(0, "default"),
    }
    bottom = Node(base, place)
    tree, problems = merge_layers(layers, bottom)
    known = {name for layer in layers for name in roots(layer.config.body)}
    steps: list[tuple[Override | None, Node]] = [(None, tree)]
    tree, pinned = _apply(steps, overrides, known, library, problems)
    problems = [*found, *problems, *_unreferenced(tree, known | roots(tree), overrides, library)]
    notes = [
        f"{layer.config.file} hides the shipped {library.shown(ours)}"
        for layer in layers
        if (ours := library.shadowed(layer.config.path)) is not None
    ]
    mounted = sum(layer.package.startswith("stages.") for layer in layers)
    if mounted > MANY:
        notes.append(
            f"{mounted} stages are mounted one by one, which takes a time that grows by the square "
            "of their number: where they are alike, `matrix:` repeats one stage"
        )
    resolver = Resolver(tree, os.environ if environ is None else environ)
    return Composed(
        tree,
        resolver,
        pinned,
        notes,
        problems,
        base=bottom,
        layers=layers,
        steps=steps,
        overrides=overrides,
    )


def _layers(
    library: Library, recipe: str, choices: dict[str, str], found: list[FoundBeforeStart]
) -> list[Layer]:
    """The layers; of lists that cannot be set right, everything that is wrong with them."""
    try:
        refuse_recursion(library, recipe)
        for key, name in choices.items():
            refuse_recursion(library, f"{key.partition('@')[0]}/{name}")
        lists = Lists(library, choices, found)
        lists.check(recipe)
        if lists.is_whole:
            return resolve_defaults(library, recipe, choices)
    except BudgetExceeded:
        raise
    except FoundBeforeStart as problem:
        found.append(problem)
    if len(found) == 1:
        raise found[0]
    raise ConfigProblems(found)


def _apply(
    steps: list[tuple[Override | None, Node]],
    overrides: Sequence[Override],
    known: set[str],
    library: Library,
    problems: list[FoundBeforeStart],
) -> tuple[Node, dict[str, str]]:
    _, tree = steps[0]
    application = Application(tree, library, library.index, known, set(), problems)
    pinned: dict[str, str] = {}
    for override in overrides:
        if override.kind != "choice":
            before = set(application.pinned)
            application.apply(override)
            steps.append((override, application.tree))
            pinned |= dict.fromkeys(application.pinned - before, override.written)
    return application.tree, pinned


def _unreferenced(
    tree: Node, known: set[str], overrides: Sequence[Override], library: Library
) -> list[FoundBeforeStart]:
    if tree.get("stages") is None:
        return []  # Told as what it is: a recipe without stages.
    picked = {override.key: override for override in overrides if override.kind == "choice"}
    return [
        _unused_option(picked[key], tree, library)
        if key in picked
        else _unused_key(key, node, known)
        for key, node in tree.value.items()
        if key not in ROOT_KEYS and key not in known
    ]


def _unused_key(key: str, node: Node, known: set[str]) -> FoundBeforeStart:
    near = get_close_matches(key, [*ROOT_KEYS, *known], 1)
    return UnknownKey(
        f"nothing in this recipe refers to `{key}`",
        where=f"{node.origin} ({key})",
        remedy=f"did you mean `{near[0]}`?"
        if near
        else f"refer to it as `${{{key}}}` where it is meant, or remove it",
    )


def _unused_option(picked: Override, tree: Node, library: Library) -> FoundBeforeStart:
    """An option from the command line of a group of which nothing in the recipe takes one."""
    group, name = picked.key, picked.value
    remedy = "leave it out, or pick a pipeline with a stage that takes it"
    for key, node in tree.value.items():
        use = node.get("use") if node.is_mapping else None
        spec = library.index.get(key, str(use.value)) if use is not None else None
        if spec is not None and spec.field(f"{group}s") is not None:
            remedy = f"give it a name there: `{group}@{key}.{group}s.{name}={name}`"
    return UnknownKey(
        f"nothing in this recipe refers to `{group}`", where=picked.origin, remedy=remedy
    )
