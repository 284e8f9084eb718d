"""The list that completion chooses from: verbs, flags, recipes, keys, values, stages."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from aidn_pipeline import memo
from aidn_pipeline.cli.listing import type_text
from aidn_pipeline.cli.words import VERBS
from aidn_pipeline.config.compose import compose
from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.recipe import RUN_FIELDS
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.describe import component_group
from aidn_pipeline.core.index import FieldSpec, Index
from aidn_pipeline.core.pipeline import STAGE_KEYS
from aidn_pipeline.errors import AidnError
from aidn_pipeline.facade.standing import configs
from aidn_pipeline.facade.workspace import Workspace

FLAG = re.compile(r"^  (--[a-z-]+)(?: ([A-Z|a-z]+))?  +(\S.*)$", re.MULTILINE)
"""A flag in a help text: its name, what it takes, what it does."""
BARE = re.compile(r"(?<![\w-])--[a-z-]+")
"""A flag that is named without a line of its own."""
CHANGES = "change"
"""Stands for keys and values in what a verb takes."""
STANDS_FOR: dict[str, str] = {"recipe=": "recipe", "key=value": CHANGES}
LONGEST = 70

Row = tuple[str, str, str]


def listed(recipe: str) -> str:
    """All candidates for a recipe, as `aidn_pipeline.completion` reads them; remembered.

    Args:
        recipe: `recipe=NAME`, or empty.
    """
    began_ns = time.time_ns()
    rows = list(_words())
    lines: list[bytes] = []
    # A project that is broken, or not trusted, still has verbs to be completed.
    with suppress(AidnError):
        workspace = Workspace.around()
        rows += _of_project(workspace)
        if name := recipe.removeprefix("recipe="):
            rows += _of_recipe(workspace, name)
        with suppress(memo.Changed, OSError):
            lines = list(configs(workspace, began_ns))
    text = "\n".join("\t".join(_plain(part) for part in row) for row in rows)
    if lines:
        memo.keep(["--complete", recipe], lines, text)
    return text


def _plain(text: str) -> str:
    return " ".join(text.split())[:LONGEST] if len(text) > LONGEST else text.replace("\t", " ")


def _words() -> Iterator[Row]:
    for name, verb in VERBS.items():
        yield "verb", name, verb.line
        told = {flag: (takes, about) for flag, takes, about in FLAG.findall(verb.help)}
        for flag in sorted({*told, *BARE.findall(verb.help)}):
            takes, about = told.get(flag, ("", ""))
            yield "flag", f"{name} {flag} {takes}", about
        for word in _literals(name, verb.help):
            yield "word", f"{name} {word}", ""
        yield "takes", name, " ".join(_takes(verb.help))


def _takes(text: str) -> Iterator[str]:
    """What stands in a usage line for something that can be listed."""
    usage = " ".join(line for line in text.splitlines() if line.startswith("aidn-run "))
    usage = re.sub(r"--[a-z-]+ [\w|]+", "", usage)
    words: list[str] = re.findall(r"recipe=|key=value|\b[A-Z]+\b", usage)
    for word in dict.fromkeys(words):
        yield STANDS_FOR.get(word, word)


def _literals(verb: str, text: str) -> Iterator[str]:
    """Words that may stand right behind a verb."""
    found = re.findall(rf"^aidn-run {verb} ([a-z|]+)\b(?!=)", text, re.MULTILINE)
    yield from dict.fromkeys("|".join(found).split("|") if found else ())


def _of_project(workspace: Workspace) -> Iterator[Row]:
    for recipe in list_recipes(workspace.project):
        yield "recipe", recipe.name, recipe.header
    library = Library(workspace.project, workspace.index)
    for group in library.groups():
        yield "group", group, ""
    for item in RUN_FIELDS:
        yield from _field(f"run.{item.name}", item, library)


def _of_recipe(workspace: Workspace, name: str) -> Iterator[Row]:
    library, index = Library(workspace.project, workspace.index), workspace.index
    tree = compose(library, name, ()).tree
    for key, node in tree.children():
        if key == "stages":
            yield from _stages(node, library)
        elif library.is_group(key):
            yield "key", f"{key}=", f"one of {', '.join(library.options(key))}"
            for option in library.options(key):
                found = index.get(key, option)
                yield "value", f"{key}={option}", found.doc if found else ""
            yield from _fields(key, key, node, library)
        elif key not in ("run", "defaults"):
            yield "key", f"{key}=", _now(node)


def _stages(stages: Node, library: Library) -> Iterator[Row]:
    for name, node in stages.children():
        yield "stage", name, _use(node)
        yield from _fields(f"stages.{name}", "stage", node, library)
        for key in STAGE_KEYS:
            yield "key", f"stages.{name}.{key}=", ""


def _fields(path: str, group: str, node: Node, library: Library) -> Iterator[Row]:
    spec = library.index.get(group, _use(node))
    for item in spec.fields if spec else ():
        yield from _field(f"{path}.{item.name}", item, library, node.get(item.name))


def _field(path: str, item: FieldSpec, library: Library, node: Node | None = None) -> Iterator[Row]:
    about = f"{type_text(item.type)}; {item.doc}" if item.doc else type_text(item.type)
    yield "key", f"{path}=", f"{about}{f' (now {_now(node)})' if node and _now(node) else ''}"
    for value in _values(item.type, library.index):
        yield "value", f"{path}={value}", ""


def _values(kind: Any, index: Index) -> Iterator[str]:
    group = component_group(kind)
    if group is not None:
        yield from index.names(group)
    elif kind == "bool":
        yield from ("true", "false")
    elif isinstance(kind, dict):
        for word, inner in kind.items():
            if word == "literal":
                yield from map(str, inner)
            elif word == "optional":
                yield from (*_values(inner, index), "null")
            elif word == "union":
                for one in inner:
                    yield from _values(one, index)


def _use(node: Node) -> str:
    use = node.get("use")
    return str(use.value) if use is not None else ""


def _now(node: Node) -> str:
    return "" if isinstance(node.value, dict | list) else str(node.value)
