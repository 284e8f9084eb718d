"""`aidn-run graph [recipe=NAME ...]`: which stage needs which, and what a run would do."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from aidn_pipeline.cli.graphs import mermaid, svg, terminal
from aidn_pipeline.cli.graphs.shape import Graph, graph_of
from aidn_pipeline.cli.subject import Subject, subject
from aidn_pipeline.cli.text import printable
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.errors import StorageUnwritable, UsageError

FORMATS = ("text", "mermaid", "svg", "json")
ENDINGS = {
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
    ".svg": "svg",
    ".json": "json",
    ".txt": "text",
}
FLAGS = {"--format": "value", "--output": "value", "--cells": "switch", "--json": "switch"}


def main(given: Sequence[str]) -> int:
    """Draws it."""
    found = subject(given, FLAGS, verb="graph")  # type: ignore[arg-type]
    if found.names:
        raise UsageError(
            f"graph draws a recipe, and {found.names[0]!r} is no change of one",
            where=" ".join(["aidn-run graph", *given]),
            remedy="write `aidn-run graph recipe=digits`",
        )
    output = found.arguments.one("--output")
    wanted = _format(found, output)
    spec, plan = found.builder.planned()
    graph = graph_of(spec, plan, cells=found.arguments.has("--cells"))
    text = _text(graph, wanted, fenced=bool(output and output.endswith(".md")))
    if output is None:
        print(text, end="")
    else:
        _write(Path(output), text)
        print(f"{output}: {len(graph.nodes)} stages, {graph.edges} edges", file=sys.stderr)
    if wanted == "mermaid" and (why := mermaid.refused(text, graph)):
        hint = "leave --cells out, or use `--format svg`"
        print(f"note: {why}: {hint}", file=sys.stderr)
    return 0


def _format(found: Subject, output: str | None) -> str:
    wanted = "json" if found.arguments.has("--json") else found.arguments.one("--format")
    if wanted is None:
        return ENDINGS.get(Path(output).suffix, "text") if output else "text"
    if wanted not in FORMATS:
        raise UsageError(
            f"there is no format {wanted!r}",
            where=f"--format {wanted}",
            remedy=nearest(wanted, FORMATS, noun="formats"),
        )
    return wanted


def _text(graph: Graph, wanted: str, *, fenced: bool) -> str:
    if wanted == "json":
        return json.dumps(graph.to_json()) + "\n"
    if wanted == "svg":
        return svg.drawn(graph)
    if wanted == "mermaid":
        text = mermaid.drawn(graph)
        return f"```mermaid\n{text}```\n" if fenced else text
    lines = [*terminal.drawn(graph, unicode=_has_signs()), "", terminal.counts(graph)]
    return "\n".join(map(printable, lines)) + "\n"


def _has_signs() -> bool:
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return encoding.startswith("utf")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageUnwritable(
            f"the drawing cannot be written: {error.strerror}",
            where=str(path),
            remedy="name a file in a folder that can be written",
        ) from error
