"""Objectives: which metric decides, and whether small or large values of it are better."""

from collections.abc import Mapping
from typing import Any

from aidn_pipeline.errors import UnknownKey, WrongType

REMEDY = "write `{metric: val_loss, mode: min}`"


def check_objective(objective: Mapping[str, Any], *, where: str = "objective") -> None:
    """Checks that there are a metric and a mode, and nothing else.

    Args:
        objective: such as `{metric: val_loss, mode: min}`.
        where: its config path, for messages.

    Raises:
        UnknownKey: for another key.
        WrongType: if the metric is missing, or the mode is not `min` or `max`.
    """
    unknown = sorted(objective.keys() - {"metric", "mode"})
    if unknown:
        raise UnknownKey(
            f"an objective has a metric and a mode, no key {unknown[0]!r}",
            where=f"{where}.{unknown[0]}",
            remedy=REMEDY,
        )
    if not objective.get("metric"):
        raise WrongType("the objective names no metric", where=f"{where}.metric", remedy=REMEDY)
    if objective.get("mode") not in ("min", "max"):
        raise WrongType(
            f"the objective's mode is min or max, not {objective.get('mode')!r}",
            where=f"{where}.mode",
            remedy=REMEDY,
        )
