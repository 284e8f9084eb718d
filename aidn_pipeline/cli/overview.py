"""`aidn-run` alone: the recipes, the last run, the next command."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aidn_pipeline.cli.telling import after, telling
from aidn_pipeline.cli.text import ago, number, seconds, table
from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.project import Project, find_project
from aidn_pipeline.config.trust import is_trusted
from aidn_pipeline.engine.outcome import run_status
from aidn_pipeline.facade.models import model_of_run
from aidn_pipeline.facade.runs import stage_results
from aidn_pipeline.facade.workspace import is_store
from aidn_pipeline.store.store import Store

SHIPPED = "digits_train"
"""The shipped recipe that shows all of it in some seconds."""


def main(given: Sequence[str]) -> int:
    """Prints it; imports none of the project's code."""
    del given
    project = find_project()
    print("\n".join(_recipes(project)))
    print(f"\n{_next(project)}")
    return 0


def _recipes(project: Project) -> Iterator[str]:
    found = sorted(list_recipes(project), key=lambda r: r.name)
    for title, shipped in (("recipes of this project", False), ("shipped recipes", True)):
        some = [[recipe.name, recipe.header] for recipe in found if recipe.builtin == shipped]
        if some:
            if shipped and any(not recipe.builtin for recipe in found):
                yield ""
            yield title
            yield from (fitted(line) for line in table(some, indent="  ").splitlines())


def fitted(line: str) -> str:
    """A line cut to a terminal's width; whole in a pipe."""
    width = shutil.get_terminal_size().columns
    if not sys.stdout.isatty() or len(line) <= width:
        return line
    return line[: width - 3].rstrip(" .,;") + "..."


def _next(project: Project) -> str:
    if not is_trusted(project):
        named = ", ".join([*project.packages, *project.components])
        what = f"this workspace has code of its own ({named}), which does not run yet"
        return f"{what}\nnext: read it, then aidn-run trust"
    if is_store(project.store_root):
        with Store.open(project.store_root) as store:
            for run in store.records.runs(1):
                status = run_status(store, run)
                return "\n".join([*_last(run, status, store), *after(run, status, store, project)])
    return _first(project)


def _first(project: Project) -> str:
    own = [recipe.name for recipe in list_recipes(project) if not recipe.builtin]
    if own or project.settings or project.recipes_dirs:
        return f"no runs yet\nnext: aidn-run recipe={own[0] if own else SHIPPED}"
    rows = [
        ["next: aidn-run new NAME", "makes one; --from data.csv starts from your table"],
        [f"      aidn-run recipe={SHIPPED}", "runs a shipped recipe in this folder"],
    ]
    return f"no project here yet\n{table(rows)}"


def _last(record: Mapping[str, Any], status: str, store: Store) -> Iterator[str]:
    facts = record["facts"]
    line = [f"last run: {record['run']}", record["recipe"], status]
    if "debug" in facts:
        line.append(f"(for debug of {facts['debug']})")
    line.append(ago(time.time() - record["started"]))
    if status != "running":
        line.append(f"took {seconds(facts.get('seconds'))}")
    yield "  ".join(line)
    stages = stage_results(record, store)
    told = [f"{k} {number(v)}" for k, v in telling(record, store)]
    model = model_of_run(stages, store)
    if model is not None:
        told.append(str(model))
    if told:
        yield f"          {'  '.join(told)}"
    if facts.get("error") and status != "running":
        yield f"          {facts['error']['problem']}"
