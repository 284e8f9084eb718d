"""The typed check: what each type of field takes, and what it says of the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shapes import toy_index

from aidn_pipeline.config.check import GONE, Checker, words
from aidn_pipeline.config.text import read_mapping
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.index import FieldSpec, Index

INDEX = toy_index()


def checked(kind: Any, text: str, default: Any = None) -> tuple[Any, list[str]]:
    checker = Checker(INDEX)
    node = read_mapping(f"k: {text}", "f.yaml").value["k"]
    item = FieldSpec(name="k", type=kind, default=default, doc="a doc")
    value = checker.value(kind, Node(node.value, node.origin, node.text, "k"), item)
    return value, [problem.problem for problem in checker.problems]


NUMBER = {"union": ["int", "str"]}
TAKEN = [
    ("str", "12345e7", "12345e7"),
    ("str", "yes", "yes"),
    ("float", "3", 3.0),
    ("any", "{a: [1, x], b: null}", {"a": [1, "x"]}),
    ("null", "null", None),
    ({"optional": "int"}, "null", None),
    ({"optional": "int"}, "3", 3),
    ({"literal": ["a", 1, True]}, "1", 1),
    ({"literal": ["a", "1"]}, "1", "1"),
    ({"list": "float"}, "[1, 2.5]", [1.0, 2.5]),
    ({"map": {"map": "float"}}, "{a: {min: 1}, b: null}", {"a": {"min": 1.0}}),
    (NUMBER, "3", 3),
    (NUMBER, "three", "three"),
    ({"component": "source"}, "{rows: 3}", {"use": "numbers", "rows": 3}),
    ({"component": "model"}, "{use: line, hidden: 3}", {"use": "line", "hidden": 3}),
]


@pytest.mark.parametrize(("kind", "text", "expected"), TAKEN, ids=[str(t[:2]) for t in TAKEN])
def test_a_fitting_value_is_taken(kind: Any, text: str, expected: Any) -> None:
    value, problems = checked(kind, text)
    assert (value, type(value), problems) == (expected, type(expected), [])


REFUSED = [
    ("int", "true", "`k` takes a whole number, not true"),
    ("int", "3.5", "`k` takes a whole number, not 3.5"),
    ("bool", "1", "`k` takes true or false, not 1"),
    ("str", "[a]", "`k` takes text, not a list"),
    ("str", "null", "`k` takes text, not null"),
    ("float", ".inf", "`k` takes a number, not .inf"),
    ("any", "{a: .nan}", "`` takes a number, not .nan"),
    ("null", "1", "`k` takes null, not 1"),
    ({"literal": ["a", "b"]}, "c", "`k` takes one of a, b, not c"),
    ({"literal": [1]}, "true", "`k` takes one of 1, not true"),
    ({"list": "int"}, "3", "`k` takes a list, each item a whole number, not 3"),
    ({"map": "int"}, "[1]", "`k` takes a mapping, each value a whole number, not a list"),
    ({"union": ["int", "bool"]}, "x", "`k` takes a whole number or true or false, not x"),
    ({"component": "model"}, "3", "`k` takes a model, not 3"),
    ({"component": "model"}, "{hidden: 3}", "`k` does not say which model it is"),
    ({"component": "model"}, "{use: nothing}", "there is no model 'nothing'"),
    ({"optional": {"component": "model"}}, "line", "`k` takes a model, not line"),
]


@pytest.mark.parametrize(("kind", "text", "problem"), REFUSED, ids=[str(r[:2]) for r in REFUSED])
def test_another_value_is_refused_in_words(kind: Any, text: str, problem: str) -> None:
    value, problems = checked(kind, text)
    assert problems == [problem]
    assert value is GONE or kind == "any"


def test_keys_without_use_change_the_default_component() -> None:
    default = {"use": "line", "hidden": 4, "bias": False}
    expected = {"use": "line", "hidden": 5, "bias": False}
    assert checked({"component": "model"}, "{hidden: 5}", default)[0] == expected


def test_a_required_field_that_is_missing_is_told() -> None:
    value, problems = checked({"component": "trainer"}, "{use: default, model: {use: line}}")
    assert problems == ["`k.optimizer` must be given: an optimizer"]
    assert value["use"] == "default"


def test_the_same_problem_is_told_once() -> None:
    checker = Checker(Index(()))
    for _ in range(2):
        checker.value("int", Node("x", "f.yaml:1", path="k"))
    assert len(checker.problems) == 1


KINDS = st.recursive(
    st.sampled_from(["str", "int", "float", "bool", "any", "null"])
    | st.builds(lambda v: {"literal": v}, st.lists(st.integers() | st.text(), min_size=1)),
    lambda inner: st.builds(lambda key, kind: {key: kind}, st.sampled_from(["list", "map"]), inner),
    max_leaves=4,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
)


def tree(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: tree(inner) for key, inner in value.items()}, "f.yaml:1")
    if isinstance(value, list):
        return Node([tree(inner) for inner in value], "f.yaml:1")
    return Node(value, "f.yaml:1")


@given(KINDS, VALUES)
def test_any_value_is_taken_or_told(kind: Any, value: Any) -> None:
    checker = Checker(INDEX)
    taken = checker.value(kind, tree(value))
    assert (taken is GONE) <= bool(checker.problems)
    assert words(kind)
