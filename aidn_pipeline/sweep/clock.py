"""Lanes and a logical clock: which decision comes next, and what it may see. Pure.

A lane runs one trial at a time; its clock advances by the epochs of each segment. Decisions are
taken in the order of (clock, lane), and a decision at (T, lane) sees exactly the segments whose
(end, lane) is not later. Speed and number of workers change nothing. With equal budgets trial k
sees the results of the trials 0 ... k - lanes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from aidn_pipeline.sweep.records import SweepState
from aidn_pipeline.sweep.trial import History, Mode, Trial


@dataclass(frozen=True, slots=True)
class Decide:
    """The lane's trial has reported: does it go on?"""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Propose:
    """The lane is free from `start` on: a new trial begins."""

    lane: int
    start: int


@dataclass(frozen=True, slots=True)
class Run:
    """No decision can be taken before the first of these trials' segments ends."""

    trials: tuple[Trial, ...]


def upcoming(state: SweepState, *, lanes: int, num_trials: int) -> Decide | Propose | Run | None:
    """What comes next; None when the sweep is over."""
    newest: dict[int, Trial] = {}
    for trial in state.trials:
        newest[trial.lane] = trial
    may_propose = len(state.trials) < num_trials and not state.exhausted
    waiting: list[tuple[int, int]] = []
    for lane in range(lanes):
        last = newest.get(lane)
        if (last is not None and last.state == "running") or may_propose:
            waiting.append((last.end if last else 0, lane))
    if not waiting:
        return None
    clock, lane = min(waiting)
    last = newest.get(lane)
    if last is None or last.state != "running":
        return Propose(lane, clock)
    if last.reported:
        return Decide(last)
    return Run(unreported(state.trials))


def unreported(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Trials whose issued segment has not ended, in the order of their logical ends."""
    open_trials = [t for t in trials if t.state == "running" and not t.reported]
    return tuple(sorted(open_trials, key=lambda t: (t.end, t.lane)))


def visible(state: SweepState, mode: Mode, *, clock: int, lane: int) -> History:
    """What a decision of `lane` at `clock` may know.

    Only reports can come early: decisions are taken in order, so every state and every issued
    segment was decided at or before this moment.
    """
    trials = (
        replace(t, segments=tuple(s for s in t.segments if (s.end, t.lane) <= (clock, lane)))
        for t in state.trials
    )
    return History(mode, tuple(trials))
