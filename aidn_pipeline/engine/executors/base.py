"""What the engine asks of an executor: to run tasks somewhere and to tell what came of them.

An executor knows nothing of stages. A task is a JSON object that a function of its own turns into a
JSON answer (`aidn_pipeline.engine.work.perform_task` for ours); bytes travel through the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work.

    Attributes:
        name: unique among the tasks that run at the same time.
        payload: JSON, handed to the work function.
        timeout_s: after which it is killed with all that it started.
        log: takes what it writes to stdout and stderr, if the executor can keep the two apart from
            its own; else they go where the runner's own go.
        preload: modules that it will import, which may be done ahead of its process.
    """

    name: str
    payload: Mapping[str, Any]
    timeout_s: float | None = None
    log: Path | None = None
    preload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something a running task told; `event` is the JSON form of an event."""

    name: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended: with an answer, with an error, or without a word (both None).

    Attributes:
        error: as `aidn_pipeline.engine.failure.error_to_json` writes it.
        raised: the exception itself, where the task ran in the runner's own process.
        exit_code: of its process; negative for the signal that ended it; None without a process.
        timed_out: whether it was killed for its `timeout_s`.
        peak_memory: in bytes.
        log: what it wrote, if that was kept.
    """

    name: str
    answer: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    raised: Exception | None = None
    exit_code: int | None = None
    timed_out: bool = False
    peak_memory: int | None = None
    log: Path | None = None
    seconds: float = 0.0


class Executor(Protocol):
    """Runs tasks. Used by one thread; calls nobody back.

    A signal handler of the runner may raise inside any call. After that only `kill` and `close`
    are called, and they end everything that was started.
    """

    @property
    def slots(self) -> int:
        """How many tasks may run at once."""
        ...

    def start(self, task: Task) -> None:
        """Starts a task; there are never more than `slots` of them."""
        ...

    def wait(self, timeout_s: float | None) -> Sequence[Told | Ended]:
        """Blocks until something happened, or for `timeout_s`; tells in the order it happened."""
        ...

    def interrupt(self, signum: int) -> None:
        """Asks every running task to end in good order, with a last checkpoint."""
        ...

    def kill(self, name: str | None = None) -> None:
        """Ends a task, or all, at once, with every process it started; `wait` need not tell."""
        ...

    def close(self) -> None:
        """Ends whatever still runs, and itself."""
        ...
