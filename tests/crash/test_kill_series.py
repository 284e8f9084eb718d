"""A short kill series over the digits recipe; the long one is the script beside this file."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill_series.py")


@pytest.mark.crash
@pytest.mark.slow
def test_five_kills_end_as_if_nothing_had_happened():
    spec = importlib.util.spec_from_file_location("kill_series", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    kill_series = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kill_series)
    rows = kill_series.series(["recipe=digits", "stages.tune.num_trials=4"], 5, None)
    assert [row["differing"] for row in rows] == [[]] * 5
    assert any(any(row["hits"]) for row in rows)
