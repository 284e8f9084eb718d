"""A run in a few words, and the command that comes next."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.cells import base_of
from aidn_pipeline.config.project import Project
from aidn_pipeline.core.artifact import Metrics
from aidn_pipeline.facade.example import bundle_example
from aidn_pipeline.facade.models import ModelReference, model_of_run
from aidn_pipeline.facade.runs import stage_results
from aidn_pipeline.facade.workspace import BUNDLES
from aidn_pipeline.store.store import Store

TELLING = ("accuracy", "f1_macro", "r2", "rmse", "val_loss")
"""Metrics that say most of a run, in this order."""
SHORT = 120
"""Characters of a row that is shown in a command."""


def telling(record: Mapping[str, Any], store: Store) -> list[tuple[str, float]]:
    """The few metrics that say most: those of the gate, else the usual ones of the last stage."""
    metrics: dict[str, float] = {}
    # Of a matrix there may be thousands of cells, each with a record of its own.
    whole = {name: work for name, work in record["stages"].items() if base_of(name) == name}
    for stage in stage_results({**record, "stages": whole}, store).values():
        for artifact in stage.outputs.values():
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
