"""What a try of a stage ended with, whether there is another, and after how long."""

from aidn_pipeline.core.pipeline import Retries
from aidn_pipeline.engine.executors.base import Ended
from aidn_pipeline.engine.failure import causes_of, error_from_json, wrapped
from aidn_pipeline.errors import (
    AidnError,
    FoundBeforeStart,
    GateNotMet,
    Interrupted,
    StageDied,
    StageTimedOut,
    StoreError,
)

LONGEST_S = 300.0
"""Between two tries, however many there were."""
ENDING = (GateNotMet, Interrupted, StoreError)
"""Errors that no `on_failure: continue` lets a run go on after."""
NEVER = (GateNotMet, Interrupted)
"""Errors that no `retries` tries again."""
NAMED = (StoreError, FoundBeforeStart)
"""Errors that are tried again only where `on` names them: another try rarely helps."""


def pause_before_retry(retries: Retries, tries: int, error: AidnError) -> float | None:
    """Seconds to wait before the next try; None if there is none.

    Args:
        retries: what the stage says.
        tries: so far.
        error: that the last one ended with.
    """
    if tries > retries.times or isinstance(error, NEVER):
        return None
    if retries.on and not causes_of(error) & set(retries.on):
        return None
    if not retries.on and isinstance(error, NAMED):
        return None
    return float(min(LONGEST_S, retries.backoff_s * 2.0 ** min(tries - 1, 30)))


def failure_of(ended: Ended) -> AidnError:
    """The error of a task that gave no answer."""
    where = str(ended.log) if ended.log is not None else f"stages.{ended.name}"
    if ended.timed_out:
        return StageTimedOut(
            f"stage {ended.name!r} took longer than its timeout and was killed after "
            f"{ended.seconds:.1f} s",
            where=where,
            remedy=f"raise `stages.{ended.name}.timeout_s`; its last checkpoint is kept",
        )
    if ended.raised is not None:
        raised = ended.raised
        return raised if isinstance(raised, AidnError) else wrapped(raised)
    if ended.error is not None:
        return error_from_json(ended.error)
    return StageDied(
        f"the process of stage {ended.name!r} ended without a word: {_ending(ended.exit_code)}",
        where=where,
        remedy="see its output; the same command continues from its last checkpoint",
    )


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        memory = "; the machine may have run out of memory" if code == -9 else ""
        return f"killed by signal {-code}{memory}"
    return "its exit code is not known" if code is None else f"exit code {code}"
