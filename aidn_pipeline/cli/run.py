"""`aidn-run recipe=NAME ...`: run a recipe and say what came of it."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from aidn_pipeline import memo
from aidn_pipeline.cli import debugger, failure, plan, streams
from aidn_pipeline.cli.asked import Asked, asked
from aidn_pipeline.cli.lines import Lines
from aidn_pipeline.cli.telling import SHORT, predicting
from aidn_pipeline.cli.text import number, pairs, seconds, table
from aidn_pipeline.core.events import Event, Notice
from aidn_pipeline.errors import DataError, StageFailed
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.example import bundle_example
from aidn_pipeline.facade.result import AiModelResult, shown
from aidn_pipeline.facade.standing import remember

WIDTH = 68
"""Of the figures beside their name."""
BASELINE = "baseline_"
"""Begins the name of a metric of the answer that is the same for every row."""
TRAINING = ("train_", "val_")
"""Begin the names of a trainer's metrics; those of `evaluate` are bare."""


def main(given: Sequence[str]) -> int:
    """Runs the recipe, or plans it.

    Returns:
        The exit code.
    """
    began_ns = time.time_ns()
    return carried_out(asked(given), given, began_ns)


def carried_out(request: Asked, given: Sequence[str] = (), began_ns: int = 0) -> int:
    """Runs or plans what was asked for, and says what came of it.

    Args:
        request: what was asked for.
        given: the words of a command whose answer may be remembered; none, if not.
        began_ns: when the command began.

    Returns:
        The exit code.
    """
    if request.plan:
        return plan.tell(request.builder, as_json=request.json)
    request.builder.workspace.set_aside_damaged(memo.touched(list(given)))
    out = sys.stderr if request.json else sys.stdout
    started = time.monotonic()
    terminal = out.isatty() and not request.pdb
    view = _live(out) if terminal else Lines(out, sys.stderr)
    heard = _Heard()
    with view, debugger.standing_aside(view):
        result = request.builder.listening(view, heard).build()
    if result.error is None:
        streams.say(f"{summary(result, time.monotonic() - started)}\n", out)
        if memo.is_memorable(list(given)) and not heard.warnings:
            remember(list(given), result, unchanged(result), began_ns=began_ns)
    else:
        cause = result.error.__cause__
        failure.tell(result.error, cause, project=result.project, every_frame=request.traceback)
        print(unfinished(result), file=sys.stderr)
        if isinstance(result.error, (StageFailed, DataError)) and request.builder.again is None:
            print(f"next: {debugging(result, request.builder)}", file=sys.stderr)
        if request.pdb and cause is not None and failure.is_foreign(result.error, cause):
            debugger.post_mortem(cause, result.project, out)
    if request.json:
        print(json.dumps(result.to_json()), flush=True)
    return result.error.exit_code if result.error else 0


def _live(out: TextIO) -> Any:
    # What draws it is imported where there is a terminal.
    return import_module("aidn_pipeline.cli.live").LiveTable(out, sys.stderr)


class _Heard:
    """A listener that counts warnings: an answer that has any is not remembered."""

    def __init__(self) -> None:
        self.warnings = 0

    def on_event(self, event: Event) -> None:
        self.warnings += isinstance(event, Notice) and event.level == "warning"


def unchanged(result: AiModelResult) -> str:
    """What the same command says while nothing that it rests on changes."""
    return f"{result.recipe}: up to date, nothing to run\n{_last_block(result, 'unchanged')}"


def summary(result: AiModelResult, took_s: float) -> str:
    """The last block of a run: what was made, and what to type next."""
    return _last_block(result, seconds(took_s))


def _last_block(result: AiModelResult, took: str) -> str:
    rows = [("run", f"{result.run}  ({took})")]
    if result.rerun:
        rows.append(("rerun", str(result.rerun)))
    rows += measured(result.metrics)
    if result.smoke:
        rows.append(("smoke", "every stage ran; nothing was registered or kept"))
        rows.append(("next", f"aidn-run recipe={result.recipe}"))
        return "\n" + table([list(row) for row in rows])
    if result.model:
        rows.append(("model", str(result.model)))
    if result.bundle:
        rows.append(("bundle", shown(result.bundle, result.project)))
        rows += _block("python", loading(result.bundle, result.project))
    rows += _block("next", following(result))
    return "\n" + table([list(row) for row in rows])


def _block(name: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(name if n == 0 else "", line) for n, line in enumerate(lines)]


def loading(bundle: Path, project: Path) -> list[str]:
    """Python that loads a bundle and predicts, as it is pasted in the project's folder."""
    row = bundle_example(bundle)
    # A row that fits on a line shows what to give; else the model has one.
    text = repr(row) if len(repr(row)) <= SHORT else "model.example"
    return [
        "from aidn_pipeline import Servable",
        f"model = Servable.load({shown(bundle, project)!r})",
        f"print(model.predict([{text}]))",
    ]


def following(result: AiModelResult) -> list[str]:
    """What to type after a run that went through."""
    lines = [f"aidn-run show {result.run}"]
    if result.bundle and result.model:
        lines.append(predicting(result.model, result.project))
    return lines


def measured(metrics: Mapping[str, float]) -> list[tuple[str, str]]:
    """What the model is worth, what one answer for all would be, and how training ended."""
    # Those of single cells stand in the report of what gathered them.
    metrics = {name: value for name, value in metrics.items() if "[" not in name}
    training = {k: v for k, v in metrics.items() if k == "epoch" or k.startswith(TRAINING)}
    plain = {k.removeprefix(BASELINE): v for k, v in metrics.items() if k.startswith(BASELINE)}
    model = {k: v for k, v in metrics.items() if k not in training and not k.startswith(BASELINE)}
    rows = _block("metrics", figures(model))
    if plain:
        classes = any(name.startswith("accuracy") for name in plain)
        answer = "commonest class" if classes else "mean"
        told = figures(plain)
        rows += _block("baseline", [*told[:-1], f"{told[-1]}  (always the {answer} of training)"])
    return rows + _block("training", figures(training))


def figures(metrics: Mapping[str, float]) -> list[str]:
    """Metrics as people read them, as many on a line as fit."""
    texts = {name: number(value) for name, value in sorted(metrics.items())}
    return pairs(texts, width=WIDTH).splitlines()


def debugging(result: AiModelResult, builder: AiModelBuilder) -> str:
    """The command that runs the failed stage by itself."""
    stage = next((name for name, ended in result.stages.items() if ended.status == "failed"), "")
    words = [stage, f"recipe={builder.recipe}", *builder.overrides]
    return " ".join(["aidn-run debug", *map(shlex.quote, words)])


def unfinished(result: AiModelResult) -> str:
    """What is kept of a run that did not go through."""
    kept = [name for name, stage in result.stages.items() if stage.status == "done"]
    ended = [name for name, stage in result.stages.items() if stage.status == result.status]
    # A trial's error names the trial; the stage it belongs to is said here.
    noun = "stage" if len(ended) == 1 else "stages"
    place = f" in {noun} {', '.join(ended)}" if ended else ""
    status = result.status.replace("_", " ")
    return f"run {result.run}: {status}{place}; kept: {', '.join(kept) or 'nothing new'}"
