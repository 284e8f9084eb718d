"""Broken recipes, each with the message that it ends in: `broken/NAME.yaml` and `broken/NAME.txt`.

A recipe of several files is a folder, with the message beside it. The command is the one in the
recipe's head. After a change of the messages, write them anew and read the difference:

    BROKEN=write python -m pytest tests/config/test_broken.py
"""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aidn_pipeline.cli.main import main
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.syntax import OVERRIDE

SHIPPED = f"{data_folder('conf').resolve().parent}/"
BROKEN = Path(__file__).with_name("broken")
CASES = sorted(p for p in BROKEN.iterdir() if p.suffix == ".yaml" or p.is_dir())
COMMAND = re.compile(r"^#   aidn-run (?P<arguments>.+)$", re.MULTILINE)
PLACE = re.compile(r"^(error: )?(\S+\.yaml:\d+|override .+|recipe=\S+): \S")
FOREIGN = re.compile(r"omegaconf|Traceback|<class|0x[0-9a-f]{6}|line \d+, column|[a-z]Exception")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project in the current folder."""
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIDN_NOT_SET_ANYWHERE", raising=False)
    return tmp_path


def arguments_of(case: Path, project: Path) -> list[str]:
    if case.is_dir():
        shutil.copytree(case, project, dirs_exist_ok=True)
        recipe = case / "recipes" / f"{case.name}.yaml"
    else:
        recipe = Path(shutil.copy(case, project / "recipes"))
    found = COMMAND.search(recipe.read_text())
    assert found is not None, "the recipe's head has no command"
    return shlex.split(found["arguments"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_broken_recipe_ends_in_its_message(
    case: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*arguments_of(case, project), "--plan"])
    said = capsys.readouterr().err.replace(SHIPPED, "SHIPPED/")
    snapshot = case.with_suffix(".txt")
    if os.environ.get("BROKEN") == "write":
        snapshot.write_text(said)
    assert (code, said) == (2, snapshot.read_text())


def problems_of(said: str) -> Iterator[list[str]]:
    """The lines of each problem of a message; without the line that says how many there are."""
    parts = [part.splitlines() for part in said.rstrip("\n").split("\n\n")]
    yield from parts[1:] if len(parts) > 1 else parts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_message_begins_with_the_place_and_the_mistake_and_ends_with_the_remedy(
    case: Path,
) -> None:
    said = case.with_suffix(".txt").read_text()
    assert not FOREIGN.search(said)
    for lines in problems_of(said):
        assert PLACE.match(lines[0])
        number, _, shown = lines[1].partition(" | ")
        below = lines[2].partition(" | ")[2]
        assert "^" in below
        if number.strip():
            assert f":{number.strip()}: " in lines[0]
        else:
            assert shown in lines[0].partition(OVERRIDE)[2] or shown.startswith("recipe=")
        assert any(line.startswith("  fix: ") and len(line) > 12 for line in lines[3:])


def test_no_message_belongs_to_a_recipe_that_is_gone() -> None:
    assert {p.stem for p in BROKEN.glob("*.txt")} == {case.stem for case in CASES}


def test_there_are_many_and_some_hold_five_mistakes_at_once() -> None:
    counts = [len(list(problems_of(c.with_suffix(".txt").read_text()))) for c in CASES]
    assert len(CASES) >= 60
    assert sum(count == 5 for count in counts) >= 3
