"""Dangerous strings in recipes and arguments: none is imported, executed, or leads out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import dangerous

ROOT = Path(__file__).resolve().parents[2]


def tried(*arguments: str) -> dict[str, Any]:
    """What the script tells; in a process of its own, since an audit hook stays."""
    done = subprocess.run(
        [sys.executable, dangerous.__file__, *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_no_dangerous_string_is_resolved_imported_executed_or_leads_out() -> None:
    answer = tried()
    assert answer["seen"] == []
    assert answer["wrong"] == []
    assert (answer["imported"], answer["touched"]) == (False, False)
    assert answer["strings"] >= 300
    assert answer["refused"] + answer["texts"] == answer["cases"]


@pytest.mark.parametrize("act", list(dangerous.PLANTED))
def test_what_must_not_happen_is_seen(planted: list[str], act: str) -> None:
    assert [line for line in planted if line.endswith(f" for {act!r}")]


@pytest.fixture(scope="module")
def planted() -> list[str]:
    """What the hook sees of a resolver that runs code."""
    seen: list[str] = tried("--planted")["seen"]
    return seen
