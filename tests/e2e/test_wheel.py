"""The wheel: everything that is shipped is in it, and it runs where there is no checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.command import QUICK, last_object
from support.source import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_the_wheel_holds_every_recipe_and_config_and_runs_from_an_empty_folder(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    shipped = {
        f"aidn_pipeline/_data/{path.relative_to(ROOT).as_posix()}"
        for kind in ("conf", "recipes", "schemas")
        for path in (ROOT / kind).rglob("*")
        if path.is_file()
    }
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "aidn_pipeline").rglob("*")
        if path.suffix in {".py", ".pyi", ".parquet", ".typed", ".tmpl"}
    }
    assert shipped | package <= held
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *QUICK, "--json"],
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert last_object(done.stdout)["bundle"] == "bundles/digits/1"
