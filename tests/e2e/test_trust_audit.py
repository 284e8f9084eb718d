"""An untrusted workspace imports none of its modules: Python's audit hook looks on."""

import subprocess
from pathlib import Path

import pytest
from support.command import aidn
from support.foreign import write_package, write_project
from support.source import ROOT

pytestmark = pytest.mark.e2e

HOOK = '''\
"""Writes down each import, execution and opening that concerns the project's code."""

import os
import sys

LOG, PLACES = os.environ["AUDIT_LOG"], os.environ["AUDIT_PLACES"].split(os.pathsep)
NAMES = ("ringkit", "outside")


def inside(name):
    return any(place in name for place in PLACES)


def look(event, arguments):
    if event == "import":
        seen = str(arguments[0]).split(".")[0] in NAMES and arguments[0]
    elif event == "exec":
        file = str(getattr(arguments[0], "co_filename", ""))
        seen = inside(file) and file
    elif event == "open":
        name = str(arguments[0])
        seen = inside(name) and name.endswith((".py", ".pyc")) and name
    else:
        return
    if seen:
        file = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{event} {seen}\\n".encode())
        os.close(file)


sys.addaudithook(look)
'''
COMMANDS = [
    ("recipe=rings",),
    ("recipe=rings", "--plan"),
    ("recipe=rings", "--json"),
    ("recipe=digits_train", "model=rings_net"),
    ("recipe=digits_train", "--plan"),
    ("recipe=digits_train", "model._target_=ringkit.nets.RingsNet", "--plan"),
    ("recipe=hostile", "--plan"),
    ("plan", "recipe=rings"),
    ("list",),
    ("list", "components"),
    ("list", "components", "model"),
    ("list", "recipes"),
    ("list", "runs"),
    ("list", "models"),
    ("show", "1"),
    ("predict", "rings@1", "--input", "rows.json"),
    ("check",),
    ("schema",),
    (),
    ("--help",),
    ("run", "--help"),
]
HOSTILE = """\
# @package _global_
# Names code in each way a recipe of other programs could.
defaults:
  - /digits_train
  - _self_
model:
  _target_: ringkit.nets.RingsNet
name: ${oc.create:ringkit.nets}
hydra:
  searchpath: ["pkg://ringkit.conf"]
  callbacks: {x: {_target_: ringkit.nets.RingsNet}}
"""
OUTSIDE = """\
from torch import Tensor, nn


class Wide(nn.Module):
    def __init__(self, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.head = nn.Linear(width, classes)

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(rows.flatten(1))
"""


class Watched:
    """A project and what the hook saw of it."""

    def __init__(self, folder: Path) -> None:
        self.root = write_project(folder / "project")
        write_package(self.root)
        (self.root / "recipes" / "hostile.yaml").write_text(HOSTILE)
        (self.root / "rows.json").write_text("[[0, 0]]")
        self.library = folder / "library"
        self.library.mkdir()
        (self.library / "outside.py").write_text(OUTSIDE)
        hook = folder / "hook"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(HOOK)
        self.log = folder / "seen.log"
        self.environment = {
            "PYTHONPATH": f"{hook}:{ROOT}:{self.library}",
            "AUDIT_LOG": str(self.log),
            "AUDIT_PLACES": f"{self.root}:{self.library}",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return aidn(*arguments, cwd=self.root, **self.environment)

    def seen(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.delenv("AIDN_TRUST", raising=False)
    monkeypatch.delenv("AIDN_HOME", raising=False)
    return Watched(tmp_path)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "alone")
def test_nothing_of_an_untrusted_workspace_is_imported_run_or_opened(watched, command):
    done = watched.run(*command)
    assert "Traceback" not in done.stderr
    assert watched.seen() == []


@pytest.mark.parametrize("recipe", ["recipe=hostile", "recipe=rings"])
def test_a_recipe_cannot_import_what_the_settings_do_not_name(watched, recipe):
    (watched.root / "pyproject.toml").unlink()
    done = watched.run(recipe, "--plan")
    assert done.returncode == 2
    assert watched.seen() == []


def test_after_trust_the_hook_sees_the_code_run_and_changed_settings_ask_again(watched):
    assert watched.run("recipe=rings", "--plan").returncode == 2
    assert watched.run("trust").returncode == 0
    assert watched.seen() == []
    done = watched.run("recipe=rings", "trainer.epochs=1")
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("exec") and "nets.py" in line for line in watched.seen())

    settings = watched.root / "pyproject.toml"
    settings.write_text(settings.read_text() + 'components = {"model/wide" = "outside:Wide"}\n')
    watched.log.unlink()
    again = watched.run("recipe=rings", "--plan")
    assert again.returncode == 2
    assert "has not been trusted" in again.stderr
    assert watched.seen() == []


def test_a_class_of_another_library_waits_for_trust_and_then_trains(watched):
    settings = watched.root / "pyproject.toml"
    settings.write_text('[tool.aidn]\ncomponents = {"model/wide" = "outside:Wide"}\n')
    command = ("recipe=digits_train", "model=wide", "trainer.epochs=1", "~stages.register.gate")
    refused = watched.run(*command)
    assert refused.returncode == 2
    assert watched.seen() == []
    assert watched.run("trust").returncode == 0
    done = watched.run(*command)
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("exec") and "outside.py" in line for line in watched.seen())
