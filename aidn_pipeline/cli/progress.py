"""Where a run is: the fold of its events, drawn by whoever shows it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aidn_pipeline.cli.text import number, seconds, size
from aidn_pipeline.core.events import (
    Event,
    Progress,
    RunFinished,
    RunStarted,
    StageFinished,
    StageOutput,
    StageRetried,
    StageStarted,
    StageWaiting,
    TrialFinished,
)


@dataclass(slots=True)
class StageProgress:
    """One stage as far as it got.

    Attributes:
        action: empty until it is looked at.
        reason: why it is run.
        started: on the clock; None until it is run.
        took_s: seconds, once it ended.
        problem: what stopped it.
        trials: trials that ended, and all of them.
        best: the best trial's value.
        units: newest progress inside: done, total, unit.
        since: clock and count at the first unit seen here, for the rate.
        figures: newest figures beside it.
        holder: another process that does the same work.
        tries: tries that failed, and how many there may be.
    """

    action: str = ""
    reason: str = ""
    started: float | None = None
    took_s: float | None = None
    problem: str = ""
    trials: tuple[int, int] | None = None
    fresh_trials: int = 0
    best: float | None = None
    units: tuple[int, int, str] | None = None
    since: tuple[float, int] | None = None
    figures: dict[str, float] = field(default_factory=dict)
    holder: str = ""
    tries: tuple[int, int] | None = None


@dataclass(slots=True)
class RunProgress:
    """A run as far as it got.

    Attributes:
        run: its id.
        recipe: its name.
        stages: in the order they are looked at.
        current: the stage that is run now.
        status: empty until the run ended.
        clock: gives seconds.
    """

    clock: Callable[[], float] = time.monotonic
    run: str = ""
    recipe: str = ""
    stages: dict[str, StageProgress] = field(default_factory=dict)
    current: str = ""
    status: str = ""

    def take(self, event: Event) -> None:
        """Takes an event in."""
        match event:
            case RunStarted():
                self.run, self.recipe = event.run, event.recipe
                self.stages = {name: StageProgress() for name in event.stages}
            case StageStarted():
                self.current = event.stage
                stage = self.stages.setdefault(event.stage, StageProgress())
                stage.action, stage.reason, stage.started = event.action, event.reason, self.clock()
            case StageFinished():
                stage = self.stages.setdefault(event.stage, StageProgress())
                stage.action, stage.took_s, stage.problem = (
                    event.action,
                    event.seconds,
                    event.problem,
                )
            case StageRetried():
                stage = self.stages.setdefault(event.stage, StageProgress())
                stage.tries = (event.tries, event.most)
                stage.units, stage.since, stage.trials = None, None, None
            case StageWaiting() | TrialFinished() | Progress():
                self._inside(event)
            case RunFinished():
                self.status = event.status
            case _:
                pass

    @property
    def at_work(self) -> list[str]:
        """Stages that run now."""
        return [n for n, s in self.stages.items() if s.started is not None and s.took_s is None]

    def belongs_to(self, event: Event) -> str:
        """The stage that an event is about; what names none is of the one started last."""
        return event.stage if event.stage in self.stages else self.current

    def _inside(self, event: StageWaiting | TrialFinished | Progress) -> None:
        # What a trial reports belongs to the stage that runs it.
        stage = self.stages.setdefault(self.belongs_to(event), StageProgress())
        match event:
            case StageWaiting():
                stage.holder = event.holder
            case TrialFinished():
                ended = stage.trials[0] if stage.trials else 0
                stage.trials = (ended + 1, event.total)
                stage.fresh_trials += not event.reused
                stage.best = event.value if event.best else stage.best
            case Progress():
                before = stage.units
                stage.units = (event.done, event.total, event.unit)
                stage.figures, stage.holder = dict(event.values), ""
                if stage.since is None or (before is not None and event.done < before[0]):
                    stage.since = (self.clock(), event.done)


def output(event: StageOutput) -> str:
    """What a stage printed, each line with the stage's name; its log has what is left out."""
    head = [f"... {size(event.left_out)} more ..."] if event.left_out else []
    return "\n".join(f"{event.stage} | {line}" for line in (*head, *event.lines))


def trial_problem(event: TrialFinished) -> list[str]:
    """Why a trial failed: the first line of its error, and where in its training it was."""
    first, *rest = event.problem.splitlines() or [""]
    at = next((n for n, line in enumerate(rest) if line.startswith("raised in ")), len(rest))
    return [line for line in (first, *rest[at:]) if line]


def detail(stage: StageProgress, now: float) -> str:
    """What a running stage does now: trials, epochs, figures, rate, time left."""
    if stage.holder:
        return f"waits for {stage.holder}"
    parts: list[str] = []
    if stage.tries and stage.took_s is None:
        parts.append(f"try {stage.tries[0] + 1}/{stage.tries[1]}")
    if stage.trials:
        parts.append(f"trial {stage.trials[0]}/{stage.trials[1]}")
        if stage.best is not None:
            parts.append(f"best {number(stage.best)}")
    if stage.units:
        done, total, unit = stage.units
        parts.append(f"{unit} {done}/{total}")
        parts += [f"{name} {number(value)}" for name, value in list(stage.figures.items())[:3]]
    rate = unit_rate(stage, now)
    if rate and stage.units and not stage.trials:
        parts.append(f"{number(rate)} {stage.units[2]}s/s")
    left = time_left(stage, now)
    if left is not None:
        parts.append(f"{seconds(left)} left")
    return "  ".join(parts)


def unit_rate(stage: StageProgress, now: float) -> float | None:
    """Units a second since the first one seen; None until there are two."""
    if stage.units is None or stage.since is None:
        return None
    passed, count = now - stage.since[0], stage.units[0] - stage.since[1]
    return count / passed if passed > 0 and count > 0 else None


def time_left(stage: StageProgress, now: float) -> float | None:
    """Seconds that are left at the rate so far: of the trials, else of the epochs."""
    if stage.trials and stage.started is not None:
        ended, total = stage.trials
        passed = now - stage.started
        return passed / stage.fresh_trials * (total - ended) if stage.fresh_trials else None
    rate = unit_rate(stage, now)
    if rate is None or stage.units is None:
        return None
    return (stage.units[1] - stage.units[0]) / rate
