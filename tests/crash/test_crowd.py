"""A crowd on one store for a few seconds; the long one is the script beside this file."""

from pathlib import Path

import pytest
from support.series import run_script

SCRIPT = Path(__file__).with_name("crowd.py")


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_eight_processes_on_one_store_with_kills_among_them_leave_it_whole():
    run_script(SCRIPT, "--seconds", "15")
