"""What a trial scheduler keeps to."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aidn_pipeline.core.describe import describe
from aidn_pipeline.sweep.protocols import Continue, NewTrial, Stop
from aidn_pipeline.sweep.trial import History, Trial
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.histories import BUDGET, SPACES, history_of
from aidn_pipeline.testing.watch import elsewhere

SPACE = SPACES["everything"]


class TrialSchedulerSuite(ComponentSuite):
    """A trial scheduler is a pure function of (trial, history, rng), like a sampler.

    class TestHalving(TrialSchedulerSuite):
        make = staticmethod(lambda: Halving(factor=3))
    """

    group = "trial_scheduler"

    def test_equal_arguments_give_equal_decisions(self, tmp_path: Path) -> None:
        """Of another instance, later, whatever it was asked before and global generators say."""
        answers = []
        for number in (1, 2):
            scheduler = self.subject.build()
            asked = list(_asked())
            with elsewhere(number, tmp_path):
                found = [
                    _decide(scheduler, trial, history)
                    for trial, history in (asked if number == 1 else asked[::-1])
                ]
            answers.append(found if number == 1 else found[::-1])
        odd = next((i for i, (a, b) in enumerate(zip(*answers, strict=True)) if a != b), None)
        hold(
            odd is None,
            f"{answers[0][odd or 0]} becomes {answers[1][odd or 0]} when it is asked again",
            where=self.subject.where,
            remedy="keep nothing between calls, and draw from `rng` alone",
        )

    def test_a_free_lane_gets_a_trial(self) -> None:
        """`first` gives NewTrial, up to an epoch or for its whole budget."""
        for _, history in _asked():
            found = self.subject.build().first(history, np.random.default_rng(0))
            hold(
                isinstance(found, NewTrial) and _is_epoch(found.to, after=0),
                f"a free lane gets {found!r}",
                where=self.subject.where,
                remedy="return NewTrial() or NewTrial(to) with `to` of at least 1",
            )

    def test_a_trial_goes_forward_or_ends(self) -> None:
        """`decide` gives Continue to a later epoch, or Stop with its reason."""
        for trial, history in _asked():
            found = _decide(self.subject.build(), trial, history)
            forward = isinstance(found, Continue) and _is_epoch(found.to, after=trial.epochs)
            hold(
                forward or (isinstance(found, Stop) and bool(found.reason)),
                f"a trial at epoch {trial.epochs} gets {found!r}",
                where=self.subject.where,
                remedy="return Continue(to) with `to` beyond `trial.epochs`, or Stop(reason)",
            )

    def test_the_best_trial_is_not_stopped(self) -> None:
        """One that is better than every other at every epoch gets its budget, in either mode."""
        for mode, value in (("min", -9.0), ("max", 9.0)):
            history = history_of(SPACE, 40, mode="min" if mode == "min" else "max")
            for trial in _at_every_epoch(history, value):
                found = _decide(self.subject.build(), trial, history)
                hold(
                    not isinstance(found, Stop),
                    f"mode {mode}: the best trial is stopped at epoch {trial.epochs}: {found!r}",
                    where=self.subject.where,
                    remedy="`history.mode` says whether small or large values are good",
                )

    def test_it_changes_neither_history_nor_trial_nor_itself(self) -> None:
        """They are shared with the sampler, and with the next call."""
        for trial, history in _asked():
            scheduler = self.subject.build()
            before = repr((trial, history, describe(scheduler)))
            _decide(scheduler, trial, history)
            scheduler.first(history, np.random.default_rng(0))
            hold(
                before == repr((trial, history, describe(scheduler))),
                "it changes what it is handed, or itself",
                where=self.subject.where,
                remedy="copy a mapping before changing it: `dict(trial.params)`",
            )


def _decide(scheduler: Any, trial: Trial, history: History) -> Any:
    return scheduler.decide(trial, history, np.random.default_rng(11))


def _is_epoch(to: object, *, after: int) -> bool:
    return to is None or (type(to) is int and to > after)


def _asked() -> Iterator[tuple[Trial, History]]:
    """A trial below its budget with every history it may meet."""
    for mode in ("min", "max"):
        for number in (1, 3, 12, 40):
            history = history_of(SPACE, number, mode="min" if mode == "min" else "max")
            for value in (-9.0, 0.5, 9.0):
                for trial in _at_every_epoch(history, value):
                    yield trial, history


def _at_every_epoch(history: History, value: float) -> Iterator[Trial]:
    last = history_of(SPACE, len(history.trials) + 1, kind="complete").trials[-1]
    for epoch in range(1, BUDGET):
        segments = tuple(replace(s, value=value) for s in last.segments[:epoch])
        yield replace(last, state="running", to=epoch, segments=segments)
