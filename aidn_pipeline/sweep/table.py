"""The trial table: what a sweep found, with nothing a clock or a host decides."""

from typing import Any

from aidn_pipeline.sweep.records import SweepState
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import Mode, Trial, best_of

FORMAT = 1


def trial_table(state: SweepState, *, metric: str, mode: Mode, space: Space) -> dict[str, Any]:
    """One row for each trial, as JSON."""
    best = best_of(state.trials, mode)
    return {
        "format": FORMAT,
        "objective": {"metric": metric, "mode": mode},
        "space": space.to_json(),
        "best": None if best is None else best.number,
        "exhausted": state.exhausted,
        "trials": [_row(trial) for trial in state.trials],
    }


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "params": dict(trial.params),
        "value": trial.value,
        "epochs": trial.epochs,
        "budget": trial.budget,
        "lane": trial.lane,
        "start": trial.start,
        # The kind of error only: its text may name places on this machine.
        "error": trial.error.partition(":")[0],
        "curve": [[segment.epoch, segment.value] for segment in trial.segments],
    }
