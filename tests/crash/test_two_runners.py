"""A few rounds of two runners at once; the long series is the script beside this file."""

from pathlib import Path

import pytest
from support.series import Rows, run_script

SCRIPT = Path(__file__).with_name("two_runners.py")


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_two_runners_at_once_do_everything_once_and_name_whom_they_wait_for(tmp_path):
    results = tmp_path / "runners.jsonl"
    run_script(SCRIPT, "--rounds", "12", "--results", str(results))
    rows = Rows(results)
    assert {"together", "wakes", "killed"} <= {row["kind"] for row in rows}
    assert all(row["waited"] for row in rows if row["kind"] in ("wakes", "killed"))
