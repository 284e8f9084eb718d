"""`aidn-run accept STAGE --reason TEXT`: a change makes no difference, and a result is kept."""

import json
from collections.abc import Iterator, Sequence

from aidn_pipeline.cli.subject import Subject, one_name, subject
from aidn_pipeline.cli.text import printable
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.accepting import Accepted, accept, withdraw

LONGEST = 1000
"""Characters of a reason."""


def main(given: Sequence[str]) -> int:
    """Accepts it, or takes that back."""
    found = subject(
        given, {"--reason": "value", "--undo": "switch", "--json": "switch"}, verb="accept"
    )
    stages = found.names or (
        one_name(found, verb="accept", noun="stage", example="train --reason TEXT"),
    )
    undo = found.arguments.has("--undo")
    reason = _reason(found, stages)
    builder = found.builder
    spec, index, workspace = builder.spec(), builder.index, builder.workspace
    if spec.run.get("smoke"):
        raise UsageError(
            "a smoke run keeps nothing, so there is nothing to accept",
            where="run.smoke",
            remedy="leave `run.smoke=true` out",
        )
    with workspace.readable() as store:
        place = (spec, store, index, workspace.project, stages)
        done = withdraw(*place) if undo else accept(*place, reason=reason)
    if found.arguments.has("--json"):
        key = "withdrawn" if undo else "accepted"
        print(json.dumps({"format": 1, key: [one.to_json() for one in done]}))
        return 0
    lines = _withdrawn(done) if undo else _accepted(done, stages, found)
    print(printable("\n".join(lines)))
    return 0


def _reason(found: Subject, stages: Sequence[str]) -> str:
    undo = found.arguments.has("--undo")
    reason = " ".join((found.arguments.one("--reason") or "").split())
    named = " ".join(stages)
    if bool(reason) == undo or len(reason) > LONGEST:
        problem = "--undo takes no reason" if undo else "a reason is recorded with what is accepted"
        if len(reason) > LONGEST:
            problem = f"the reason has more than {LONGEST} characters"
        raise UsageError(
            problem,
            where=found.command("accept", *stages),
            remedy=f"write `aidn-run accept {named} --reason 'a variable was renamed'`, or "
            f"`aidn-run accept {named} --undo`",
        )
    return reason


def _accepted(done: Sequence[Accepted], stages: Sequence[str], found: Subject) -> Iterator[str]:
    for one in done:
        yield f"accepted: the last result of {one.stage} stands for it as it is now"
        yield from (f"  {change}" for change in one.changes)
    yield f"  because: {done[0].reason} ({done[0].by})"
    yield f"next: {found.command()}"
    yield f"undo: {found.command('accept', *stages, '--undo')}"


def _withdrawn(done: Sequence[Accepted]) -> Iterator[str]:
    for one in done:
        yield f"withdrawn: {one.stage} runs again ({one.reason}, said {one.by})"
