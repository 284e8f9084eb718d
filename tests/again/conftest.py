"""A project in which a recipe was run once for all tests, and copies of it to be changed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.command import aidn
from support.shop import write_shop

Say = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="session")
def ran_once(tmp_path_factory) -> Path:
    """A project with one finished run; not to be changed."""
    folder = write_shop(tmp_path_factory.mktemp("shop") / "project")
    done = aidn("recipe=shop", cwd=folder, AIDN_TRUST="1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def shop(ran_once, tmp_path) -> Path:
    """A copy of that project."""
    shutil.copytree(ran_once, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def say(shop) -> Say:
    """Runs a command in the copy, in a fresh process."""

    def run(*arguments: str, **environment: str) -> CompletedProcess[str]:
        return aidn(*arguments, cwd=shop, AIDN_TRUST="1", **environment)

    return run
