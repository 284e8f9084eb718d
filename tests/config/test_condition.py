"""The language of `when`: what a condition comes to, and what it says of a mistake."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.config.condition import decide
from aidn_pipeline.errors import ConfigError

VALUES = {"epochs": 10, "model.use": "mlp", "smoke": False, "none": None, "list": [1, 2], "lr": 0.1}


def value_of(name: str) -> Any:
    if name not in VALUES:
        raise ConfigError(f"nothing called {name}", where="f.yaml:1")
    return VALUES[name]


HOLDS = [
    ("epochs > 5", True),
    ("epochs >= 10 and epochs <= 10", True),
    ("epochs < 10 or epochs != 10", False),
    ("model.use == 'mlp'", True),
    ('model.use in ["cnn", "mlp"]', True),
    ("model.use not in ['cnn', 'mlp']", False),
    ("not smoke", True),
    ("not (smoke or epochs == 10)", False),
    ("none == null", True),
    ("1 in list", True),
    ("3 in list", False),
    ("true", True),
    ("smoke == false", True),
    ("lr == 1e-1", True),
    ("epochs == 10.0", True),
    ("'a' < 'b'", True),
    ("-1 < epochs", True),
    ("smoke == 0", False),
    ("smoke and smoke or not smoke", True),
    ("not smoke and smoke", False),
]


@pytest.mark.parametrize(("text", "expected"), HOLDS, ids=[text for text, _ in HOLDS])
def test_a_condition_comes_to(text: str, expected: bool) -> None:
    assert decide(text, value_of, "f.yaml:1").holds is expected


REFUSED = [
    ("", "ends too early"),
    ("epochs >", "ends too early"),
    ("epochs > 5 epochs", "cannot be read at 'epochs'"),
    ("(epochs > 5", "ends too early"),
    ("epochs = 5", "cannot be read at '= 5'"),
    ("epochs", "the condition is 10, not true or false"),
    ("smoke and epochs", "what stands after `and` is 10"),
    ("epochs or smoke", "what stands before `or` is 10"),
    ("model.use > 3", "compares what has no order"),
    ("smoke > false", "compares what has no order"),
    ("1 in epochs", "looks into what is no list"),
    ("epochs not 3", "cannot be read at '3'"),
    ("[1, 2", "ends too early"),
    ("and smoke", "cannot be read at 'and'"),
    ("missing == 3", "nothing called missing"),
    ("smoke or missing == 3", "nothing called missing"),
    ("__import__('os')", "nothing called __import__"),
    ("not " * 60 + "smoke", "nested too deep"),
    ("(" * 60 + "smoke", "nested too deep"),
    ("smoke or " * 300 + "smoke", "more than 2,000 characters"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=[text[:30] for text, _ in REFUSED])
def test_a_mistake_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        decide(text, value_of, "f.yaml:1")
    assert problem in raised.value.problem
    assert raised.value.where == "f.yaml:1"


def test_the_reason_names_the_values_it_looked_at() -> None:
    verdict = decide("epochs > 50 and model.use == 'mlp'", value_of, "f.yaml:1")
    assert verdict.said("epochs > 50 and model.use == 'mlp'") == (
        "`when: epochs > 50 and model.use == 'mlp'` is false: epochs is 10, model.use is \"mlp\""
    )


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> str:
    """Conditions that Python reads in the same way."""
    if depth == 0 or draw(st.booleans()):
        sign = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
        left, right = draw(st.sampled_from([("epochs", "9"), ("epochs", "10"), ("lr", "0.1")]))
        return f"{left} {sign} {right}"
    left, right = draw(conditions(depth - 1)), draw(conditions(depth - 1))
    join = draw(st.sampled_from(["{} and {}", "{} or {}", "not ({} or {})", "({} and {})"]))
    return join.format(left, right)


@settings(deadline=None)
@given(conditions())
def test_and_or_and_not_bind_as_in_python(text: str) -> None:
    expected = eval(text, {"epochs": 10, "lr": 0.1})
    assert decide(text, value_of, "here").holds is expected


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_decided_or_refused(text: str) -> None:
    try:
        verdict = decide(text, value_of, "here").holds
    except ConfigError:
        return
    assert verdict in (True, False)
