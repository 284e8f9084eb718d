"""Gates: every clause holds, or nothing passes, and the text says why."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.errors import ConfigProblems, GateNotMet, UnknownKey, WrongType
from aidn_pipeline.registry.gates import Clause, check_gate, parse_gate, refusals, shown

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_min_and_max_are_inclusive_bounds(bound: float, value: float) -> None:
    assert Clause("m", "min", bound).holds(value) == (value >= bound)
    assert Clause("m", "max", bound).holds(value) == (value <= bound)
    assert Clause("m", "equals", bound).holds(value) == (value == bound)


@pytest.mark.parametrize("bound", ["min", "max", "equals"])
def test_nan_meets_nothing(bound: str) -> None:
    clauses = parse_gate({"m": {bound: 0.5}})
    assert refusals(clauses, {"m": math.nan}, source="s")


def test_a_refusal_names_the_clause_the_value_and_the_source() -> None:
    clauses = parse_gate({"accuracy": {"min": 0.95}, "loss": {"max": 1}})
    with pytest.raises(GateNotMet) as caught:
        check_gate(clauses, {"accuracy": 0.5, "loss": 0.1}, source="metrics b3:12")
    assert (
        caught.value.problem == "the gate is not met: accuracy >= 0.95: it is 0.5 in metrics b3:12"
    )
    assert caught.value.exit_code == 4


@given(FINITE, FINITE)
def test_a_value_is_not_rounded_across_its_bound(value: float, bound: float) -> None:
    assert (float(shown(value, bound)) < bound) == (value < bound)
    assert (float(shown(value, bound)) > bound) == (value > bound)


def test_a_missing_metric_refuses_and_the_nearest_is_named() -> None:
    (text,) = refusals(parse_gate({"acuracy": {"min": 0.1}}), {"accuracy": 1.0}, source="s")
    assert "no acuracy in s (nearest: accuracy)" in text


def test_dotted_metrics_are_names_like_any_other() -> None:
    check_gate(
        parse_gate({"per_class.3.recall": {"min": 0.9}}), {"per_class.3.recall": 0.9}, source=""
    )


def test_the_empty_gate_and_a_removed_clause_let_everything_pass() -> None:
    check_gate(parse_gate({}), {}, source="")
    check_gate(parse_gate({"accuracy": None}), {}, source="")


def test_a_misspelt_bound_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownKey, match="mn") as caught:
        parse_gate({"accuracy": {"mn": 0.5}}, where="stages.register.gate")
    assert caught.value.where == "stages.register.gate.accuracy.mn"
    assert "`min`" in caught.value.remedy


@pytest.mark.parametrize("bounds", [0.95, {}, {"min": "0.95"}, {"min": True}, {"max": math.inf}])
def test_a_wrong_bound_is_a_typed_error(bounds: object) -> None:
    with pytest.raises(WrongType):
        parse_gate({"accuracy": bounds})


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigProblems) as caught:
        parse_gate({"a": 1, "b": {"mx": 1, "min": "x"}})
    assert len(caught.value.problems) == 3
