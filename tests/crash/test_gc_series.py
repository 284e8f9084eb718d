"""A short series of collections beside running pipelines; the long one is the script beside it."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("gc_series.py")


@pytest.mark.crash
@pytest.mark.slow
def test_ten_rounds_of_gc_beside_running_pipelines_take_nothing_that_is_needed():
    spec = importlib.util.spec_from_file_location("gc_series", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    gc_series = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gc_series)
    rows = gc_series.series(10, None)
    assert [row["problems"] for row in rows] == [[]] * 10
    assert sum(row["moved"] for row in rows) > 0
    assert any(row["killed"] for row in rows)
