"""`aidn-run plan recipe=NAME ...`, and what `--plan` prints."""

import json
import sys
import time
from collections.abc import Sequence

from aidn_pipeline.cli.asked import asked
from aidn_pipeline.cli.text import seconds, table
from aidn_pipeline.engine.plan import Plan
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.result import planned_json


def main(given: Sequence[str]) -> int:
    """Prints the plan of a recipe."""
    request = asked(given, verb="plan")
    return tell(request.builder, as_json=request.json)


def tell(builder: AiModelBuilder, *, as_json: bool) -> int:
    """Prints a plan: as a table, and for programs as one JSON object."""
    started = time.monotonic()
    spec, plan = builder.planned()
    print(text(plan, spec.notes), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(planned_json(plan, time.monotonic() - started)), flush=True)
    return 0


def text(plan: Plan, notes: Sequence[str]) -> str:
    """A plan as a table, with what the composition has to say below it."""
    rows = [
        [
            row.name,
            f"{row.action} {row.progress}".strip(),
            seconds(row.estimate_s),
            row.reason,
        ]
        for row in plan.rows
    ]
    lines = [table(rows, header=["stage", "action", "last time", "why"])]
    left = sum(row.estimate_s or 0.0 for row in plan.rows if row.action in ("run", "resume"))
    if left:
        lines.append(f"\nabout {seconds(left)}, by the last times")
    return "\n".join([*lines, *(f"note: {note}" for note in notes)])
