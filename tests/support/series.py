"""Long series of faults: their rows, and the scripts that make them, as tests call them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from support.source import ROOT


class Rows(list[dict[str, Any]]):
    """What a series found so far: kept in a file, so that the same command goes on behind it.

    Args:
        file: JSON lines, made by the first row; without one the rows are only here.
    """

    def __init__(self, file: Path | None) -> None:
        lines = file.read_text().splitlines() if file and file.exists() else []
        super().__init__(json.loads(line) for line in lines)
        self._file = file

    def add(self, row: dict[str, Any]) -> None:
        """Keeps one more."""
        self.append(row)
        if self._file:
            with self._file.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def known(self, key: str) -> set[Any]:
        """Under which values of a key there are rows."""
        return {row[key] for row in self}


def run_script(script: Path, *arguments: str, timeout_s: float = 880) -> None:
    """Runs a series as a person does, in a process of its own: it adopts orphans and kills.

    Raises:
        AssertionError: if it found anything bad, with all that it said.
    """
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def module_of(script: Path) -> ModuleType:
    """A script as a module, for its functions."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Frozen values look their module up while they are made.
    sys.modules[script.stem] = module
    spec.loader.exec_module(module)
    return module
