"""`aidn-run` alone: the recipes, the last run, the next command."""

import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.cells import base_of
from aidn_pipeline.cli.text import ago, number, seconds, table
from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.project import Project, find_project
from aidn_pipeline.config.trust import is_trusted
from aidn_pipeline.core.artifact import Metrics
from aidn_pipeline.engine.outcome import run_status
from aidn_pipeline.facade.example import bundle_example
from aidn_pipeline.facade.models import ModelReference, model_of_run
from aidn_pipeline.facade.runs import stage_results
from aidn_pipeline.facade.workspace import BUNDLES, is_store
from aidn_pipeline.store.store import Store

TELLING = ("accuracy", "f1_macro", "r2", "rmse", "val_loss")
"""Metrics that say most of a run, in this order."""
SHORT = 120
"""Characters of a row that is shown in a command."""
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


def telling(record: Mapping[str, Any], store: Store) -> list[tuple[str, float]]:
    """The few metrics that say most: those of the gate, else the usual ones of the last stage."""
    metrics: dict[str, float] = {}
    for name, stage in stage_results(record, store).items():
        for artifact in stage.outputs.values() if base_of(name) == name else ():
            if isinstance(artifact, Metrics) and store.has(artifact):
                metrics.update(store.read_json(artifact))
    config = record["facts"].get("config", {}).get("stages", {})
    gates = [name for stage in config.values() for name in stage.get("gate") or ()]
    names = [name for name in gates if name in metrics] or [n for n in TELLING if n in metrics]
    return [(name, metrics[name]) for name in dict.fromkeys(names[:2])]


def after(
    record: Mapping[str, Any],
    status: str,
    store: Store,
    project: Project,
    *,
    shown: bool = False,
) -> Iterator[str]:
    """What to type next; not to show the run, if that is what is done."""
    facts, show = record["facts"], f"aidn-run show {record['run']}"
    again = command(record)
    if "debug" in facts:
        yield f"next: aidn-run debug {facts['debug']} {again.removeprefix('aidn-run ')}"
        return
    match status:
        case "interrupted":
            options = facts.get("config", {}).get("run", {})
            anew = any(options.get(key) for key in ("force", "from", "no_cache"))
            goes = "what is made anew begins again" if anew else "it goes on where it stopped"
            lines = [f"{again}    ({goes})"]
        case "failed":
            stage = failed_stage(record)
            lines = [f"{again}    (finished stages are reused)"]
            debug = f"aidn-run debug {stage} {again.removeprefix('aidn-run ')}"
            lines += [debug] if stage and "rerun" not in facts else []
        case "done":
            model = model_of_run(stage_results(record, store), store)
            lines = [] if shown else [show]
            lines += [predicting(model, project.root)] if model else []
        case _:
            lines = [] if shown else [show]
    yield from (f"{'next: ' if n == 0 else '      '}{line}" for n, line in enumerate(lines))


def predicting(model: ModelReference, root: Path) -> str:
    """The command that asks a model, with a row of its own where that fits on a line."""
    try:
        row = bundle_example(root / BUNDLES / model.name / str(model.version))
    except OSError:
        row = []
    if isinstance(row, bytes):
        return f"aidn-run predict {model} --input image.png"
    text = json.dumps(row)
    fits = row and len(text) <= SHORT
    return (
        f"aidn-run predict {model} {f'--row {shlex.quote(text)}' if fits else '--input rows.json'}"
    )


def command(record: Mapping[str, Any]) -> str:
    """What was typed for a run, ready for a shell."""
    facts = record["facts"]
    what = [f"recipe={facts.get('asked', record['recipe'])}"]
    if "rerun" in facts:
        what = ["rerun", facts["rerun"]["of"]]
    words = [*what, *facts.get("overrides", ())]
    return " ".join(["aidn-run", *map(shlex.quote, words)])


def failed_stage(record: Mapping[str, Any]) -> str:
    """The stage that stopped a run; empty if none did."""
    actions = record["facts"].get("actions", {})
    order = record["facts"].get("order", ())
    return next(
        (n for n in order if actions.get(n, "skip") != "skip" and n not in record["stages"]), ""
    )
