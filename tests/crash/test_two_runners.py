"""A few rounds of two runners at once; the long series is the script beside this file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.source import ROOT

SCRIPT = Path(__file__).with_name("two_runners.py")


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_two_runners_at_once_do_everything_once_and_name_whom_they_wait_for(tmp_path):
    results = tmp_path / "runners.jsonl"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--rounds", "12", "--results", str(results)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert {"together", "wakes", "killed"} <= {row["kind"] for row in rows}
    assert all(row["waited"] for row in rows if row["kind"] in ("wakes", "killed"))
