"""What happens in a run, as frozen values; the runner tells every listener."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, TypeAlias

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
class StageOutput(Event):
    """What a stage in a process of its own printed.

    Attributes:
        lines: the newest ones.
        left_out: bytes before them that are not told, because they were too many; its log has them.
    """

    lines: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRetried(Event):
    """A stage failed and is tried again after `wait_s` seconds; `tries` so far, of `most`."""

    tries: int
    most: int
    problem: str
    wait_s: float


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


TOLD: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunStarted,
        StageStarted,
        StageWaiting,
        StageOutput,
        StageFinished,
        StageRetried,
        Progress,
        TrialFinished,
        CheckpointSaved,
        Notice,
        RunFinished,
    )
}


def event_to_json(event: Event) -> dict[str, Any]:
    """An event as it is told from one process to another; one of the user's own as a notice."""
    if type(event) is not TOLD.get(type(event).__name__):
        event = Notice(stage=event.stage, text=str(event))
    found = {item.name: getattr(event, item.name) for item in fields(event)}
    return {"event": type(event).__name__, **found}


def event_from_json(value: Mapping[str, Any]) -> Event:
    """The inverse of `event_to_json`.

    Raises:
        KeyError: if there is no such event.
        TypeError: if its fields are others.
    """
    found: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in value.items() if name != "event"
    }
    return TOLD[value["event"]](**found)
