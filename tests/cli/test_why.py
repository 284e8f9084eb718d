"""`why` and `accept` as they are typed, in a project with code of its own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import QUICK, aidn
from support.source import ROOT

Aidn = Callable[..., str]
RENAMED = (
    ("for n in range(self.count)", "for k in range(self.count)"),
    ('f"part/{n}": data[n:]', 'f"part/{k}": data[k:]'),
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which its recipe was run once; not to be changed."""
    folder = tmp_path_factory.mktemp("why") / "project"
    shutil.copytree(ROOT / "tests" / "support" / "plain", folder)
    assert aidn("recipe=plain", cwd=folder, AIDN_TRUST="1").returncode == 0
    return folder


@pytest.fixture
def project(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a copy of it."""
    shutil.copytree(ran, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("AIDN_TRUST", "1")
    return tmp_path / "project"


def edit(project: Path, *changes: tuple[str, str]) -> None:
    file = project / "plain" / "stages.py"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def run_again(project: Path, *words: str) -> None:
    done = aidn("recipe=plain", *words, cwd=project)
    assert done.returncode == 0, done.stderr


def test_a_stage_that_is_up_to_date_would_be_reused(project, say):
    code, out, err = say("why", "parts")
    assert code == 0
    assert out.startswith("parts: would be reused, as run ")
    assert err == "of the newest run: recipe=plain\n"


def test_a_changed_key_is_told_with_both_values_and_its_place(project, say):
    recipe = project / "recipes" / "plain.yaml"
    recipe.write_text(recipe.read_text().replace("{use: parts, ", "{use: parts, count: 9, "))
    out = say("why", "parts", "recipe=plain")[1].splitlines()
    assert out[0] == "parts: would run: 1 thing changed"
    assert out[2] == "  count  8 -> 9  recipes/plain.yaml:8"
    assert out[-1].strip() == "aidn-run accept parts --reason TEXT recipe=plain"


def test_accepting_is_offered_only_where_it_is_possible(project, say):
    offered = "aidn-run accept"
    assert offered in say("why", "parts", "stages.parts.count=9")[1]
    assert offered not in say("why", "steps", "stages.steps.steps=9")[1]
    assert offered not in say("why", "parts", "stages.text.size=20")[1]
    edit(project, *RENAMED)
    assert say("accept", "text", "steps", "--reason", "n was renamed")[0] == 0
    external = say("why", "numbered")[1]
    assert "code of stage/numbered" in external
    assert offered not in external


def test_an_override_is_the_place_of_its_value(project, say):
    out = say("why", "parts", "stages.parts.count=9")[1]
    assert "  count  8 -> 9  override stages.parts.count=9" in out


def test_changed_code_is_told_by_its_function(project, say):
    edit(project, *RENAMED)
    out = say("why", "text")[1]
    assert "  code of stage/text  plain/stages.py  Split.run()" in out


def test_a_stage_that_waits_names_what_it_needs_and_why_that_runs(project, say):
    out = say("why", "parts", "stages.text.size=20")[1]
    assert "what it needs\n  text.file  run  size 200000 -> 20 (override" in out
    assert out.endswith("next: aidn-run why text recipe=plain stages.text.size=20\n")


def test_another_input_is_told_with_what_made_it(project, say):
    run_again(project, "stages.text.size=20", "~stages.parts")
    out = say("why", "parts", "recipe=plain", "stages.text.size=20")[1]
    assert "  input file  b3:" in out
    assert "  made by text.file" in out


def test_missing_outputs_are_named(project, say):
    shutil.rmtree(project / ".aidn" / "objects")
    out = say("why", "text")[1]
    assert "text: would run: outputs of it are missing" in out
    assert "its outputs file: not in the store" in out


def test_a_stage_never_run_says_so(project, say):
    (project / "recipes" / "other.yaml").write_text("stages: {other: {use: text, size: 7}}\n")
    assert "it was not run before" in say("why", "other", "recipe=other")[1]


def test_why_a_finished_run_ran_is_told_from_its_record(project, say):
    run_again(project, "stages.parts.count=9")
    out = say("why", "parts", "--run", "last")[1]
    assert "run: 1 thing changed" in out
    assert "  count  8 -> 9  override stages.parts.count=9" in out
    assert "reused, as run " in say("why", "text", "--run", "last")[1]
    assert "it was not run before" in say("why", "text", "--run", "last~1")[1]


def test_why_a_finished_run_ran_says_that_it_cannot_name_the_line_of_an_edited_file(project, say):
    recipe = project / "recipes" / "plain.yaml"
    recipe.write_text(recipe.read_text().replace("{use: parts, ", "{use: parts, count: 9, "))
    run_again(project)
    out = say("why", "parts", "--run", "last")[1].splitlines()
    assert out[2] == "  count  8 -> 9"
    assert out[3].startswith("  note: a run records values, not the lines of files")
    assert out[4].endswith("`aidn-run blame KEY recipe=NAME`")
    run_again(project, "stages.parts.count=10")
    assert "note:" not in say("why", "parts", "--run", "last")[1]


def test_a_forced_stage_of_a_finished_run_says_so(project, say):
    run_again(project, "--force", "parts")
    assert say("why", "parts", "--run", "last")[1].rstrip().endswith("run: forced")


def test_programs_read_the_differences(project, say):
    edit(project, *RENAMED)
    found = json.loads(say("why", "parts", "stages.parts.count=9", "--json")[1])
    kinds = {one["kind"]: one for one in found["differences"]}
    assert found["action"] == "run"
    assert kinds["config"]["where"] == "override stages.parts.count=9"
    assert kinds["code"]["files"] == {"plain/stages.py": ["Split.run()"]}


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (("why", "part"), "there is no stage 'part' in plain", "did you mean `parts`?"),
        (("why",), "why needs a stage", "aidn-run why train"),
        (("why", "part", "--run", "last"), "had no stage 'part'", "did you mean `parts`?"),
        (("why", "text", "--run", "last~9"), "there is no run 'last~9'", "the newest is"),
        (("accept", "parts"), "a reason is recorded", "accept parts --reason"),
        (("accept", "parts", "--reason", "x"), "nothing to accept", "aidn-run why parts"),
        (("accept", "parts", "--undo"), "nothing is accepted", "aidn-run why parts"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(words, problem, remedy, project, say):
    code, _, err = say(*words)
    assert code == 2
    assert problem in err
    assert remedy in err


def test_without_a_run_a_recipe_must_be_named(empty, say):
    code, _, err = say("why", "train")
    assert code == 2
    assert "add `recipe=NAME`" in err


def test_accepted_stages_are_reused_by_the_next_run_which_says_so(project, say):
    edit(project, *RENAMED)
    names = ("text", "parts", "steps")
    code, out, _ = say("accept", *names, "--reason", "n was renamed")
    assert code == 0
    assert "code of stage/parts changed: plain/stages.py (Split.run())" in out
    rows = [line.split(maxsplit=2)[:2] for line in say("plan", "recipe=plain")[1].splitlines()]
    assert rows[1:4] == [["text", "reuse"], ["parts", "reuse"], ["steps", "reuse"]]
    run_again(project)
    shown = say("show")[1]
    assert "parts accepted: n was renamed (" in shown
    assert "accepted by " in say("why", "parts")[1]
    assert say("check")[0] == 0
    undone = say("accept", "parts", "--undo")
    assert undone[1].startswith("withdrawn: parts runs again (n was renamed")
    assert say("why", "parts")[1].startswith("parts: would run: 1 thing changed")
    assert "withdrawn since" in say("show")[1]


def test_cells_that_do_the_same_for_the_same_reason_are_told_of_together(empty, say):
    words = ("recipe=wine_kfold",)
    out = say("why", "train", *words)[1]
    assert out.startswith("train[fold=0..4]: would run: it was not run before")
    assert "  prepare.dataset  run  not run before" in out
    out = say("why", "aggregate", *words)[1]
    assert "  evaluate[fold=0..4].metrics  run" in out
    assert "  aggregate.metrics+report" in say("why", "register", *words)[1]
    assert say("why", "train[fold=2]", *words)[1].startswith("train[fold=2]: would run")


def test_a_training_is_kept_although_its_configuration_changed(copied, say):
    changed = [word for word in QUICK if word != QUICK[0]]
    words = (QUICK[0], *changed, "trainer.batch_size=16")
    assert say("accept", "train", *words, "--reason", "a trial of accepting")[0] == 0
    rows = [line.split()[:2] for line in say("plan", *words)[1].splitlines()[1:7]]
    assert {action for _, action in rows} == {"reuse"}
    assert say(*words)[0] == 0
    assert say("gc", "--apply", "--keep-runs", "1")[0] == 0
    assert say("check")[0] == 0
    assert "trainer.batch_size 32 -> 16" in say("why", "train", *words)[1]


def test_programs_read_what_was_accepted(project, say):
    found = json.loads(say("accept", "parts", "stages.parts.count=9", "--reason", "x", "--json")[1])
    (one,) = found["accepted"]
    assert (one["stage"], one["changes"]) == (
        "parts",
        ["count 8 -> 9 (override stages.parts.count=9)"],
    )
