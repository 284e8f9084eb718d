"""What is typed, and what comes back: verbs, flags, exit codes, errors."""

import json
import sys

import pytest
from support.command import QUICK, last_object

from aidn_pipeline import __version__
from aidn_pipeline.cli import words
from aidn_pipeline.cli.main import main
from aidn_pipeline.errors import Interrupted


def recipe(folder, name, text):
    (folder / "recipes" / f"{name}.yaml").write_text("# @package _global_\n" + text)


def test_help_names_every_verb(say):
    code, out, _ = say("--help")
    assert code == 0
    assert all(verb in out for verb, word in words.VERBS.items() if word.line)


@pytest.mark.parametrize("verb", words.VERBS)
def test_each_verb_explains_itself(say, verb):
    assert say(verb, "--help")[:2] == say("help", verb)[:2] == (0, words.VERBS[verb].help + "\n")


def test_the_version_is_the_packages(say):
    assert say("--version")[:2] == (0, f"aidn-pipeline {__version__}\n")


@pytest.mark.parametrize(
    ("given", "problem", "fix"),
    [
        (["lst"], "no verb 'lst'", "aidn-run list"),
        (["digits"], "no verb 'digits'", "recipe=digits"),
        (["recipe=digits", "--pln"], "no flag --pln", "--plan"),
        (["recipe=digits", "-x"], "no flag -x", "--help"),
        (["recipe=digits", "--json=yes"], "takes no value", "--json"),
        (["recipe=digits", "--force"], "needs a value", "--help"),
        (["trainer.epochs=5"], "needs one recipe", "recipe=digits"),
        (["recipe=digits", "recipe=digits"], "one recipe", "recipe=digits"),
        (["recipe=digit"], "no recipe 'digit'", "digits"),
        (["recipe=digits", "trainer.epoch=5"], "epoch", "did you mean `epochs`"),
        (["recipe=digits", "trainer.epochs=many"], "epochs", ""),
        (["recipe=digits", "model=mpl"], "mpl", "mlp"),
        (["recipe=digits", "--force", "trian"], "trian", "train"),
        (["recipe=digits", "model._target_=os.system"], "_target_", "@component"),
        (["list", "dogs"], "no list of dogs", "recipes"),
        (["list", "components", "dogs"], "no group 'dogs'", "model"),
        (["schema", "dogs"], "schema", "recipe"),
        (["show"], "nothing was run", "aidn-run recipe=digits"),
        (["predict", "digits@1"], "needs one model", "--input"),
    ],
)
def test_a_mistake_is_answered_with_what_to_type(empty, say, given, problem, fix):
    code, out, err = say(*given)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert problem in err
    assert fix in err
    assert not (empty / ".aidn" / "journal").exists()


@pytest.mark.parametrize("given", [["recipe=digit"], ["recipe=digits", "trainer.epoch=5"], ["lst"]])
def test_programs_get_an_object_for_every_error(empty, say, given):
    code, out, err = say(*given, "--json")
    answer = last_object(out)
    assert code == 2
    assert answer["status"] == "failed"
    assert answer["error"]["remedy"] in err


def test_all_problems_of_a_recipe_are_told_at_once(empty, say):
    code, _, err = say("recipe=digits", "trainer.epoch=5", "seed=abc", "optimizer.lrr=1")
    assert code == 2
    assert "3 problems" in err
    assert all(word in err for word in ("epoch", "seed", "lrr"))


def test_a_bug_of_ours_keeps_the_form_of_an_error(empty, say, monkeypatch):
    def broken(_given):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("aidn_pipeline.cli.listing.main", broken)
    code, out, err = say("list", "recipes", "--json")
    assert code == 1
    assert last_object(out)["error"]["problem"] == "ZeroDivisionError: oh"
    assert "Traceback" in err


def test_a_signal_before_the_run_is_an_interruption(empty, say, monkeypatch):
    def interrupted(_given):
        raise KeyboardInterrupt

    monkeypatch.setattr("aidn_pipeline.cli.listing.main", interrupted)
    assert say("list")[0] == 130


@pytest.mark.parametrize(("signum", "code"), [(2, 130), (15, 143)])
def test_an_interruption_has_the_signals_exit_code(empty, say, monkeypatch, signum, code):
    def interrupted(_given):
        raise Interrupted(signum)

    monkeypatch.setattr("aidn_pipeline.cli.listing.main", interrupted)
    assert say("list")[0] == code


def test_a_reader_that_goes_away_is_no_error(empty, monkeypatch):
    def gone(_given):
        raise BrokenPipeError

    with (empty / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr("aidn_pipeline.cli.listing.main", gone)
        assert main(["list"]) == 141


def test_a_gate_that_is_not_met_registers_nothing(copied, say):
    before = say("list", "models")
    code, out, err = say(*QUICK[:2], "stages.register.gate.accuracy.min=0.999", "--json")
    answer = last_object(out)
    assert code == 4
    assert answer["status"] == "gate_not_met"
    assert answer["model"] is None
    assert answer["bundle"] is None
    assert answer["stages"]["export"]["status"] == "skipped"
    assert answer["metrics"]["accuracy"] < 0.999
    assert "0.999" in err
    assert say("list", "models") == before


def test_a_stage_that_fails_says_where(empty, say):
    source = "{use: table, path: nowhere.csv, label: y}"
    code, out, err = say("recipe=digits_train", f"source={source}", "--json")
    assert code in (2, 3)
    assert "nowhere.csv" in err
    assert last_object(out)["error"]["remedy"]


@pytest.mark.parametrize(
    ("text", "problem", "code"),
    [
        ("x,label\n", "no rows", 3),
        ("x,label\n1,\n2,\n", "label", 3),
        ("x,y\n1,2\n", "label", 3),
    ],
)
def test_bad_data_fails_the_stage_that_reads_it(empty, say, text, problem, code):
    (empty / "d.csv").write_text(text)
    given = ["recipe=digits_train", "source=table", "source.path=d.csv", "source.label=label"]
    found = say(*given)
    assert found[0] == code
    assert problem in found[2]


def test_an_alias_bomb_is_refused(empty, say):
    levels = (f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    recipe(empty, "bomb", "a0: &a0 [x, x]\n" + "".join(levels))
    code, _, err = say("recipe=bomb")
    assert code == 2
    assert "recipes/bomb.yaml" in err


def test_a_workspace_with_code_of_its_own_is_trusted_once(empty, say, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty / "config"))
    monkeypatch.delenv("AIDN_TRUST", raising=False)
    (empty / "pyproject.toml").write_text('[tool.aidn]\npackages = ["mine"]\n')
    (empty / "mine").mkdir()
    (empty / "mine" / "__init__.py").write_text('"""Mine."""\n')
    code, _, err = say("list", "stages")
    assert code == 2
    assert "aidn-run trust" in err
    assert say("trust")[0] == 0
    assert say("list", "stages")[0] == 0


def test_there_is_nothing_to_trust_without_code(empty, say):
    assert "nothing to trust" in say("trust")[1]


@pytest.mark.parametrize("name", ["recipe", "run"])
def test_a_schema_is_printed_as_it_is_committed(empty, say, name):
    code, out, _ = say("schema", name)
    assert code == 0
    assert json.loads(out)["$schema"].endswith("2020-12/schema")


def test_a_name_that_would_steer_the_terminal_is_told_with_escapes(empty, say):
    place = empty / "photos" / "cats"
    place.mkdir(parents=True)
    (place / "x\x1b[31m\u202e.png").write_bytes(b"no image")
    source = "{use: image_folder, path: photos}"
    text = f"source: {source}\nstages: {{snapshot: {{use: snapshot, source: '${{source}}'}}}}\n"
    recipe(empty, "mine", text)
    code, _, err = say("recipe=mine")

    assert code == 3
    assert r"at: photos/cats/x\x1b[31m\u202e.png" in err
    assert "\x1b" not in err
