"""A few power cuts; the long series is the script beside this file."""

from pathlib import Path
from types import ModuleType

import pytest
from support.drive import missing
from support.series import module_of
from support.toys import INDEX, pipeline, stage

from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.store import Store

SCRIPT = Path(__file__).with_name("power_series.py")
CUTS = 8


@pytest.fixture(scope="module")
def power_series() -> ModuleType:
    return module_of(SCRIPT)


@pytest.fixture(params=["ext4", "xfs"], scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    if why := missing(request.param):
        pytest.skip(why)
    return request.param


@pytest.mark.crash
@pytest.mark.slow
def test_a_power_cut_at_a_random_moment_loses_nothing_that_was_acknowledged(kind, power_series):
    one = power_series.Series(kind)
    rows = power_series.series(one, power_series.at_random(CUTS, seed=1), None)
    assert [(row["lost"], row["problems"]) for row in rows] == [([], [])] * CUTS
    assert any(row["acknowledged"] for row in rows)


@pytest.mark.crash
@pytest.mark.slow
def test_a_power_cut_at_any_call_loses_nothing_that_was_acknowledged(kind, power_series):
    one = power_series.Series(kind)
    cuts = power_series.at_every_call(one, 199)
    rows = power_series.series(one, cuts, None)
    assert [(row["lost"], row["problems"]) for row in rows] == [([], [])] * len(cuts)


@pytest.mark.crash
@pytest.mark.slow
def test_a_store_that_flushes_nothing_loses_what_it_acknowledged(kind, power_series):
    one = power_series.Series(kind, durable=False)
    rows = power_series.series(one, power_series.at_random(CUTS, seed=1), None)
    assert sum(bool(row["lost"] or row["problems"]) for row in rows) >= CUTS // 2


def test_points_are_flushed_before_the_checkpoint_behind_them(tmp_path):
    class Noting(Disk):
        def before(self, call, path):
            calls.append(f"{call} {path.suffix}")

    calls: list[str] = []
    spec = pipeline(
        stage("start", "write"), stage("count", "count", {"file": "start.file"}, steps=2)
    )
    with Store.open(tmp_path / "s", disk=Noting()) as store:
        assert run_pipeline(spec, store, INDEX, tmp_path).status == "done"
    logged = [n for n, call in enumerate(calls) if call == "append .seg"]
    for point in logged[1:]:  # the first is the segment's header
        rest = calls[point:]
        # The checkpoint's files are `value`, without an ending; its line is in a `.log`.
        assert rest.index("sync .seg") < rest.index("append .log")
