"""The driver of a sweep: fold the journal, decide, write it down, run what the decision needs.

State changes only by journal lines, so a kill at any moment loses at most the trial at hand, and
the same command asks sampler and scheduler again with the same history, number and seed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.stage import Journal
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.sweep import records
from aidn_pipeline.sweep.clock import Decide, Propose, Run, upcoming, visible
from aidn_pipeline.sweep.protocols import Sampler, Stop, TrialScheduler
from aidn_pipeline.sweep.records import SweepState
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import Failure, History, Mode, Segment, Trial, params_key

PLACE = "\nraised in "
"""Begins where in its training a trial failed, behind the error."""
SHOWN = 3
"""Distinct errors that are told of."""
REDRAWS = 8
"""Draws after a duplicate before a point without a trial is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What decides the trials.

    Attributes:
        space: what is searched.
        sampler: proposes params.
        scheduler: decides how far trials go.
        mode: whether small or large values are good.
        num_trials: trials in all.
        lanes: trials in flight; part of the result.
        max_failures: failed trials that are put up with.
    """

    space: Space
    sampler: Sampler
    scheduler: TrialScheduler
    mode: Mode
    num_trials: int
    lanes: int
    max_failures: int


class TrialRunner(Protocol):
    """Trains trials."""

    @property
    def failure(self) -> Failure | None:
        """Of the trial that failed last; None if none did."""
        ...

    def budget(self, params: Mapping[str, JSON]) -> int:
        """Epochs of a whole trial with these params."""
        ...

    def run(self, trials: Sequence[Trial]) -> Iterator[Segment]:
        """Runs each trial up to its `to`; results in the order of the trials."""
        ...


class Driver:
    """Runs one sweep.

    Attributes:
        state: the fold of everything that is in the journal.
    """

    def __init__(
        self,
        sweep: Sweep,
        *,
        journal: Journal,
        runner: TrialRunner,
        derive_seed: Callable[..., int],
        tell: Callable[[Trial, SweepState], None],
    ) -> None:
        """Folds the journal.

        Args:
            sweep: what decides the trials.
            journal: of the sweep's work; lines of other kinds are passed over.
            runner: trains trials.
            derive_seed: a seed for one purpose.
            tell: called with each trial that ends, and the state then.
        """
        self._sweep = sweep
        self._journal = journal
        self._runner = runner
        self._derive_seed = derive_seed
        self._tell = tell
        self.state = records.fold(journal.entries())
        if self.state.num_trials != sweep.num_trials:
            self._write(records.begin(sweep.num_trials))

    def run(self) -> SweepState:
        """Goes on until every trial has ended.

        Raises:
            StageFailed: if too many trials failed; the next attempt runs the failed ones again.
        """
        sweep = self._sweep
        while step := upcoming(self.state, lanes=sweep.lanes, num_trials=sweep.num_trials):
            if isinstance(step, Run):
                for trial, segment in zip(step.trials, self._runner.run(step.trials), strict=True):
                    self._write(records.report(trial, segment))
                    self._tell_if_ended(trial.number)
            elif isinstance(step, Propose):
                self._propose(step)
            else:
                self._decide(step)
        return self.state

    def _write(self, entry: Mapping[str, JSON]) -> None:
        self._journal.append(entry)
        self.state = records.apply(self.state, entry)

    def _tell_if_ended(self, number: int) -> None:
        trial = self.state.trials[number]
        if trial.ended:
            self._tell(trial, self.state)

    def _rng(self, number: int, *purpose: str | int) -> np.random.Generator:
        return np.random.default_rng(self._derive_seed("trial", number, *purpose))

    def _propose(self, step: Propose) -> None:
        number = len(self.state.trials)
        history = visible(self.state, self._sweep.mode, clock=step.start, lane=step.lane)
        params, redraws = self._draw(number, history)
        if params is None:
            self._write(records.exhausted())
            return
        first = self._sweep.scheduler.first(history, self._rng(number, "first"))
        budget = self._runner.budget(params)
        trial = Trial(
            number=number,
            params=params,
            lane=step.lane,
            start=step.start,
            budget=budget,
            to=budget if first.to is None else min(first.to, budget),
        )
        self._write(records.propose(trial, redraws=redraws))

    def _draw(self, number: int, history: History) -> tuple[Mapping[str, JSON] | None, int]:
        """Params that no trial has had, and how many draws were duplicates."""
        space = self._sweep.space
        keys = {params_key(t.params) for t in self.state.trials}
        for redraw in range(REDRAWS + 1):
            purpose = ("redraw", redraw) if redraw else ("propose",)
            params = self._sweep.sampler.propose(space, history, self._rng(number, *purpose))
            if params is None or params_key(params) not in keys:
                return params, redraw
        return _unseen(space, keys, self._rng(number, "unseen")), REDRAWS

    def _decide(self, step: Decide) -> None:
        trial = step.trial
        if trial.value is None:
            self._write(records.finish(trial, "failed", trial.error))
            self._check_failures()
            return
        if trial.ended:
            self._write(records.finish(trial, "complete"))
            return
        history = visible(self.state, self._sweep.mode, clock=trial.end, lane=trial.lane)
        rng = self._rng(trial.number, "decide", trial.epochs)
        decision = self._sweep.scheduler.decide(trial, history, rng)
        if isinstance(decision, Stop):
            self._write(records.finish(trial, "stopped", decision.reason))
            self._tell(self.state.trials[trial.number], self.state)
            return
        to = trial.budget if decision.to is None else min(decision.to, trial.budget)
        self._write(records.proceed(trial, max(to, trial.epochs + 1)))

    def _check_failures(self) -> None:
        failed = [t for t in self.state.trials if t.state == "failed"]
        if len(failed) > self._sweep.max_failures:
            self._journal.append(records.gave_up(len(failed)))
            # Those that ended since the last decision are told of too.
            failed = [t for t in self.state.trials if t.error]
            failure = self._runner.failure
            raise StageFailed(
                f"{len(failed)} of {len(self.state.trials)} trials failed: {errors_of(failed)}",
                where=failure.where if failure else "max_failures",
                remedy="correct the cause and run the same command again: failed trials run anew; "
                "`max_failures` says how many are put up with",
            ) from (failure.error if failure else None)


def errors_of(failed: Sequence[Trial]) -> str:
    """The distinct errors with their counts, the commonest first; of many the first few."""
    counts = Counter(trial.error.partition(PLACE)[0] for trial in failed).most_common()
    shown = [f"{count}x {text}" for text, count in counts[:SHOWN]]
    others = sum(count for _, count in counts[SHOWN:])
    return "; ".join([*shown, *([f"{others} others"] if others else [])])


def _unseen(space: Space, keys: set[bytes], rng: np.random.Generator) -> Mapping[str, Any] | None:
    """A point that no trial has had, None if there is none left."""
    size = space.size
    if size is None:
        return space.sample(rng)
    start = int(rng.integers(size)) if size < 2**63 else 0
    # Among one more points than there are keys, at least one is new.
    points = (space.point((start + i) % size) for i in range(min(size, len(keys) + 1)))
    return next((point for point in points if params_key(point) not in keys), None)
