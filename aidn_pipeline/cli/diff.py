"""`aidn-run diff A B`: what differs between two runs, and what came of it."""

import json
import math
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.cells import called, together
from aidn_pipeline.cli.grid import grid
from aidn_pipeline.cli.telling import TELLING
from aidn_pipeline.cli.text import ago, number, printable, seconds
from aidn_pipeline.engine.reasons import show
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.comparing import Comparison, Figure, Setting, Side, compare
from aidn_pipeline.facade.runs import find_run
from aidn_pipeline.facade.workspace import Workspace

MOST = 24
"""Metrics that are listed."""
FLAGS: Mapping[str, Any] = {"--markdown": "switch", "--json": "switch", "--exit-code": "switch"}
MARKS = str.maketrans({"|": "\\|", "\n": " ", "`": "'"})


def main(given: Sequence[str]) -> int:
    """Prints it."""
    arguments = parse(given, FLAGS, verb="diff")
    words = arguments.words or ("last~1", "last")
    if len(words) == 1:
        words = (words[0], "last")
    if len(words) > 2:
        raise UsageError(
            "diff takes two runs",
            where=" ".join(["aidn-run diff", *given]),
            remedy="write `aidn-run diff last~1 last`; `aidn-run list runs` lists them",
        )
    workspace = Workspace.around()
    with workspace.readable() as store:
        runs = [find_run(store, word) for word in words]
        found = compare(runs[0], runs[1], store)
    if arguments.has("--json"):
        print(json.dumps(found.to_json()))
    elif arguments.has("--markdown"):
        print(printable("\n".join(_markdown(found))))
    else:
        print(printable("\n".join(_text(found))))
    return 1 if arguments.has("--exit-code") and found.differs else 0


def _text(found: Comparison) -> Iterator[str]:
    for letter, side in (("a", found.a), ("b", found.b)):
        took = f"took {seconds(side.seconds)}" if side.seconds is not None else ""
        words = [letter, side.run, side.recipe, side.status, ago(time.time() - side.started), took]
        yield "  ".join(filter(None, words))
        if side.overrides:
            yield from grid([["   changes", *side.overrides]])
    for title, header, rows in _sections(found):
        yield ""
        yield title
        yield from grid(rows, header=header, indent="  ")
    yield ""
    yield summary(found)


def _sections(found: Comparison) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of each part that has any."""
    for title, settings in (
        ("config", found.config),
        ("found by the sweep", found.found),
        ("environment", found.environment),
        ("packages", found.packages),
    ):
        if settings:
            where = title in ("config", "found by the sweep")
            header = ["key", "a", "b", *(["stages"] if where else [])]
            yield title, header, [_setting(one, where=where) for one in settings]
    if found.code:
        rows = [
            [c.component, c.file, ", ".join(c.parts)]
            if c.file
            else [c.component, f"version {show(c.old)} -> {show(c.new)}", ""]
            for c in found.code
        ]
        yield "code", ["component", "file", "what changed"], rows
    if found.data:
        rows = [[d.name, d.old or "-", d.new or "-"] for d in found.data]
        yield "data", ["name", "a", "b"], rows
    if any(figure.differs for figure in found.metrics):
        yield "metrics", ["stage", "metric", "a", "b", "b - a"], list(_figures(found.metrics))
    others = {name: state for name, state in found.stages.items() if state != "same work"}
    if others:
        names = [called(group) for group in together(list(others), others)]
        states = [others[group[0]] for group in together(list(others), others)]
        yield (
            "stages",
            ["stage", "b against a"],
            [list(row) for row in zip(names, states, strict=True)],
        )


def _setting(one: Setting, *, where: bool) -> list[str]:
    stages = ", ".join(called(group) for group in together(one.stages, {}))
    return [one.name, show(one.old), show(one.new), *([stages] if where else [])]


def _figures(figures: Sequence[Figure]) -> Iterator[list[str]]:
    differing = [figure for figure in figures if figure.differs]
    same = len(figures) - len(differing)
    stage = ""
    for figure in differing[:MOST]:
        name = "" if figure.stage == stage else figure.stage
        stage = figure.stage
        yield [name, figure.name, _number(figure.old), _number(figure.new), delta(figure)]
    if len(differing) > MOST:
        yield ["", f"and {len(differing) - MOST} more, which --json has", "", "", ""]
    if same:
        yield ["", f"{same} more {'is' if same == 1 else 'are'} equal", "", "", ""]


def _number(value: float | None) -> str:
    return "-" if value is None else number(value)


def delta(figure: Figure) -> str:
    """How much a metric changed, also as a share of what it was."""
    if figure.old is None or figure.new is None:
        return ""
    change = figure.new - figure.old
    if not math.isfinite(change):
        return ""
    share = f" ({change / abs(figure.old):+.1%})".replace("%", " %") if figure.old else ""
    return f"{'+' if change > 0 else ''}{number(change)}{share}"


def summary(found: Comparison) -> str:
    """One line: what differs, and the metric that says most."""
    if not found.differs:
        return "no difference: the same configuration, code, data and results"
    counts = [
        (len(found.config), "setting"),
        (len({code.file or code.component for code in found.code}), "piece of code"),
        (len(found.packages), "package"),
        (len(found.environment), "environment variable"),
        (len(found.data), "data set"),
    ]
    told = [_count(count, noun) for count, noun in counts if count]
    line = f"{', '.join(told)} differ" if told else "the same configuration, code and data"
    if len(told) == 1 and told[0].startswith("1 "):
        line += "s"
    figures = sorted(
        (f for f in found.metrics if f.differs and f.name in TELLING and "[" not in f.stage),
        key=lambda f: TELLING.index(f.name),
    )
    if figures:
        best = figures[0]
        values = f"{best.name} {_number(best.old)} -> {_number(best.new)}"
        line += "; " + ", ".join(filter(None, (values, delta(best))))
    elif any(figure.differs for figure in found.metrics):
        line += "; metrics differ"
    elif found.metrics:
        line += "; all metrics are equal"
    return line


def _count(count: int, noun: str) -> str:
    plural = noun.replace("piece", "pieces") if noun.startswith("piece") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _markdown(found: Comparison) -> Iterator[str]:
    yield f"### {_plain(found.b.recipe)}: `{found.a.run}` → `{found.b.run}`"
    yield ""
    yield f"**{_plain(summary(found))}**"
    yield ""
    yield from (f"- {line}" for line in map(_side, (found.a, found.b)))
    for title, header, rows in _sections(found):
        yield ""
        yield f"#### {title}"
        yield ""
        yield f"| {' | '.join(header)} |"
        yield f"|{' --- |' * len(header)}"
        for row in rows:
            cells = [_cell(cell) for cell in [*row, *[""] * (len(header) - len(row))]]
            yield f"| {' | '.join(cells)} |"


def _side(side: Side) -> str:
    words = ["aidn-run", f"recipe={side.recipe}", *side.overrides]
    return f"`{side.run}`: {side.status}, `{_marked(' '.join(map(shlex.quote, words)))}`"


def _cell(text: str) -> str:
    return f"`{_marked(text)}`" if text else ""


def _marked(text: str) -> str:
    return text.translate(MARKS)


def _plain(text: str) -> str:
    """A text of anybody's outside of code: no markup of it is meant."""
    return "".join(f"\\{c}" if c in "\\`*_[]<#|" else c for c in text)
