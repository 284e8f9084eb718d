"""Progress on a terminal: the plan's table, live."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from aidn_pipeline.cli.cells import called, shortened, together, values_of
from aidn_pipeline.cli.progress import RunProgress, StageProgress, detail, output, trial_problem
from aidn_pipeline.cli.text import printable, seconds
from aidn_pipeline.core.events import Event, Notice, StageOutput, StageRetried, TrialFinished

COLOURS = {"reuse": "green", "resume": "yellow", "run": "cyan", "wait": "dim", "skip": "dim"}


class LiveTable:
    """A listener that redraws the table of stages eight times a second.

    Warnings go to `err`, unless that is a terminal as well: then they stand above the table.
    """

    def __init__(self, out: TextIO, err: TextIO | None = None) -> None:
        self._err = None if err is None or err.isatty() else err
        self._progress = RunProgress()
        self._console = Console(file=out)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def on_event(self, event: Event) -> None:
        """Takes an event in; a notice is printed above the table."""
        at_work = self._progress.at_work
        of = f"{event.stage}: " if len(at_work) > 1 and event.stage in at_work else ""
        if isinstance(event, Notice) and event.level == "warning" and self._err is not None:
            print(f"{of}{event.text}", file=self._err, flush=True)
        elif isinstance(event, Notice):
            self._console.print(
                escape(f"{of}{event.text}"), style="yellow" if event.level == "warning" else ""
            )
        if isinstance(event, StageOutput):
            told = escape(printable(output(event)))
            self._console.print(told, style="dim", highlight=False)
        if isinstance(event, TrialFinished) and event.problem:
            told = ", ".join(trial_problem(event))
            self._console.print(escape(f"{of}trial {event.number + 1} failed: {told}"), style="red")
        if isinstance(event, StageRetried):
            told = f"{event.stage}: try {event.tries} of {event.most} failed: {event.problem}"
            self._console.print(escape(told), style="yellow")
        self._progress.take(event)

    def _draw(self) -> RenderableType:
        now = time.monotonic()
        title = f"run {self._progress.run}  {self._progress.recipe}" if self._progress.run else None
        drawn = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name in ("stage", "action", "time", ""):
            drawn.add_column(
                name, no_wrap=name != "", justify="right" if name == "time" else "left"
            )
        stages = dict(self._progress.stages)
        for names in together(stages, {}):
            row = _cells if len(names) > 1 else _row
            drawn.add_row(*row({name: stages[name] for name in names}, now))
        return drawn


def _row(stages: Mapping[str, StageProgress], now: float) -> tuple[str, ...]:
    ((name, stage),) = stages.items()
    return escape(name), _action(stage), _time(stage, now), escape(_note(stage, now))


def _cells(stages: Mapping[str, StageProgress], now: float) -> tuple[str, ...]:
    """One row for all cells of a stage: that of the one at work, with how many are done."""
    ended = [name for name, stage in stages.items() if stage.took_s is not None]
    at_work = [n for n, s in stages.items() if s.started is not None and s.took_s is None]
    failed = [n for n in ended if stages[n].problem and stages[n].action != "skip"]
    worked = [n for n in ended if stages[n].action not in ("reuse", "skip")]
    name = next(iter((*failed, *at_work, *worked, *ended)), next(iter(stages)))
    inside = ", ".join(f"{axis}={value}" for axis, value in values_of(name).items())
    told = [f"{len(ended)}/{len(stages)}"]
    if failed or at_work:
        told += [inside, _note(stages[name], now)]
    took = sum(stages[n].took_s or 0.0 for n in worked)
    took += sum(now - (stages[n].started or now) for n in at_work)
    note = escape("  ".join(filter(None, told)))
    return escape(called(list(stages))), _action(stages[name]), seconds(took) if took else "", note


def _action(stage: StageProgress) -> str:
    wrong = stage.problem and stage.action != "skip"
    return f"[{'red' if wrong else COLOURS.get(stage.action, 'dim')}]{stage.action or '·'}[/]"


def _time(stage: StageProgress, now: float) -> str:
    if stage.took_s is not None:
        return "" if stage.action in ("reuse", "skip") else seconds(stage.took_s)
    return seconds(now - stage.started) if stage.started is not None else ""


def _note(stage: StageProgress, now: float) -> str:
    if stage.problem:
        return shortened(stage.problem)
    if stage.took_s is not None:
        # The last figures stay; a time left and a rate are over.
        stage = StageProgress(
            trials=stage.trials, best=stage.best, units=stage.units, figures=stage.figures
        )
        return detail(stage, now)
    return detail(stage, now) or (shortened(stage.reason) if stage.started is not None else "")
