"""The working folder may be gone, and a user may have no home."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.source import ROOT

NO_HOME = """\
import os, pwd, sys
os.environ.pop("HOME", None)
def no_name(number):
    raise KeyError(number)
pwd.getpwuid = no_name
from aidn_pipeline.entry import main
sys.exit(main())
"""
"""A program as a user runs it whose number has no name; only root could be one here."""
GONE = """\
import os, sys
os.rmdir(os.getcwd())
from aidn_pipeline.entry import main
sys.exit(main())
"""
CODE = """\
from aidn_pipeline import File, StageContext, component


@component("stage", "greet")
def greet(ctx: StageContext) -> File:
    return ctx.save(File, b"hello")
"""


def said(program: str, words: list[str], cwd: Path, **more: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["recipe=digits_train"], ["list", "recipes"], ["doctor"], []])
def test_a_working_folder_that_is_gone_is_told_as_one(words: list[str], tmp_path: Path):
    folder = tmp_path / "was"
    folder.mkdir()
    code, _, err = said(GONE, words, folder, HOME=str(tmp_path))
    assert code == 2
    assert "error: the working folder is gone" in err
    assert "Traceback" not in err


def test_in_a_folder_that_is_gone_verbs_are_still_completed(tmp_path: Path):
    folder = tmp_path / "was"
    folder.mkdir()
    code, out, err = said(GONE, ["--complete", "bash", "aidn-run "], folder)
    assert (code, err) == (0, "")
    assert "doctor " in out.splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with code of its own."""
    (tmp_path / "pyproject.toml").write_text('[tool.aidn]\npackages = ["greeting"]\n')
    (tmp_path / "greeting").mkdir()
    (tmp_path / "greeting" / "__init__.py").write_text("")
    (tmp_path / "greeting" / "stages.py").write_text(CODE)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "hello.yaml").write_text("stages:\n  greet: {use: greet}\n")
    return tmp_path


def test_a_user_without_a_home_is_asked_to_trust(project: Path):
    code, _, err = said(NO_HOME, ["recipe=hello"], project)
    assert code == 2
    assert "AIDN_TRUST=1" in err
    assert "Traceback" not in err


def test_a_user_without_a_home_runs_trusted_code_and_leaves_nothing_about(project: Path):
    code, out, err = said(NO_HOME, ["recipe=hello"], project, AIDN_TRUST="1")
    assert code == 0, err
    assert "greet: done" in out
    assert not (project / "~").exists()
