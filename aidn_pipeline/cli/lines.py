"""Progress as plain lines: for pipes, files and logs."""

import time
from types import TracebackType
from typing import Self, TextIO

from aidn_pipeline.cli import streams
from aidn_pipeline.cli.cells import shortened
from aidn_pipeline.cli.progress import RunProgress, detail, output, trial_problem
from aidn_pipeline.cli.text import number, printable, seconds
from aidn_pipeline.core.events import (
    Event,
    Notice,
    Progress,
    RunStarted,
    StageFinished,
    StageOutput,
    StageRetried,
    StageStarted,
    StageWaiting,
    TrialFinished,
)

EVERY_S = 5.0
"""Seconds between two lines of progress inside a stage."""


class Lines:
    """A listener that prints one line for what matters; warnings go to `err`."""

    def __init__(self, out: TextIO, err: TextIO | None = None) -> None:
        self._out = out
        self._err = err or out
        self._progress = RunProgress()
        self._begun = time.monotonic()
        self._last: dict[str, float] = {}
        """When something was said of each stage."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        streams.say("", self._out)

    def on_event(self, event: Event) -> None:
        """Prints the line of an event, if it has one."""
        self._progress.take(event)
        line = self._line(event)
        if line:
            loud = isinstance(event, Notice) and event.level == "warning"
            streams.say(f"{printable(line)}\n", self._err if loud else self._out)
            self._last[self._progress.belongs_to(event)] = time.monotonic()

    def _line(self, event: Event) -> str:
        match event:
            case RunStarted():
                return f"run {event.run}: {event.recipe}"
            case StageStarted():
                told = f"{event.stage}: {event.action}, {shortened(event.reason)}"
                return "" if event.action == "reuse" else told
            case StageWaiting():
                return f"{self._progress.belongs_to(event)}: waits for {event.holder}"
            case StageFinished() | StageRetried():
                return _ended(event)
            case TrialFinished():
                return _trial(event, self._of(event))
            case StageOutput():
                return output(event)
            case Notice():
                indent = "" if event.level == "warning" else "  "
                return f"{indent}{self._of(event)}{event.text}"
            case Progress() if self._silent_s(event) >= EVERY_S:
                name = self._progress.belongs_to(event)
                return f"{name}: {detail(self._progress.stages[name], time.monotonic())}"
            case _:
                return ""

    def _of(self, event: Event) -> str:
        """Begins a line of one of several stages that run at the same time."""
        several = len(self._progress.at_work) > 1 and event.stage in self._progress.stages
        return f"{event.stage}: " if several else ""

    def _silent_s(self, event: Event) -> float:
        return time.monotonic() - self._last.get(self._progress.belongs_to(event), self._begun)


def _ended(event: StageFinished | StageRetried) -> str:
    if isinstance(event, StageRetried):
        again = f"again in {seconds(event.wait_s)}" if event.wait_s else "again"
        return f"{event.stage}: try {event.tries} of {event.most} failed, {again}: {event.problem}"
    if event.action == "reuse":
        return f"{event.stage}: reused"
    if event.action == "skip":
        return f"{event.stage}: skipped, {shortened(event.problem)}"
    if event.problem:
        return f"{event.stage}: stopped after {seconds(event.seconds)}, {event.problem}"
    return f"{event.stage}: done in {seconds(event.seconds)}"


def _trial(event: TrialFinished, of: str) -> str:
    params = "  ".join(f"{k}={_short(v)}" for k, v in event.params.items())
    value = "failed" if event.value is None else number(event.value)
    mark = "  best so far" if event.best else ""
    line = f"  {of}trial {event.number + 1}/{event.total}: {value}  {params}{mark}"
    return "\n".join([line, *(f"    {problem}" for problem in trial_problem(event))])


def _short(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
