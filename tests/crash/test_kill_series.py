"""A short kill series, and that it would find what is wrong; the long one is the script beside."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.source import ROOT

SCRIPT = Path(__file__).with_name("kill_series.py")
pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


def series(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Runs the script in a process of its own: it adopts orphans, which a test runner must not."""
    results = folder / "kills.jsonl"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--results", str(results), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in results.read_text().splitlines()]


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
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--calibrate"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout + done.stderr
