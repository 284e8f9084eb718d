"""Twenty secrets go through a pipeline that tells them to everybody; none of them is written."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.canaries import LEFT, VALUES, found_below, found_in, write_project
from support.command import aidn

from aidn_pipeline import AiModelBuilder

pytestmark = pytest.mark.e2e
Run = Callable[..., tuple[int, str]]
MOODS = ["plain", "json", "base64", "url", "cause"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder everything happens in."""
    return tmp_path_factory.mktemp("canaries")


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    """Runs a command in the project; exit code, and what we said (not what its code printed)."""
    environment = write_project(place / "project")
    environment |= {"XDG_CONFIG_HOME": str(place / "config"), "TMPDIR": str(place / "tmp")}
    (place / "tmp").mkdir()

    def command(*words: str) -> tuple[int, str]:
        done = aidn(*words, cwd=place / "project", **environment)
        printed = [line for line in done.stdout.splitlines() if not found_in(line.encode())]
        theirs = len(done.stdout.splitlines()) - len(printed)
        assert theirs <= 2, done.stdout
        return done.returncode, "\n".join(printed) + done.stderr

    return command


def written(place: Path) -> dict[str, set[str]]:
    return found_below(*(p for p in place.iterdir() if p.name != "secrets"))


def test_the_search_finds_what_is_there(tmp_path):
    (tmp_path / "a.txt").write_text(f"x{VALUES['BIRD_03']}")
    (tmp_path / "b.json").write_text(json.dumps(VALUES["BIRD_11"]))
    database = sqlite3.connect(tmp_path / "c.sqlite")
    database.execute("CREATE TABLE t AS SELECT ? AS v", (VALUES["BIRD_19"],))
    database.commit()
    assert set().union(*found_below(tmp_path).values()) >= {"BIRD_03", "BIRD_11", "BIRD_19"}
    assert len(VALUES) == 20
    assert len(LEFT) == 13


def test_plans_and_recipes_name_secrets_only(run, place):
    code, said = run("recipe=rented", "--plan")
    assert code == 0, said
    code, said_json = run("recipe=rented", "--plan", "--json")
    assert code == 0
    assert found_in((said + said_json).encode()) == set()
    assert written(place) == {}


@pytest.mark.parametrize("mood", MOODS)
def test_an_exception_of_a_source_shows_names(run, place, mood):
    code, said = run("recipe=rented", f"source.mood={mood}", "--json")
    assert code == 3, said
    assert found_in(said.encode()) == set()
    assert "<secret BIRD_" in said
    assert written(place) == {}


def test_every_frame_and_the_debugger_show_names(run, place):
    for words in (("--traceback",), ("--json", "--traceback")):
        code, said = run("recipe=rented", "source.mood=cause", *words)
        assert code == 3
        assert found_in(said.encode()) == set()
    code, said = run("debug", "snapshot", "recipe=rented", "source.mood=cause", "--no-pdb")
    assert code == 3
    assert found_in(said.encode()) == set()
    assert written(place) == {}


def test_failed_trials_show_names(run, place):
    code, said = run("recipe=rented", "model.wrong=true")
    assert code == 3, said
    assert found_in(said.encode()) == set()
    assert written(place) == {}


def test_retried_failures_and_the_run_that_goes_through_leave_names_only(run, place):
    for attempt in range(6):
        code, said = run("recipe=rented", "stages.errand.times=5", "--json")
        assert code == (0 if attempt == 5 else 3), said
        assert found_in(said.encode()) == set()
        assert written(place) == {}
    journal = (place / "project" / ".aidn" / "journal" / "000001.log").read_text()
    assert "${secret:BIRD_12}" in journal
    assert "${secret:BIRD_00}" in journal


def test_stages_in_processes_of_their_own_leave_names_only_in_their_logs(run, place):
    words = ("recipe=rented", "run.executor=processes", "seed=6")
    code, said = run(*words, "stages.errand.times=1", "--json")
    assert code == 3, said
    assert found_in(said.encode()) == set()
    code, said = run(*words, "stages.errand.times=1", "--json")
    assert code == 0, said
    assert found_in(said.encode()) == set()
    assert written(place) == {}
    logs = "".join(p.read_text() for p in (place / "project" / ".aidn" / "logs").rglob("*.log"))
    assert "<secret BIRD_04>" in logs


def test_what_is_shown_afterwards_are_names(run, place):
    for words in (("list",), ("list", "runs"), ("show", "1"), ("show", "1", "--json"), ("check",)):
        code, said = run(*words)
        assert code in (0, 2), said
        assert found_in(said.encode()) == set()
    code, said = run("debug", "train", "recipe=rented", "stages.errand.times=5", "--no-pdb")
    assert code == 0, said
    assert written(place) == {}


def test_the_bundle_and_the_recipe_as_text_hold_names_only(run, place, monkeypatch):
    bundle = next((place / "project" / "bundles").rglob("model.json")).parent
    shutil.copytree(bundle, place / "elsewhere")
    assert "${secret:BIRD_12}" in (bundle / "model.json").read_text()
    monkeypatch.setenv("AIDN_TRUST", "1")
    text = AiModelBuilder.from_recipe("rented", place / "project").to_yaml()
    assert "${secret:BIRD_01}:${secret:BIRD_10}@" in text
    assert found_in(text.encode()) == set()
    assert written(place) == {}


def test_what_is_done_needs_no_secret_any_more_and_what_is_not_is_refused_first(run, place):
    secrets = place / "secrets"
    hidden = place / "secrets.away"
    secrets.rename(hidden)
    try:
        code, said = run("recipe=rented", "stages.errand.times=5")
        assert code == 0, said
        before = sorted((place / "project" / ".aidn").rglob("*"))
        code, said = run("recipe=rented", "stages.errand.times=5", "source.mood=plain")
        assert code == 2, said
        assert "BIRD_11 is neither in the variable AIDN_SECRET_BIRD_11 nor in a file" in said
        assert "problems in the configuration" in said
        assert "recipes/rented.yaml:" in said
        assert sorted((place / "project" / ".aidn").rglob("*")) == before
    finally:
        hidden.rename(secrets)


def test_a_value_on_the_command_line_is_refused_and_written_nowhere(run, place):
    value = VALUES["BIRD_07"]
    code, said = run("recipe=rented", f"source.token={json.dumps(value)}", "--json")
    assert code == 2
    assert found_in(said.encode()) == set()
    assert "${secret:TOKEN}" in said
    assert written(place) == {}
