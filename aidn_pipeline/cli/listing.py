"""`aidn-run list ...`: recipes, stages, components, runs, models."""

import json
import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.telling import telling
from aidn_pipeline.cli.text import number, seconds, table
from aidn_pipeline.config.project import Project, find_project
from aidn_pipeline.core.index import FieldType, PortSpec
from aidn_pipeline.engine.outcome import run_status
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.models import registered
from aidn_pipeline.facade.workspace import Workspace, is_store
from aidn_pipeline.store.store import Store

NEWEST = 20
"""Runs that are listed unless more are asked for."""


def main(given: Sequence[str]) -> int:
    """Prints one list."""
    words = parse(given, {}, verb="list").words or ("recipes",)
    if words[0] in KEPT and len(words) <= (2 if words[0] == "runs" else 1):
        print(KEPT[words[0]](find_project(), words[1:]))
        return 0
    workspace = Workspace.around()
    if words[0] not in KEPT and words[0] in workspace.index.groups():
        words = ("components", *words)
    names = sorted([*KEPT, *LISTS])
    if words[0] not in LISTS or len(words) > (2 if words[0] == "components" else 1):
        near = get_close_matches(words[0], [*names, *workspace.index.groups()], 1)
        raise UsageError(
            f"there is no list of {' '.join(words)}",
            where=" ".join(["aidn-run list", *given]),
            remedy=f"did you mean `aidn-run list {near[0]}`?"
            if near and len(words) == 1
            else f"one of {', '.join(names)}, or a group: {', '.join(workspace.index.groups())}",
        )
    print(LISTS[words[0]](workspace, words[1:]))
    return 0


def recipes(project: Project, _: Sequence[str] = ()) -> str:
    """Recipes of the project first, then the shipped ones."""
    # It reads YAML, which the other lists do without.
    headers: Any = import_module("aidn_pipeline.config.headers")
    found = sorted(headers.list_recipes(project), key=lambda r: (r.builtin, r.name))
    return table([[r.name, "shipped" if r.builtin else "project", r.header] for r in found])


def stages(workspace: Workspace, _: Sequence[str]) -> str:
    """Stages with their ports."""
    rows = [
        [spec.name, ", ".join(map(_port, spec.inputs)) or "-", ", ".join(map(_port, spec.outputs))]
        for spec in workspace.index
        if spec.group == "stage"
    ]
    return table(sorted(rows), header=["stage", "inputs", "outputs"])


def _port(port: PortSpec) -> str:
    name = port.name if port.name == port.kind else f"{port.name}: {port.kind}"
    return name + ("[*]" if port.many else "") + ("?" if port.optional else "")


def components(workspace: Workspace, groups: Sequence[str]) -> str:
    """Components with their fields, of one group or of all."""
    known = workspace.index.groups()
    if groups and groups[0] not in known:
        raise UsageError(
            f"there is no group {groups[0]!r}",
            where=f"aidn-run list components {groups[0]}",
            remedy=f"groups: {', '.join(known)}",
        )
    blocks = []
    for spec in sorted(workspace.index, key=lambda s: s.key):
        if groups and spec.group != groups[0]:
            continue
        rows = [
            [
                f"  {f.name}",
                type_text(f.type),
                "required" if f.required else json.dumps(f.default),
                f.doc,
            ]
            for f in spec.fields
        ]
        blocks.append(
            "\n".join(
                [f"{spec.key}  {spec.doc.splitlines()[0] if spec.doc else ''}", table(rows)]
            ).rstrip()
        )
    return "\n\n".join(blocks)


def type_text(kind: FieldType) -> str:
    """A field's type for people."""
    if isinstance(kind, str):
        return kind
    (word, inner), *_ = kind.items()
    if word == "literal":
        return " | ".join(map(str, inner))
    if word == "union":
        return " | ".join(map(type_text, inner))
    if word == "component":
        return f"{'an' if inner[0] in 'aeiou' else 'a'} {inner}"
    return {"optional": "{} or null", "list": "list of {}", "map": "mapping to {}"}[word].format(
        type_text(inner)
    )


def runs(project: Project, words: Sequence[str] = ()) -> str:
    """The newest runs, the newest last; all of them, or as many as are asked for."""
    if not is_store(project.store_root):
        return "no runs yet: `aidn-run recipe=digits` makes the first"
    with Store.open(project.store_root) as store:
        count = store.records.count_runs()
        shown = store.records.runs(_wanted(words, count))
        rows = [
            [
                r["run"],
                r["recipe"],
                _status(r, store),
                _when(r),
                seconds(r["facts"].get("seconds")),
                "  ".join(f"{name} {number(value)}" for name, value in telling(r, store)),
            ]
            for r in reversed(shown)
        ]
    text = table(rows, header=["run", "recipe", "status", "started", "took", "metrics"])
    more = count - len(shown)
    return text + (f"\n{more:,} older runs: `aidn-run list runs all` shows them" if more else "")


def _wanted(words: Sequence[str], count: int) -> int:
    word = words[0] if words else str(NEWEST)
    if word == "all":
        return count
    if not word.isdecimal() or int(word) == 0:
        raise UsageError(
            f"{word!r} is no number of runs",
            where=f"aidn-run list runs {word}",
            remedy="write a number, such as `aidn-run list runs 100`, or `all`",
        )
    return min(int(word), count)


def _status(record: dict[str, Any], store: Store) -> str:
    status, debugged = run_status(store, record), record["facts"].get("debug")
    return f"{status}, for debug of {debugged}" if debugged else status


def _when(record: dict[str, Any]) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(record["started"]))


def models(project: Project, _: Sequence[str]) -> str:
    """Registered versions, oldest first."""
    if not is_store(project.store_root):
        return "no models yet: a recipe with a register stage makes the first"
    with Store.open(project.store_root) as store:
        rows = [
            [
                f"{v['name']}@{v['version']}",
                "  ".join(f"{k} {number(x)}" for k, x in sorted(v["facts"]["metrics"].items())),
                v["digest"][:15],
            ]
            for v in registered(store)
        ]
    return table(rows, header=["model", "metrics", "checkpoint"])


KEPT: dict[str, Callable[[Project, Sequence[str]], str]] = {
    "recipes": recipes,
    "runs": runs,
    "models": models,
}
"""What is read without the components, so also in a workspace that nobody trusted."""
LISTS: dict[str, Callable[[Workspace, Sequence[str]], str]] = {
    "stages": stages,
    "components": components,
}
