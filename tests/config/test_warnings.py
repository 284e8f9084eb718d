"""Words that YAML takes for something else: told with their place, and kept as they are."""

import pytest
from support.projects import Load, Write

from aidn_pipeline.config.scalars import surprise
from aidn_pipeline.errors import WrongType

CHANGED = {
    "12345e7": "123450000000.0",
    "010": "8",
    "1:30": "90",
    "on": "true",
    "No": "false",
    "1.10": "1.1",
    "0x10": "16",
    "0b11": "3",
    "1_000": "1000",
    ".5": "0.5",
    "2026-01-02": "a date",
}


@pytest.mark.parametrize(("text", "read"), CHANGED.items())
def test_a_word_that_yaml_changes_surprises(text: str, read: str) -> None:
    assert surprise(text) == read


PLAIN = ["3", "-3", "+5", "0", "0.5", "1.0", "5.", "1e-3", "1.0e-4", "1e5", "true", "null", "main"]


@pytest.mark.parametrize("text", [*PLAIN, "1.2.3", "v1.10", "", "9" * 500])
def test_a_plain_word_surprises_nobody(text: str) -> None:
    assert surprise(text) == ""


@pytest.mark.parametrize("text", CHANGED)
def test_a_text_field_gets_the_word_as_it_was_written_and_says_so(
    load: Load, write: Write, text: str
) -> None:
    write("recipes/odd.yaml", f"defaults:\n  - /toy\nsource:\n  revision: {text}\n")
    spec = load(recipe="odd")
    assert spec.stages["snapshot"].stage["source"]["revision"] == text
    assert [warning.split(" is kept")[0] for warning in spec.warnings] == [
        f"recipes/odd.yaml:4 (source.revision): {text}"
    ]


def test_quotes_say_that_it_is_a_text(load: Load, write: Write) -> None:
    write("recipes/odd.yaml", "defaults:\n  - /toy\nsource:\n  revision: '1.10'\n")
    assert load(recipe="odd").warnings == ()


def test_a_warning_of_an_argument_says_how_a_text_is_given(load: Load) -> None:
    (warning,) = load("source.revision=010").warnings
    assert warning.startswith("override source.revision=010: 010 is kept")
    assert warning.endswith("`source.revision:=010`")


LITERAL = ["010", "on", "null", "", "1.10", " a b ", "[1, 2]", "{x: 1}", "'q'", "a=b", "${seed}"]


@pytest.mark.parametrize("text", [*LITERAL, "${oc.env:HOME}", "\\${x}", "~", "é"])
def test_a_colon_before_the_sign_takes_the_text_literally(load: Load, text: str) -> None:
    spec = load(f"source.revision:={text}")
    assert spec.stages["snapshot"].stage["source"]["revision"] == text
    assert (spec.warnings, spec.environment) == ((), {})


def test_a_literal_is_no_option_of_a_group_and_no_number(load: Load) -> None:
    with pytest.raises(WrongType):
        load("model:=curve")
    with pytest.raises(WrongType, match="takes a whole number, not '3'"):
        load("trainer.epochs:=3")


def test_a_reference_inside_a_text_gives_the_word_as_it_was_written(
    load: Load, write: Write
) -> None:
    write(
        "recipes/odd.yaml",
        "defaults:\n  - /toy\nsource: {revision: 'v${version}'}\nversion: 1.10\n",
    )
    spec = load(recipe="odd")
    assert spec.stages["snapshot"].stage["source"]["revision"] == "v1.10"
