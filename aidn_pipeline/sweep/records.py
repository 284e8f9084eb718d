"""The sweep's journal: its lines, and the state they add up to.

| kind | fields |
|---|---|
| `sweep` | `num_trials` |
| `propose` | `trial, params, lane, start, budget, to, redraws` |
| `report` | `trial, epoch, end, value, outputs, error` |
| `continue` | `trial, to` |
| `finish` | `trial, state, reason` |
| `exhausted` | |
| `gave_up` | `failures` |

A proposal is written before its trial runs and never asked for again. `sweep` and `gave_up` start
over: the same trials are proposed again, those that were done are found in the store, and only
failed ones repeat. So a sweep that was interrupted and then given another number of trials equals
one that had that number from the beginning.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.sweep.trial import Segment, Trial, TrialState


@dataclass(frozen=True, slots=True)
class SweepState:
    """Everything decided and reported so far.

    Attributes:
        num_trials: trials in all, as the sweep was begun; 0 before that.
        trials: by number.
        exhausted: every point of the space has been tried.
    """

    num_trials: int = 0
    trials: tuple[Trial, ...] = ()
    exhausted: bool = False

    def with_trial(self, trial: Trial) -> "SweepState":
        """The state with that trial added, or in the place of the one with its number."""
        at = trial.number
        return replace(self, trials=(*self.trials[:at], trial, *self.trials[at + 1 :]))


def begin(num_trials: int) -> dict[str, JSON]:
    """A sweep of that many trials begins."""
    return {"kind": "sweep", "num_trials": num_trials}


def propose(trial: Trial, *, redraws: int) -> dict[str, JSON]:
    """A new trial, about to be run."""
    return {
        "kind": "propose",
        "trial": trial.number,
        "params": dict(trial.params),
        "lane": trial.lane,
        "start": trial.start,
        "budget": trial.budget,
        "to": trial.to,
        "redraws": redraws,
    }


def report(trial: Trial, segment: Segment) -> dict[str, JSON]:
    """A segment ended."""
    return {
        "kind": "report",
        "trial": trial.number,
        "epoch": segment.epoch,
        "end": segment.end,
        "value": segment.value,
        "outputs": dict(segment.outputs),
        "error": segment.error,
    }


def proceed(trial: Trial, to: int) -> dict[str, JSON]:
    """The trial goes on to an epoch."""
    return {"kind": "continue", "trial": trial.number, "to": to}


def finish(trial: Trial, state: TrialState, reason: str = "") -> dict[str, JSON]:
    """The trial ended."""
    return {"kind": "finish", "trial": trial.number, "state": state, "reason": reason}


def exhausted() -> dict[str, JSON]:
    """No point of the space is left."""
    return {"kind": "exhausted"}


def gave_up(failures: int) -> dict[str, JSON]:
    """Too many trials failed; the next attempt starts over."""
    return {"kind": "gave_up", "failures": failures}


def apply(state: SweepState, entry: Mapping[str, Any]) -> SweepState:
    """The state after one more line; lines of other kinds change nothing."""
    match entry["kind"]:
        case "sweep":
            changed = SweepState(num_trials=entry["num_trials"])
        case "gave_up":
            changed = SweepState()
        case "exhausted":
            changed = replace(state, exhausted=True)
        case "propose":
            names = ("params", "lane", "start", "budget", "to")
            trial = Trial(number=entry["trial"], **{name: entry[name] for name in names})
            changed = state.with_trial(trial)
        case "report" | "continue" | "finish":
            changed = state.with_trial(_changed(state.trials[entry["trial"]], entry))
        case _:
            changed = state
    return changed


def _changed(trial: Trial, entry: Mapping[str, Any]) -> Trial:
    if entry["kind"] == "continue":
        return replace(trial, to=entry["to"])
    if entry["kind"] == "finish":
        return replace(trial, state=entry["state"])
    names = ("epoch", "end", "value", "outputs", "error")
    return replace(trial, segments=(*trial.segments, Segment(**{n: entry[n] for n in names})))


def fold(entries: Iterable[Mapping[str, Any]]) -> SweepState:
    """The state that the lines of a journal add up to."""
    return reduce(apply, entries, SweepState())
