"""What happens in a run, as frozen values; the runner tells every listener."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Action: TypeAlias = Literal["reuse", "resume", "run", "wait", "skip"]
Status: TypeAlias = Literal["done", "failed", "gate_not_met", "interrupted", "planned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Anything that happened. `stage` is empty for what concerns the whole run."""

    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began; `stages` in the order they will be looked at."""

    run: str
    recipe: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage is reused, resumed or run."""

    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWaiting(Event):
    """Another live process holds the same work; `holder` says who and since when."""

    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished(Event):
    """A stage ended; `problem` is empty unless it failed or was skipped."""

    action: Action
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """`done` of `total` units; `values` are the newest figures to show beside them."""

    done: int
    total: int
    unit: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFinished(Event):
    """One trial of a sweep ended; `value` is None if it failed, and `problem` says why."""

    number: int
    total: int
    params: Mapping[str, object]
    value: float | None
    best: bool
    reused: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    """Progress was committed."""

    step: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """One sentence for people; `level` says how loud."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run ended."""

    run: str
    status: Status
    seconds: float


class Listener(Protocol):
    """Tracker, monitor, dashboard, notifier, terminal.

    None can change a result. What one raises is a warning, said once, and the run goes on; only
    KeyboardInterrupt and SystemExit end it.
    """

    def on_event(self, event: Event) -> None:
        """Called in the runner's process, in order."""
        ...
