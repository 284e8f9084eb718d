"""`aidn-run plan recipe=NAME ...`, and what `--plan` prints."""

import json
import re
import sys
import time
from collections.abc import Sequence

from aidn_pipeline.cli.asked import asked
from aidn_pipeline.cli.cells import called, shortened, together
from aidn_pipeline.cli.text import read_from, seconds, table
from aidn_pipeline.engine.plan import Plan, PlanRow
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.rerun import planned_rerun
from aidn_pipeline.facade.result import planned_json

CELL = re.compile(r"\[[^\[\]]*\]")


def main(given: Sequence[str]) -> int:
    """Prints the plan of a recipe."""
    request = asked(given, verb="plan")
    return tell(request.builder, as_json=request.json)


def tell(builder: AiModelBuilder, *, as_json: bool) -> int:
    """Prints a plan: as a table, and for programs as one JSON object."""
    started = time.monotonic()
    spec, plan = builder.planned()
    notes = [*(f"note: {note}" for note in spec.notes), *(f"warning: {w}" for w in spec.warnings)]
    if read := read_from(spec.environment):
        notes.append(f"reads from the environment: {'  '.join(read)}")
    print(text(plan, notes), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        took = time.monotonic() - started
        rerun = planned_rerun(builder.again, spec.notes)
        print(json.dumps(planned_json(plan, took, spec.run, rerun)), flush=True)
    return 0


def grouped(rows: Sequence[PlanRow]) -> list[list[PlanRow]]:
    """Rows one by one, and those of cells that do the same for the same reason together."""
    by_name = {row.name: row for row in rows}
    alike = {row.name: (row.action, row.progress, _reason([row])) for row in rows}
    return [[by_name[name] for name in names] for names in together(by_name, alike)]


def _line(group: Sequence[PlanRow]) -> list[str]:
    first = group[0]
    times = [row.estimate_s for row in group if row.estimate_s is not None]
    return [
        called([row.name for row in group]),
        f"{first.action} {first.progress}".strip(),
        seconds(sum(times) if times else None),
        _reason(group),
    ]


def _reason(group: Sequence[PlanRow]) -> str:
    # What cells wait for are cells of their own values: the stage's name says it for all.
    reason = shortened(group[0].reason)
    return CELL.sub("", reason) if "[" in group[0].name else reason


def text(plan: Plan, notes: Sequence[str]) -> str:
    """A plan as a table, with what the composition has to say below it."""
    rows = [_line(group) for group in grouped(plan.rows)]
    lines = [table(rows, header=["stage", "action", "last time", "why"])]
    left = sum(row.estimate_s or 0.0 for row in plan.rows if row.action in ("run", "resume"))
    if left:
        lines.append(f"\nabout {seconds(left)}, by the last times")
    return "\n".join([*lines, *notes])
