"""A second implementation of the executor's protocol: tasks end in the wrong order, as JSON."""

import json
from collections.abc import Callable, Sequence

from aidn_pipeline.core.events import Event, event_to_json
from aidn_pipeline.engine.executors.base import Ended, Task, Told
from aidn_pipeline.engine.failure import error_to_json
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.engine.work import perform_task


class BackwardsExecutor:
    """Does what was started last first; payloads, events and answers go through text.

    Args:
        slots: how many tasks may run at once.
        before: called before a task is done; what it returns is how the task ended.
        pick: which of the running tasks ends next, given how many there are.

    Attributes:
        together: names of the tasks that ran at the same time, each time one was started.
        signals: that were passed on.
        killed: names of the tasks that were killed.
        closed: whether it was closed.
    """

    def __init__(
        self,
        slots: int = 4,
        before: Callable[[Task], Ended | None] | None = None,
        pick: Callable[[int], int] = lambda running: running - 1,
    ) -> None:
        self.slots = slots
        self.together: list[list[str]] = []
        self.signals: list[int] = []
        self.killed: list[str] = []
        self.closed = False
        self._before = before or (lambda _: None)
        self._pick = pick
        self._running: list[Task] = []

    def start(self, task: Task) -> None:
        self._running.append(task)
        self.together.append([t.name for t in self._running])

    def wait(self, timeout_s: float | None) -> Sequence[Told | Ended]:
        if not self._running:
            return []
        task = self._running.pop(self._pick(len(self._running)))
        told: list[Told | Ended] = []

        def emit(event: Event) -> None:
            told.append(Told(name=task.name, event=json.loads(json.dumps(event_to_json(event)))))

        stop = StopFlag()
        stop.signum = self.signals[-1] if self.signals else 0
        ended = self._before(task) or self._end(task, emit, stop)
        return [*told, ended]

    def _end(self, task: Task, emit: Callable[[Event], None], stop: StopFlag) -> Ended:
        try:
            answer = perform_task(json.loads(json.dumps(dict(task.payload))), emit, stop)
        except Exception as error:  # noqa: BLE001 - told, as an executor does
            text = json.dumps(error_to_json(error))
            return Ended(name=task.name, error=json.loads(text), exit_code=1, seconds=0.1)
        return Ended(name=task.name, answer=json.loads(json.dumps(answer)), exit_code=0)

    def interrupt(self, signum: int) -> None:
        self.signals.append(signum)

    def kill(self, name: str | None = None) -> None:
        self.killed += [t.name for t in self._running if name in (None, t.name)]
        self._running = [t for t in self._running if name not in (None, t.name)]

    def close(self) -> None:
        self.closed = True
