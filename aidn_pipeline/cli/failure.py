"""How an error is told: to people as problem, place and remedy, to programs as one JSON object."""

import json
import os
import sys
from difflib import get_close_matches
from pathlib import Path

from aidn_pipeline.cli import frames
from aidn_pipeline.cli.text import printable
from aidn_pipeline.cli.words import VERBS
from aidn_pipeline.core.events import Status
from aidn_pipeline.core.masking import masked
from aidn_pipeline.engine.failure import RaisedElsewhere
from aidn_pipeline.errors import AidnError, GateNotMet, Interrupted, StageFailed, UsageError
from aidn_pipeline.facade.result import run_json


def tell(
    error: AidnError,
    cause: BaseException | None = None,
    *,
    project: Path | None = None,
    every_frame: bool = False,
) -> None:
    """Prints an error to stderr; a cause that is none of ours with its traceback first.

    Args:
        error: what ended the command.
        cause: what it came from.
        project: root of the user's files, whose frames are shown; None shows every frame.
        every_frame: show ours and the libraries' frames too, as AIDN_TRACEBACK=full does.
    """
    if is_foreign(error, cause):
        assert cause is not None
        full = every_frame or project is None or os.environ.get("AIDN_TRACEBACK") == "full"
        told = frames.whole(cause) if full or project is None else frames.folded(cause, project)
        print(printable(masked(told)), file=sys.stderr)
    print(printable(masked(f"error: {error}")), file=sys.stderr, flush=True)


def is_foreign(error: AidnError, cause: BaseException | None) -> bool:
    """Whether the cause is none of ours: a stage's own exception, or a bug."""
    foreign = cause is not None and not isinstance(cause, AidnError)
    if isinstance(cause, RaisedElsewhere):
        foreign = AidnError.__name__ not in cause.kinds
    return foreign and (isinstance(error, StageFailed) or type(error) is AidnError)


def tell_programs(error: AidnError, seconds: float) -> None:
    """Ends stdout with the JSON object of a command that never came to a run."""
    print(json.dumps(run_json(status=status_of(error), seconds=seconds, error=error)), flush=True)


def status_of(error: AidnError) -> Status:
    """The status of a run that this error ended."""
    if isinstance(error, GateNotMet):
        return "gate_not_met"
    return "interrupted" if isinstance(error, Interrupted) else "failed"


def unknown_verb(word: str) -> UsageError:
    """The error for a word that is no verb."""
    verbs = [verb for verb, entry in VERBS.items() if entry.line]
    near = get_close_matches(word, verbs, 1)
    return UsageError(
        f"there is no verb {word!r}",
        where=f"aidn-run {word}",
        remedy=f"did you mean `aidn-run {near[0]}`?"
        if near
        else f"to run a recipe: `aidn-run recipe={word}`; verbs: {', '.join(verbs)}",
    )
