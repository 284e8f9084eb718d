"""The line of a mistake with its caret: where it stands, how it is cut, what it does not show."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.projects import Load, Write

from aidn_pipeline.config.caret import WIDTH, draw
from aidn_pipeline.config.excerpt import point
from aidn_pipeline.config.syntax import unreadable
from aidn_pipeline.config.text import read_mapping
from aidn_pipeline.errors import (
    AidnError,
    BudgetExceeded,
    ConfigError,
    ConfigProblems,
    UnknownKey,
    WiringError,
    WrongType,
)

TEXT = """\
defaults: [/toy]
trainer: {epochs: ten, "clip": 3}
stages:
  train:
    inputs: {dataset: "split.datset", params: [a.b, c.d]}
"""
TEXTS = {"f.yaml": TEXT}


def pointed(problem: ConfigError | WiringError) -> str:
    """The text above the carets."""
    point(problem, TEXTS)
    assert problem.excerpt is not None
    line, below = (part.partition(" | ")[2] for part in problem.excerpt.splitlines())
    return line[below.index("^") : below.rindex("^") + 1]


POINTED = [
    (WrongType("`trainer.epochs` takes x", where="f.yaml:2 (trainer.epochs)"), "ten"),
    (WrongType("takes a list", where="f.yaml:5 (stages.train.inputs.params)"), "[a.b, c.d]"),
    (UnknownKey("no key `clip`", where="f.yaml:2 (trainer.clip)"), "clip"),
    (ConfigError("must be given", where="f.yaml:2 (trainer)"), "trainer"),
    (WiringError("no port 'datset'", where="f.yaml:5 (stages.train.inputs.dataset)"), "datset"),
    (WiringError("no 'b'", where="f.yaml:5 (stages.train.inputs.params.0)"), "b"),
    (ConfigError("there is no recipe '/toy'", where="f.yaml:1"), "/toy"),
    (WrongType("takes a number, not fast", where="override a.b=fast"), "fast"),
    (UnknownKey("there is no `b` here", where="override ~a.b"), "b"),
    (ConfigError("there is no recipe 'x'", where="recipe=x"), "x"),
]


@pytest.mark.parametrize(("problem", "meant"), POINTED, ids=[str(p[0].problem) for p in POINTED])
def test_the_caret_stands_below_what_is_wrong(
    problem: ConfigError | WiringError, meant: str
) -> None:
    assert pointed(problem) == meant


@pytest.mark.parametrize("where", ["", "stages.x", "g.yaml:1", "f.yaml:99", "component model/mlp"])
def test_a_place_without_a_line_is_told_as_it_is(where: str) -> None:
    problem = ConfigError("wrong", where=where, remedy="mend it")
    point(problem, TEXTS)
    assert not problem.excerpt
    assert str(problem).startswith("wrong\n")


def test_several_come_in_the_order_of_files_and_lines_and_arguments_last() -> None:
    places = ["override a=1", "f.yaml:5", "e.yaml:1", "f.yaml:2 (trainer)"]
    problems = ConfigProblems([ConfigError(f"wrong {p}", where=p) for p in places])
    point(problems, {**TEXTS, "e.yaml": "x: 1\n"})
    assert [p.where for p in problems.problems] == [
        "f.yaml:2 (trainer)",
        "f.yaml:5",
        "e.yaml:1",
        "override a=1",
    ]
    assert problems.where == "f.yaml:2 (trainer)"
    first = str(problems).splitlines()[0]
    assert first == "4 problems in the configuration: f.yaml:2,5; e.yaml:1; 1 on the command line"


@given(st.text(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_a_caret_is_drawn_for_any_span_of_any_text(text: str, start: int, end: int) -> None:
    line, below = draw("7", text.replace("\n", " "), (start, end)).splitlines()
    assert line.startswith("    7 | ")
    assert set(below.removeprefix("      | ")) <= {" ", "^"}
    assert "^" in below
    assert len(line) <= WIDTH + len("    7 | ......")


def test_wide_letters_take_two_columns() -> None:
    _, below = draw("1", "名: x", (3, 4)).splitlines()
    assert below == "      |     ^"


def refusal(text: str) -> AidnError | None:
    try:
        read_mapping(text, "f.yaml")
    except AidnError as problem:
        return problem
    return None


@given(st.text(max_size=60))
def test_whatever_is_no_yaml_is_told_with_a_caret_and_a_remedy(text: str) -> None:
    problem = refusal(text)
    assert problem is None or problem.remedy
    drawn = problem.excerpt if problem is not None else None
    assert drawn is None or ("^" in drawn and str(problem).startswith("f.yaml:"))


def test_an_error_without_a_place_in_the_text_is_still_told() -> None:
    problem = unreadable(UnicodeEncodeError("utf-8", "a\ud800", 1, 2, "no"), "a\ud800", "f.yaml")
    assert (problem.where, "U+D800" in problem.problem) == ("f.yaml:1", True)


def test_one_value_that_cannot_be_resolved_hides_no_other(load: Load, write: Write) -> None:
    write(
        "recipes/bad.yaml",
        "defaults:\n  - /toy\ntrainer:\n  clip: ${nowhere}\n  epochs: ten\n"
        "stages: {train: {inputs: {dataset: nowhere.dataset}}}\n",
    )
    with pytest.raises(ConfigProblems) as caught:
        load(recipe="bad")
    assert [p.where.partition(" ")[0] for p in caught.value.problems] == [
        "recipes/bad.yaml:4",
        "recipes/bad.yaml:5",
        "recipes/bad.yaml:6",
    ]


def test_a_link_that_leads_out_of_its_folder_is_refused(load: Load, write: Write) -> None:
    inside = write("recipes/nlp/real.yaml", "defaults:\n  - /toy\n")
    outside = write("elsewhere/evil.yaml", "seed: 1\n")
    (inside.parent / "link.yaml").symlink_to(outside)
    (inside.parent / "near.yaml").symlink_to(inside)
    assert load(recipe="nlp/near").seed == 7
    with pytest.raises(ConfigError, match="leads out of its folder"):
        load(recipe="nlp/link")


@pytest.mark.parametrize("depth", [70, 900, 50_000])
def test_a_text_that_is_too_deep_is_told_with_its_line(
    load: Load, write: Write, depth: int
) -> None:
    write("recipes/deep.yaml", "defaults:\n  - /toy\nname: " + "[" * depth + "]" * depth + "\n")
    with pytest.raises(BudgetExceeded) as caught:
        load(recipe="deep")
    assert caught.value.where.startswith("recipes/deep.yaml")


def test_thousands_of_mistakes_are_told_as_fast_as_they_are_found(load: Load, write: Write) -> None:
    keys = "".join(f"k{n}: 1\n" for n in range(4_000))
    write("recipes/many.yaml", f"defaults:\n  - /toy\n{keys}")
    before = time.process_time()
    with pytest.raises(ConfigProblems) as caught:
        load(recipe="many")
    assert time.process_time() - before < 3
    assert len(caught.value.problems) == 4_000
