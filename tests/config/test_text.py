"""Reading config text: the values of OmegaConf, with lines and without surprises."""

import math
import string
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf._utils import get_yaml_loader

from aidn_pipeline.config.scalars import scalar
from aidn_pipeline.config.text import MAX_NODES, read_mapping, read_value
from aidn_pipeline.errors import AidnError, BudgetExceeded, ConfigError

WORDS = (  # noqa: SIM905
    "yes no on off True false ~ null Null None 0 00 08 010 0x1F -0x1 0b11 1:30 1:30.5 "
    "1_000 12345e7 1e5 1e-3 1.0E+3 1.10 .5 +.5 5. 1.e3 .inf -.inf .nan +1 -5 1__0 "
    "2020-01-01 a y n = . - e5 0o17 1e 1.2.3 "
).split()


def omegaconf_value(text: str) -> Any:
    return yaml.load(f"k: {text}", Loader=get_yaml_loader())["k"]  # noqa: TID251


@pytest.mark.parametrize("word", [w for w in WORDS if w not in ("=", "-")])
def test_a_word_means_what_omegaconf_reads(word: str) -> None:
    assert repr(scalar(word)) == repr(omegaconf_value(word))


@given(st.text(string.digits + "+-._:exob", min_size=1, max_size=8))
def test_any_numeric_word_means_what_omegaconf_reads(word: str) -> None:
    try:
        expected = omegaconf_value(word)
    except (yaml.YAMLError, ValueError, TypeError):
        return
    if isinstance(expected, (dict, list)):
        return
    assert repr(scalar(word)) == repr(expected)


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(" ab:#'-[{\n\té", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(string.ascii_uppercase, min_size=1, max_size=5), TREES, max_size=4))
def test_what_yaml_writes_is_read_back(tree: dict[str, Any]) -> None:
    assert read_mapping(yaml.safe_dump(tree), "f.yaml").plain() == tree


def refusal(read: Callable[[], object]) -> AidnError | None:
    try:
        read()
    except AidnError as problem:
        return problem
    return None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_typed_error(text: str) -> None:
    problem = refusal(lambda: read_mapping(text, "f.yaml"))
    assert problem is None or (problem.exit_code, problem.where[:6]) == (2, "f.yaml")


@given(st.text(max_size=60))
def test_any_value_is_read_or_refused_with_a_typed_error(text: str) -> None:
    problem = refusal(lambda: read_value(text, "override k=v"))
    assert problem is None or problem.where == "override k=v"


def test_a_value_knows_the_line_of_its_key() -> None:
    node = read_mapping("a:\n  b:\n    - 1\n    - 2\n", "f.yaml")
    b = node.value["a"].value["b"]
    assert (b.origin, b.value[1].origin) == ("f.yaml:2", "f.yaml:4")


def test_keys_are_words_never_values() -> None:
    assert list(read_mapping("on: 1\n1: 2\nnull: 3\n", "f.yaml").value) == ["on", "1", "null"]


def test_an_alias_and_a_merge_key_are_followed() -> None:
    node = read_mapping("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n", "f.yaml")
    assert node.plain() == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    "text",
    [
        "a: [" + "x, " * (MAX_NODES + 1) + "]",
        "a: &a [" + "x, " * 400 + "]\nb: [" + "*a, " * 300 + "]",
        "a: " + "{a: " * 70 + "1" + "}" * 70,
        "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
        "a: " + "[" * 100_000,
    ],
    ids=["nodes", "aliases", "depth", "depth by alias", "brackets"],
)
def test_what_expands_too_far_is_refused(text: str) -> None:
    with pytest.raises(BudgetExceeded):
        read_mapping(text, "f.yaml")


@pytest.mark.parametrize(
    "text", ["- 1", "word", "a: &a [*a]", "a: *b", "? [1]\n: 2", "<<: 3", "a: 1\n---\nb: 2"]
)
def test_what_is_no_plain_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_mapping(text, "f.yaml")


def test_a_number_of_thousands_of_digits_is_a_word() -> None:
    assert scalar("1" * 5000) == "1" * 5000


def test_infinities_are_read() -> None:
    value = scalar("-.INF")
    assert isinstance(value, float)
    assert math.isinf(value)
