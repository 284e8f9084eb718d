"""The command line as a program, and a small project in which something was run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema

from support.source import ROOT

QUICK = ("recipe=digits_train", "trainer.epochs=3", "stages.register.gate.accuracy.min=0.5")
SCHEMA = json.loads((ROOT / "schemas" / "run.schema.json").read_text())


def aidn(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `aidn-run` in a fresh process."""
    return subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def last_object(stdout: str) -> dict[str, Any]:
    """The JSON object that ends stdout, checked against its schema."""
    value: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    jsonschema.validate(value, SCHEMA, cls=jsonschema.Draft202012Validator)
    return value
