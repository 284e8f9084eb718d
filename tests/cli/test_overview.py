"""`aidn-run` alone: recipes, the last run, and the next command that makes sense."""

import os
import shlex
import time

import pytest
from support.breaking import written
from support.command import QUICK

from aidn_pipeline.cli.overview import fitted
from aidn_pipeline.cli.telling import failed_stage
from aidn_pipeline.cli.text import ago
from aidn_pipeline.store.store import Store


def next_lines(out):
    """What is proposed, line by line."""
    lines = out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("next: "))
    return [line[len("next: ") :] for line in lines[start:]]


def test_a_folder_without_a_project_is_shown_how_to_make_one(tmp_path, monkeypatch, say):
    monkeypatch.chdir(tmp_path)
    code, out, _ = say()
    assert code == 0
    assert "shipped recipes\n" in out
    assert next_lines(out)[0].startswith("aidn-run new NAME")
    assert next_lines(out)[1].startswith("aidn-run recipe=digits_train")
    assert not (tmp_path / ".aidn").exists()


def test_recipes_of_the_project_come_first_with_their_header(empty, say):
    (empty / "recipes" / "mine.yaml").write_text(
        "# @package _global_\n# All of mine.\ndefaults: [/digits]\n"
    )
    out = say()[1]
    assert out.startswith("recipes of this project\n  mine  All of mine.\n\nshipped recipes\n")
    assert next_lines(out) == ["aidn-run recipe=mine"]


def test_an_untrusted_workspace_is_listed_and_sent_to_trust(empty, say, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty / "config"))
    monkeypatch.delenv("AIDN_TRUST", raising=False)
    (empty / "pyproject.toml").write_text('[tool.aidn]\npackages = ["mine"]\n')
    (empty / "mine").mkdir()
    (empty / "mine" / "__init__.py").write_text("raise SystemExit('imported')\n")
    code, out, _ = say()
    assert code == 0
    assert next_lines(out) == ["read it, then aidn-run trust"]


def test_a_run_that_is_done_is_to_be_shown_and_asked(here, say):
    out = say()[1]
    assert "last run: " in out
    assert "accuracy 0." in out
    assert "digits@1" in out
    assert next_lines(out)[0].startswith("aidn-run show 2")
    assert next_lines(out)[1] == "aidn-run predict digits@1 --input rows.json"


def test_an_interrupted_run_is_to_be_typed_again(copied, say):
    with Store.open(copied / ".aidn") as store:
        record = {
            "run": "29990101-000000-abcdef",
            "recipe": "digits_train",
            "status": "running",
            "started": time.time() - 200,
            "stages": {},
            "facts": {"asked": "digits_train", "overrides": ["model={use: mlp, hidden: 8}"]},
        }
        store.records.append("run", record["run"], record)
    out = say()[1]
    assert "digits_train  interrupted  3 min ago" in out
    command = next_lines(out)[0].partition("    ")[0]
    assert shlex.split(command) == [
        "aidn-run",
        "recipe=digits_train",
        "model={use: mlp, hidden: 8}",
    ]


def test_a_run_whose_gate_was_not_met_says_so(copied, say):
    say("recipe=digits_train", "trainer.epochs=1", "stages.register.gate.accuracy.min=1.0")
    out = say()[1]
    assert "gate_not_met" in out
    assert "accuracy" in out.split("last run")[1]
    assert next_lines(out)[0].startswith("aidn-run show 2")


def test_a_failed_run_may_be_typed_again_or_debugged(tmp_path, say, monkeypatch):
    monkeypatch.chdir(written(tmp_path))
    monkeypatch.setenv("AIDN_TRUST", "1")
    say("recipe=digits_train", "model=broken_net", "model.batches=1", "~stages.register.gate")
    out = say()[1]
    assert "the network broke" in out
    assert next_lines(out)[0].startswith("aidn-run recipe=digits_train model=broken_net")
    assert next_lines(out)[1].startswith("aidn-run debug train recipe=digits_train model=broken")


def test_a_run_for_debug_is_told_as_one(copied, say):
    assert say("debug", "evaluate", *QUICK, "trainer.epochs=1")[0] == 0
    out = say()[1]
    assert "(for debug of evaluate)" in out
    assert next_lines(out)[0].startswith("aidn-run debug evaluate recipe=digits_train")
    assert "done, for debug of evaluate" in say("list", "runs")[1]


def test_a_store_that_may_not_be_looked_at_is_an_error_behind_the_recipes(empty, say, monkeypatch):
    monkeypatch.setenv("AIDN_HOME", f"/tmp/{'x' * 300}")
    code, out, err = say()
    assert code == 1
    assert "shipped recipes" in out
    assert "opening the store" in err
    assert "a bug in" not in err


def test_the_stage_that_failed_is_the_first_without_a_result():
    actions = {"snapshot": "reuse", "train": "run", "evaluate": "skip"}
    facts = {"order": list(actions), "actions": actions}
    assert failed_stage({"stages": {"snapshot": "b3:"}, "facts": facts}) == "train"
    assert failed_stage({"stages": dict.fromkeys(actions, "b3:"), "facts": facts}) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "just now"),
        (200, "3 min ago"),
        (7300, "2 h ago"),
        (90_000, "1 day ago"),
        (9e5, "10 days ago"),
    ],
)
def test_the_past_is_told_in_round_figures(seconds, text):
    assert ago(seconds) == text


def test_a_line_is_cut_to_a_terminal_and_whole_in_a_pipe(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 24)))
    assert fitted("x" * 30) == "x" * 30
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert fitted("words, " * 5) == "words, words, wor..."
    assert fitted("short") == "short"
