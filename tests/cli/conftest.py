"""A project in which a quick recipe was run once for all tests, and `aidn-run` in this process."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import QUICK

from aidn_pipeline.cli.main import main


@pytest.fixture(scope="session")
def ran_once(tmp_path_factory) -> Path:
    """A project with one finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("ran") / "project"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("AIDN_HOME", raising=False)
        assert main(list(QUICK)) == 0
    return folder


@pytest.fixture
def here(ran_once, monkeypatch) -> Path:
    """The working folder: the project that was run in."""
    monkeypatch.chdir(ran_once)
    return ran_once


@pytest.fixture
def copied(ran_once, tmp_path, monkeypatch) -> Path:
    """The working folder: a copy of that project, to be changed."""
    shutil.copytree(ran_once, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """The working folder: a project in which nothing was run."""
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; gives its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
