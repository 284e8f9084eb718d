"""What a stage that is run alone stands on must be there."""

import shlex
from collections.abc import Sequence

from aidn_pipeline.config.selection import needed_alone
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.plan import Plan
from aidn_pipeline.errors import MissingInputs
from aidn_pipeline.facade.frozen import lock_command

SHOWN = 3
"""Stages that are told of at once."""


def refuse_missing(spec: PipelineSpec, plan: Plan, recipe: str, overrides: Sequence[str]) -> None:
    """Checks that what the stages need that are run alone is there.

    Args:
        spec: the pipeline.
        plan: of it.
        recipe: as in `recipe=NAME`.
        overrides: its changes, for the command that makes what is missing.

    Raises:
        MissingInputs: naming what is not, why, and the command that makes it.
    """
    by_name = {row.name: row for row in plan.rows}
    needed = [by_name[name] for name in needed_alone(spec)]
    rows = [row for row in needed if row.action not in ("reuse", "skip")]
    if not rows:
        return
    told = [f"{row.name} ({row.action}: {row.reason})" for row in rows[:SHOWN]]
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    alone = list(spec.run["only"])
    until = " ".join(f"--until {shlex.quote(name)}" for name in alone)
    raise MissingInputs(
        f"what {', '.join(alone)} needs is not there: {', '.join(told)}{more}",
        where=spec.origins.get("run.only", "run.only"),
        remedy=f"make it first: `aidn-run {lock_command(recipe, overrides)} {until}`",
    )
