"""A short kill series, and that it would find what is wrong; the long one is the script beside."""

from pathlib import Path
from typing import Any

import pytest
from support.series import Rows, run_script

SCRIPT = Path(__file__).with_name("kill_series.py")
pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


def series(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Runs the script in a process of its own: it adopts orphans, which a test runner must not."""
    results = folder / "kills.jsonl"
    run_script(SCRIPT, "--results", str(results), *arguments)
    return Rows(results)


def test_fifty_kills_of_a_recipe_without_a_model_end_as_if_nothing_had_happened(tmp_path):
    rows = series(tmp_path, "--kills", "50", "--only", "small")
    assert sum(any(row["hits"]) for row in rows) == 50
    assert sum(row["acknowledged"] for row in rows) > 0


@pytest.mark.slow
def test_four_kills_of_a_search_with_trainings_end_as_if_nothing_had_happened(tmp_path):
    rows = series(tmp_path, "--kills", "4", "--only", "digits")
    assert sum(any(row["hits"]) for row in rows) == 4


@pytest.mark.slow
def test_every_planted_fault_is_found(tmp_path):
    run_script(SCRIPT, "--calibrate")
