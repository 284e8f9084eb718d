"""Stopping in good order: the first signal asks, the second one ends at once; and time limits."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from aidn_pipeline.errors import Interrupted, StageTimedOut

GRACE_S = 10.0
"""Seconds that a stage has to save a last checkpoint."""


AGAIN_S = 1.0
"""Seconds after which a time limit that was swallowed is raised again."""


class StopFlag:
    """Whether an end was asked for, and by which signal."""

    def __init__(self) -> None:
        self.signum = 0

    def check(self) -> None:
        """Raises Interrupted once an end was asked for."""
        if self.signum:
            raise Interrupted(self.signum)


@contextmanager
def listening(
    flag: StopFlag, asked: Callable[[str], None], *, grace_s: float = GRACE_S
) -> Iterator[None]:
    """Turns SIGINT and SIGTERM into the flag; after `grace_s` or a second signal, into Interrupted.

    Outside the main thread signals cannot be caught, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(signum: int, _frame: FrameType | None) -> None:
        if flag.signum:
            raise Interrupted(flag.signum)
        flag.signum = signum
        signal.setitimer(signal.ITIMER_REAL, grace_s)
        asked(f"stopping: {grace_s:.0f} s to save a checkpoint; once more to end at once")

    def on_alarm(_signum: int, _frame: FrameType | None) -> None:
        raise Interrupted(flag.signum)

    handlers = {signal.SIGINT: on_signal, signal.SIGTERM: on_signal, signal.SIGALRM: on_alarm}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def time_limit(seconds: float | None, name: str, flag: StopFlag) -> Iterator[None]:
    """Raises StageTimedOut inside a block that takes longer, between two steps of Python.

    A long call into C is not broken off. Only the main thread can be told: `can_limit` says so.

    Args:
        seconds: the limit; None for none.
        name: of the stage.
        flag: once an end was asked for, its grace counts and not this.
    """
    if seconds is None or not can_limit():
        yield
        return

    def on_alarm(_signum: int, _frame: FrameType | None) -> None:
        flag.check()
        raise StageTimedOut(
            f"stage {name!r} took longer than its timeout of {seconds:g} s",
            where=f"stages.{name}.timeout_s",
            remedy="raise it; what the stage saved is kept",
        )

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        if not flag.signum:
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def can_limit() -> bool:
    """Whether this thread can be told that its time is over."""
    return threading.current_thread() is threading.main_thread()
