"""A short series of collections beside running pipelines; the long one is the script beside it."""

from pathlib import Path

import pytest
from support.series import module_of

SCRIPT = Path(__file__).with_name("gc_series.py")


@pytest.mark.crash
@pytest.mark.slow
def test_ten_rounds_of_gc_beside_running_pipelines_take_nothing_that_is_needed():
    gc_series = module_of(SCRIPT)
    rows = gc_series.series(10, None)
    assert [row["problems"] for row in rows] == [[]] * 10
    assert sum(row["moved"] for row in rows) > 0
    assert any(row["killed"] for row in rows)
