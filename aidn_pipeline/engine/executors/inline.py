"""The executor that works in the runner's own process, one task after the other."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aidn_pipeline.engine.executors.base import Ended, Task, Told
from aidn_pipeline.engine.failure import error_to_json
from aidn_pipeline.engine.stopping import StopFlag, time_limit


class InlineExecutor:
    """Does a task when it is waited for; what it tells goes to the listeners directly.

    Args:
        work: turns a payload into an answer.
        stop: whether an end was asked for; the work looks at the same one.
    """

    slots = 1

    def __init__(
        self, work: Callable[[Mapping[str, Any]], Mapping[str, Any]], stop: StopFlag
    ) -> None:
        self._work = work
        self._stop = stop
        self._task: Task | None = None

    def start(self, task: Task) -> None:
        """Keeps the task until it is waited for."""
        self._task = task

    def wait(self, timeout_s: float | None) -> Sequence[Told | Ended]:
        """Does the task, however long it takes."""
        task, self._task = self._task, None
        if task is None:
            return []
        started = time.monotonic()
        try:
            with time_limit(task.timeout_s, task.name, self._stop):
                answer = self._work(task.payload)
        except Exception as error:  # noqa: BLE001 - it is told, with the exception itself
            return [
                Ended(
                    name=task.name,
                    error=error_to_json(error),
                    raised=error,
                    seconds=time.monotonic() - started,
                )
            ]
        return [Ended(name=task.name, answer=answer, seconds=time.monotonic() - started)]

    def interrupt(self, signum: int) -> None:
        """Does nothing: the signal came to the process that does the work."""

    def kill(self, name: str | None = None) -> None:
        """Forgets the task."""
        self._task = None

    def close(self) -> None:
        """Forgets the task."""
        self._task = None
