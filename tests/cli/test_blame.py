"""`blame` as it is typed."""

import json
import re

import pytest


def test_the_history_of_a_key_is_a_table_of_values_and_places(empty, say):
    code, out, err = say("blame", "trainer.epochs", "recipe=digits", "trainer.epochs=3")
    assert (code, err) == (0, "")
    lines = [re.sub(r":\d+$", ":N", line) for line in out.splitlines()]
    assert lines == [
        "trainer.epochs = 3",
        "  20  default of trainer/trainer",
        "  20  conf/trainer/default.yaml:N",
        "  3   override trainer.epochs=3",
    ]


def test_what_a_key_refers_to_stands_below_it(empty, say):
    lines = say("blame", "stages.train.trainer.seed", "recipe=digits")[1].splitlines()
    assert lines[0].startswith("stages.train.trainer is ${trainer}  conf/pipeline/standard.yaml:")
    assert lines[1] == "trainer.seed = 7"
    assert lines[4] == "  seed = 7"
    assert lines[-1].startswith("    7  recipes/digits.yaml:")


def test_a_mapping_shows_each_value_with_its_place(empty, say):
    out = say("blame", "model", "recipe=digits", "model=cnn")[1]
    assert "  cnn  " in out
    assert "    channels  16   conf/model/cnn.yaml:" in out


def test_what_is_removed_says_so(empty, say):
    out = say("blame", "stages.tune", "recipe=digits", "~stages.tune")[1].splitlines()
    assert out[0] == "stages.tune is removed"
    assert out[-1].split() == ["(removed)", "override", "~stages.tune"]


def test_without_a_recipe_it_is_that_of_the_newest_run(here, say):
    _, out, err = say("blame", "trainer.epochs")
    assert err.startswith("of the newest run: recipe=digits_train trainer.epochs=3")
    assert out.splitlines()[-1].endswith("override trainer.epochs=3")


def test_programs_read_the_history(empty, say):
    found = json.loads(say("blame", "trainer.epochs", "recipe=digits", "--json")[1])
    assert found["format"] == 1
    last = found["history"][-1]
    assert (last["kind"], last["value"]) == ("set", 20)
    assert last["where"].startswith("conf/trainer/default.yaml:")


def test_no_line_is_longer_than_a_terminal(empty, say):
    for key in ("stages", "stages.train", "optimizer.lr", "trainer"):
        lines = say("blame", key, "recipe=digits")[1].splitlines()
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("trainer.epoch", "recipe=digits"), "did you mean `trainer.epochs`?"),
        (("recipe=digits",), "write `aidn-run blame trainer.epochs"),
        (("trainer.epochs", "recipe=digist"), "did you mean `digits`?"),
        (("trainer.epochs",), "add `recipe=NAME`"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(words, remedy, empty, say):
    code, _, err = say("blame", *words)
    assert code == 2
    assert remedy in err
