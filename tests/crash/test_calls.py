"""A few of all mutating file calls are hit; the whole series is the script beside this file."""

from pathlib import Path
from typing import Any

import pytest
from support.faultfs import missing
from support.series import Rows, run_script

SCRIPT = Path(__file__).with_name("call_series.py")

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=missing() or "the library can be built"),
]


def hit(results: Path, *arguments: str) -> list[dict[str, Any]]:
    """Rows of a series that was run as a person does it: it starts itself with the library."""
    run_script(SCRIPT, "--results", str(results), *arguments, timeout_s=280)
    rows = Rows(results)
    assert rows
    return rows


@pytest.mark.parametrize("fault", ["kill", "torn"])
def test_a_kill_at_any_call_of_a_run_with_cells_loses_nothing(fault, tmp_path):
    rows = hit(
        tmp_path / "rows",
        "--scenario",
        "wide",
        "--executor",
        "processes",
        "--fault",
        fault,
        "--stride",
        "151",
    )
    # A call that writes nothing cannot be torn.
    assert sum(row["fired"] for row in rows) >= len(rows) // 2


@pytest.mark.parametrize("sticky", [[], ["--sticky"]])
@pytest.mark.parametrize("scenario", ["fresh", "upkeep", "mending"])
def test_a_failing_call_is_named_and_the_same_again_goes_on(scenario, sticky, tmp_path):
    faults = ["--fault", "enospc", "--fault", "eio"]
    rows = hit(tmp_path / "rows", "--scenario", scenario, *faults, *sticky, "--stride", "97")
    assert any(row["status"] for row in rows)


def test_a_failing_call_of_a_command_is_said_in_full(tmp_path):
    faults = ["--fault", "edquot", "--fault", "kill"]
    rows = hit(tmp_path / "rows", "--scenario", "command", *faults, "--stride", "130")
    assert any(row["status"] for row in rows)
