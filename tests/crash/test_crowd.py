"""A crowd on one store for a few seconds; the long one is the script beside this file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.source import ROOT

SCRIPT = Path(__file__).with_name("crowd.py")


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_eight_processes_on_one_store_with_kills_among_them_leave_it_whole():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seconds", "15"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout + done.stderr
