"""What shipped components ask of several fields together, or of what stands inside one.

The rules are those that the components check where they run, so that a mistake is told with its
line before the first stage starts. None of them imports a component.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.core.index import ComponentSpec
from aidn_pipeline.core.objective import check_objective
from aidn_pipeline.data.shares import check_fold, check_shares
from aidn_pipeline.errors import ConfigError, ConfigProblems, FoundBeforeStart, WrongType
from aidn_pipeline.registry.gates import parse_gate
from aidn_pipeline.registry.versions import check_name

OURS = "aidn_pipeline."
Rule: TypeAlias = Callable[[Mapping[str, Any]], object]
RULES: Mapping[str, tuple[Rule, ...]] = {
    "stage/kfold": (lambda d: check_fold(d["fold"], d["folds"]),),
    "stage/register": (lambda d: check_name(d["name"] or ""), lambda d: parse_gate(d["gate"])),
    "stage/split": (lambda d: check_shares({k: d[k] for k in ("train", "validation", "test")}),),
    "stage/sweep": (lambda d: check_objective(d["objective"]),),
    "trainer/trainer": (
        lambda d: check_objective(d["monitor"], where="monitor"),
        lambda d: check_monitored(d["monitor"].get("metric"), d["metrics"]),
    ),
}
"""Each raises `ConfigError` for a complete description whose fields have their types."""

USUAL = ("accuracy", "mae", "rmse")
"""Metrics of a trainer that names none, of every task."""


def check_monitored(metric: str | None, metrics: Mapping[str, Any] | None) -> None:
    """Checks that a trainer computes what it monitors.

    Args:
        metric: that is monitored.
        metrics: of the trainer by name; None for the task's usual ones.

    Raises:
        WrongType: if nothing of that name is computed.
    """
    names = USUAL if metrics is None else tuple(metrics)
    known = ["val_loss", "train_loss", *(f"val_{name}" for name in names)]
    if metric and metric not in known:
        raise WrongType(
            f"the trainer computes no {metric!r} to monitor",
            where="monitor.metric",
            remedy=nearest(metric, known, noun="what it computes"),
        )


def broken(
    spec: ComponentSpec, description: Callable[[], Mapping[str, Any]]
) -> Iterator[FoundBeforeStart]:
    """What is wrong with a component by the rules; `where` is a path inside it.

    Args:
        spec: of the component. A project's own one of the same name has rules of its own.
        description: makes the complete description.
    """
    rules = RULES.get(spec.key, ()) if spec.module.startswith(OURS) else ()
    for rule in rules:
        try:
            rule(description())
        except ConfigProblems as several:
            yield from several.problems
        except ConfigError as problem:
            yield problem
