"""The metrics of several runs of the same stages as one: their mean and how far they spread."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from aidn_pipeline.core.artifact import Metrics, Report
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.stage import Stage, StageContext, port
from aidn_pipeline.errors import DataError


@dataclass(frozen=True)
class AggregateInputs:
    """Metrics of the same names, such as those of every fold."""

    metrics: tuple[Metrics, ...] = port(MISSING, cells="cells")


@dataclass(frozen=True)
class AggregateOutputs:
    """`NAME_mean` and `NAME_std` of each metric, and the values they were made of."""

    metrics: Metrics
    report: Report


@component("stage", "aggregate")
@dataclass(frozen=True, kw_only=True)
class Aggregate(Stage[AggregateInputs, AggregateOutputs]):
    """Mean and standard deviation of metrics over the cells of a matrix.

    Attributes:
        ddof: the deviation divides by (values - ddof): 1 estimates that of further runs from these
            few, 0 is that of these values themselves. It is left out where there are not more
            values than that.
        cells: what each of the values belongs to, for the report; filled in by `stage[*].metrics`.
    """

    seeded = False
    ddof: int = setting(1, least=0, most=1)
    cells: list[Any] = setting(default_factory=list)

    def __post_init__(self) -> None:
        check_ranges(self)

    def run(self, inputs: AggregateInputs, ctx: StageContext) -> AggregateOutputs:
        """Takes the metrics that every cell has.

        Raises:
            DataError: if they have none in common, or `cells` names more or fewer.
            CorruptObject: if a byte of them is not what was stored.
        """
        found: list[Mapping[str, float]] = [ctx.load(item) for item in inputs.metrics]
        if self.cells and len(self.cells) != len(found):
            raise DataError(
                f"{len(self.cells)} cells are named, and {len(found)} metrics are wired",
                where="aggregate.cells",
                remedy="leave `cells` out, or name as many",
            )
        shared = [name for name in found[0] if all(name in values for values in found)]
        if not shared:
            raise DataError(
                "the metrics have no name in common",
                where="aggregate.metrics",
                remedy="gather the same stage: `evaluate[*].metrics`",
            )
        summary = {name: spread([v[name] for v in found], self.ddof) for name in shared}
        metrics = {
            f"{name}_{what}": value
            for name, values in summary.items()
            for what, value in values.items()
            if what in ("mean", "std")
        }
        some = sorted({name for values in found for name in values} - set(shared))
        cells: list[JSON] = [
            {"cell": self.cells[at] if self.cells else at, "metrics": dict(values)}
            for at, values in enumerate(found)
        ]
        report: dict[str, JSON] = {
            "cells": cells,
            "summary": summary,
            "ddof": self.ddof,
            "not_in_every_cell": some,
        }
        return AggregateOutputs(metrics=ctx.save(Metrics, metrics), report=ctx.save(Report, report))


def spread(values: Sequence[float], ddof: int) -> dict[str, JSON]:
    """Mean, deviation, least and most; sums are exact, so the order of values changes nothing."""
    mean = math.fsum(values) / len(values)
    found: dict[str, JSON] = {"mean": mean, "min": min(values), "max": max(values)}
    if len(values) > ddof:
        squares = math.fsum((value - mean) ** 2 for value in values)
        found["std"] = math.sqrt(squares / (len(values) - ddof))
    return found
