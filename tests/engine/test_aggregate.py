"""The metrics of several cells as one."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training import INDEX

from aidn_pipeline.core.artifact import Metrics
from aidn_pipeline.errors import DataError, WrongType
from aidn_pipeline.stages.aggregate import Aggregate, AggregateInputs, AggregateOutputs, spread
from aidn_pipeline.testing.context import Bench

FOLDS = ({"accuracy": 0.5, "loss": 2.0}, {"accuracy": 1.0, "loss": 1.0})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, INDEX) as opened:
        yield opened


def aggregated(
    bench: Bench, values: Sequence[Mapping[str, float]], **fields: Any
) -> tuple[dict[str, float], dict[str, Any]]:
    context = bench.context("aggregate")
    wired = AggregateInputs(tuple(context.save(Metrics, dict(v)) for v in values))
    out: AggregateOutputs = Aggregate(**fields).run(wired, context)
    report = json.loads(context.files(out.report)[""].read_bytes())
    return context.load(out.metrics), report


def test_each_metric_has_its_mean_and_its_deviation(bench):
    metrics, _ = aggregated(bench, FOLDS)
    assert metrics["accuracy_mean"] == 0.75
    assert metrics["accuracy_std"] == pytest.approx(statistics.stdev([0.5, 1.0]))
    assert set(metrics) == {"accuracy_mean", "accuracy_std", "loss_mean", "loss_std"}


def test_without_a_correction_the_deviation_is_that_of_the_values_themselves(bench):
    metrics, _ = aggregated(bench, FOLDS, ddof=0)
    assert metrics["accuracy_std"] == pytest.approx(statistics.pstdev([0.5, 1.0]))


def test_one_value_has_a_mean_and_no_deviation(bench):
    assert aggregated(bench, FOLDS[:1])[0] == {"accuracy_mean": 0.5, "loss_mean": 2.0}


def test_the_report_has_every_cell_with_its_values(bench):
    cells = [{"fold": 0}, {"fold": 1}]
    _, report = aggregated(bench, FOLDS, cells=cells)
    assert [c["cell"] for c in report["cells"]] == cells
    assert [c["metrics"] for c in report["cells"]] == list(FOLDS)
    assert report["summary"]["loss"]["max"] == 2.0
    assert report["ddof"] == 1


def test_a_metric_that_some_cells_lack_is_named_and_not_averaged(bench):
    metrics, report = aggregated(bench, [*FOLDS, {"accuracy": 0.0}])
    assert "loss_mean" not in metrics
    assert report["not_in_every_cell"] == ["loss"]


def test_metrics_with_nothing_in_common_are_refused(bench):
    with pytest.raises(DataError, match="no name in common"):
        aggregated(bench, [{"a": 1.0}, {"b": 1.0}])


def test_as_many_cells_are_named_as_there_are(bench):
    with pytest.raises(DataError, match="1 cells are named, and 2 metrics"):
        aggregated(bench, FOLDS, cells=[{"fold": 0}])


def test_a_deviation_is_corrected_by_at_most_one():
    with pytest.raises(WrongType, match="ddof is 2"):
        Aggregate(ddof=2)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.randoms())
def test_mean_and_deviation_are_those_of_the_library_in_any_order(values, random):
    found = spread(values, 1)
    assert found["mean"] == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert found["std"] == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)
    shuffled = list(values)
    random.shuffle(shuffled)
    assert spread(shuffled, 1) == found
