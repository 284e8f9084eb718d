"""When to stop before the last epoch."""

import math
from dataclasses import dataclass

from aidn_pipeline.core.component import component


def better(value: float, than: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether `value` beats `than` by more than `min_delta`.

    NaN never does; anything finite beats None.

    Args:
        value: the newcomer.
        than: the best so far.
        mode: `min` or `max`.
        min_delta: what counts as no change.
    """
    if not math.isfinite(value):
        return False
    if than is None:
        return True
    return value < than - min_delta if mode == "min" else value > than + min_delta


@dataclass(slots=True)
class Patience:
    """How long nothing got better.

    Attributes:
        best: the monitored value that counted last.
        waited: epochs since.
    """

    best: float | None = None
    waited: int = 0


@component("early_stop", "patience")
@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """Stops when the monitored metric has not improved for `patience` epochs.

    Source: L. Prechelt, "Early stopping: but when?" (1998), criterion UP.

    Attributes:
        patience: epochs without improvement.
        min_delta: improvements up to this size do not count, in units of the metric.
    """

    patience: int = 10
    min_delta: float = 0.0

    def update(self, state: Patience, value: float, mode: str) -> bool:
        """Takes one epoch's value in; True once the patience is at its end."""
        if better(value, state.best, mode, self.min_delta):
            state.best, state.waited = value, 0
        else:
            state.waited += 1
        return state.waited >= self.patience
