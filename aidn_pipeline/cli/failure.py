"""How an error is told: to people as problem, place and remedy, to programs as one JSON object."""

import json
import sys
import traceback
from difflib import get_close_matches

from aidn_pipeline.cli.words import VERBS
from aidn_pipeline.core.events import Status
from aidn_pipeline.errors import AidnError, GateNotMet, Interrupted, StageFailed, UsageError
from aidn_pipeline.facade.result import run_json


def tell(error: AidnError, cause: BaseException | None = None) -> None:
    """Prints an error to stderr; a cause that is none of ours with its traceback first."""
    # Only what is none of ours needs its traceback: a stage's own exception, or a bug.
    foreign = cause is not None and not isinstance(cause, AidnError)
    if foreign and (isinstance(error, StageFailed) or type(error) is AidnError):
        traceback.print_exception(cause, file=sys.stderr)
    print(f"error: {error}", file=sys.stderr, flush=True)


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
