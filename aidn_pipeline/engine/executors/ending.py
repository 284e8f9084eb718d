"""How a process ended that gave neither an answer nor an error."""

import signal
from collections.abc import Sequence
from pathlib import Path

from aidn_pipeline.errors import AidnError, Interrupted, StageDied

CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}


def without_a_word(
    name: str,
    exit_code: int | None,
    *,
    asked: int,
    lost: str,
    memory: int | None,
    out_of_memory: bool,
    log: Path | None,
    last: Sequence[str],
) -> AidnError:
    """The error of such a process.

    Args:
        name: of its task.
        exit_code: negative for the signal that ended it, None if nobody knows.
        asked: the signal by which it was asked to end, 0 if it was not.
        lost: how the server of the processes ended, if that took this one along.
        memory: its peak in bytes.
        out_of_memory: whether the kernel killed for memory meanwhile.
        log: what it wrote.
        last: the last lines of that.
    """
    if asked:
        return Interrupted(asked)
    remedy = "run the same command again: what is done is reused, and checkpoints are continued"
    if lost:
        problem = f"the server of the stages' processes {lost}; stage {name!r} died with it"
    elif exit_code is not None and exit_code < 0:
        problem, remedy = _killed(name, -exit_code, memory, remedy, out_of_memory=out_of_memory)
    else:
        problem = f"the process of stage {name!r} exited with code {exit_code} and without a word"
        remedy = "a stage returns its outputs or raises; it does not exit"
    return StageDied(problem, where=_place(name, log, last), remedy=remedy)


def _killed(
    name: str, number: int, memory: int | None, remedy: str, *, out_of_memory: bool
) -> tuple[str, str]:
    try:
        word = signal.Signals(number).name
    except ValueError:
        word = f"signal {number}"
    problem = f"the process of stage {name!r} was killed by {word}"
    peak = f"; its memory peak was {memory / 1e9:.2f} GB" if memory else ""
    if number == signal.SIGKILL and out_of_memory:
        problem += " when the machine was out of memory" + peak
    elif number == signal.SIGKILL:
        problem += " (out of memory?)" + peak
    if number == signal.SIGKILL:
        remedy = "give it less data at a time or a machine with more memory, and run it again"
    elif number in CRASHES:
        remedy = "a library crashed: the Python frames it came from are at the end of its log"
    return problem, remedy


def _place(name: str, log: Path | None, last: Sequence[str]) -> str:
    place = f"stages.{name}" if log is None else str(log)
    return "\n".join(
        [f"{place}, which ends with", *(f"      | {line}" for line in last)] if last else [place]
    )
