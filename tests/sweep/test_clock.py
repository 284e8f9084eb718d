"""Lanes: what a trial knows does not depend on when results arrive."""

from dataclasses import replace

import pytest

from aidn_pipeline.sweep.clock import Decide, Propose, Run, upcoming, visible
from aidn_pipeline.sweep.records import SweepState
from aidn_pipeline.sweep.trial import Segment, Trial


def simulate(lanes: int, budgets: list[int], newest_first: bool) -> dict[int, set[int]]:
    """Which finished trials each proposal sees; one segment is reported at a time."""
    state, knows = SweepState(), {}
    while step := upcoming(state, lanes=lanes, num_trials=len(budgets)):
        number = len(state.trials)
        if isinstance(step, Propose):
            history = visible(state, "min", clock=step.start, lane=step.lane)
            knows[number] = {t.number for t in history.complete}
            budget = budgets[number]
            trial = Trial(
                number=number, params={}, lane=step.lane, start=step.start, budget=budget, to=budget
            )
            state = state.with_trial(trial)
        elif isinstance(step, Run):
            trial = step.trials[-1] if newest_first else step.trials[0]
            segment = Segment(trial.to, trial.end, 0.5)
            state = state.with_trial(replace(trial, segments=(segment,)))
        else:
            assert isinstance(step, Decide)
            state = state.with_trial(replace(step.trial, state="complete"))
    return knows


@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
def test_with_equal_budgets_a_trial_sees_those_that_are_lanes_before_it(lanes: int) -> None:
    knows = simulate(lanes, [4] * 12, newest_first=False)
    assert knows == {k: set(range(max(0, k - lanes + 1))) for k in range(12)}


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_the_order_of_arrival_changes_nothing(lanes: int) -> None:
    budgets = [5, 1, 3, 2, 8, 1, 1, 4, 2, 2]
    assert simulate(lanes, budgets, False) == simulate(lanes, budgets, True)


def test_a_report_that_comes_early_is_not_seen() -> None:
    trial = Trial(number=0, params={}, lane=0, start=0, budget=9, to=9)
    early = replace(trial, segments=(Segment(9, 9, 1.0),))
    seen = visible(SweepState(trials=(early,)), "min", clock=5, lane=1)
    assert seen.trials == (trial,)
