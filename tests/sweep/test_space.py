"""Spaces: what is written, what it means, and every mistake with its place."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sweeps import INDEX, ToyTrainer

from aidn_pipeline.core.describe import describe
from aidn_pipeline.errors import ConfigProblems, UnknownComponent, UnknownKey, WrongType
from aidn_pipeline.sweep.parse import field_type_at, parse_domain, parse_space, read_space
from aidn_pipeline.sweep.space import Choices, Domain, Float, Int, Space

TRIAL = describe(ToyTrainer())
UNIT = st.floats(0, 1, exclude_max=True)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """Domains of every form."""
    form = draw(st.sampled_from(["float", "log", "step", "int", "intlog", "choices"]))
    if form == "choices":
        values = draw(st.lists(st.integers() | st.text() | st.booleans(), min_size=1, max_size=5))
        distinct = {(type(v), v): v for v in values}
        return Choices(choices=tuple(distinct.values()), ordered=draw(st.booleans()))
    if form in ("int", "intlog"):
        low = draw(st.integers(1, 100))
        high = low + draw(st.integers(0, 100))
        step = 1 if form == "intlog" else draw(st.integers(1, 7))
        return Int(low=low, high=high, log=form == "intlog", step=step)
    low_f = draw(st.floats(1e-6, 10))
    high_f = low_f + draw(st.floats(1e-3, 10))
    step_f = draw(st.floats(1e-2, 1)) if form == "step" else None
    return Float(low=low_f, high=high_f, log=form == "log", step=step_f)


@given(domains(), UNIT)
def test_a_draw_is_inside(domain: Domain, u: float) -> None:
    assert domain.contains(domain.at(u))


@given(domains(), st.data())
def test_index_is_the_inverse_of_pick(domain: Domain, data: st.DataObject) -> None:
    if domain.size is not None:
        index = data.draw(st.integers(0, domain.size - 1))
        assert domain.index(domain.pick(index)) == index


@given(st.dictionaries(st.text(min_size=1, max_size=3), domains(), max_size=3))
def test_the_complete_form_reads_back(spaces: dict[str, Domain]) -> None:
    space = Space(spaces)
    trial = dict.fromkeys(spaces, None)
    paths = {path for path in spaces if "." not in path}
    flat = {path: space.to_json()[path] for path in paths}
    assert read_space(flat, trial) == Space({path: spaces[path] for path in paths})


@given(st.dictionaries(st.sampled_from("abc"), domains(), max_size=3), st.integers(1, 4))
def test_a_grid_has_its_points_once_inside_the_space(spaces: dict[str, Domain], num: int) -> None:
    grid = Space(spaces).grid(num)
    assert grid.size is not None
    points = [grid.point(i) for i in range(min(grid.size, 50))]
    assert len({repr(point) for point in points}) == len(points)
    for point in points:
        for path, value in point.items():
            domain = spaces[path]
            assert domain.contains(value)


def test_a_grid_holds_both_ends() -> None:
    grid = Space({"lr": Float(low=1e-4, high=1.0, log=True)}).grid(5)
    points = [grid.point(i)["lr"] for i in range(5)]
    assert (points[0], points[-1]) == (1e-4, 1.0)
    assert points == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])


def parse(**space: Any) -> Space:
    value = {path.replace("__", "."): domain for path, domain in space.items()}
    return parse_space(value, index=INDEX, group="trainer", trial=TRIAL, where="stages.tune.space")


def test_the_field_s_annotation_decides_between_whole_and_real_numbers() -> None:
    space = parse(optimizer__lr={"low": 0, "high": 1}, layers={"low": 1.0, "high": 6.0})
    assert space.domains == {"layers": Int(low=1, high=6), "optimizer.lr": Float(low=0.0, high=1.0)}


def test_an_optional_field_is_searched_by_its_inner_type() -> None:
    space = parse(optimizer__momentum=[0, 0.9, None])
    assert space.domains["optimizer.momentum"] == Choices(choices=(0.0, 0.9, None))


def test_the_short_form_is_a_list_of_choices() -> None:
    assert parse(layers=[2, 4]) == parse(layers={"choices": [2, 4]})


def test_any_takes_every_value_of_a_literal() -> None:
    assert parse(optimizer__kind="any").domains["optimizer.kind"] == Choices(
        choices=("sgd", "adam")
    )


def test_a_choice_of_a_component_is_completed() -> None:
    (first,) = parse(optimizer=["toy"]).domains["optimizer"].choices  # type: ignore[union-attr]
    assert first == {"use": "toy", "lr": 0.01, "momentum": None, "kind": "sgd"}


def test_a_removed_key_is_left_out() -> None:
    assert parse(layers=None) == Space({})


def test_both_readers_agree() -> None:
    value = {"optimizer.lr": {"low": 0, "high": 1}, "layers": [1, 2]}
    assert parse_space(value, index=INDEX, group="trainer", trial=TRIAL) == read_space(value, TRIAL)


@pytest.mark.parametrize(
    ("space", "error", "place", "hint"),
    [
        ({"layrs": [1]}, UnknownKey, "layrs", "layers"),
        ({"optimizer__momentun": [1]}, UnknownKey, "optimizer.momentun", "optimizer.momentum"),
        ({"layers__x": [1]}, UnknownKey, "layers.x", "layers"),
        ({"layers": {"low": 1, "hihg": 2}}, UnknownKey, "layers.hihg", "high"),
        ({"layers": {"low": 1}}, WrongType, "layers", "high"),
        ({"layers": {"low": 3, "high": 2}}, WrongType, "layers.low", "exchange"),
        ({"layers": {"low": 1.5, "high": 2}}, WrongType, "layers.low", ""),
        ({"layers": {"low": 1, "high": 4, "step": 0}}, WrongType, "layers.step", ""),
        ({"layers": {"low": 1, "high": 4, "log": 1}}, WrongType, "layers.log", ""),
        ({"optimizer__lr": {"low": 0, "high": 1, "log": True}}, WrongType, "optimizer.lr.low", ""),
        ({"optimizer__lr": {"low": "1e-3", "high": 1}}, WrongType, "optimizer.lr.low", "1.0e-3"),
        ({"layers": {"choices": []}}, WrongType, "layers.choices", ""),
        ({"layers": [1, 1]}, WrongType, "layers.choices[1]", ""),
        ({"layers": [1, 2.5]}, WrongType, "layers.choices[1]", ""),
        ({"layers": [1, True]}, WrongType, "layers.choices[1]", ""),
        ({"layers": 3}, WrongType, "layers", "low"),
        ({"layers": "any"}, WrongType, "layers", "choices"),
        ({"optimizer__kind": {"low": 1, "high": 2}}, WrongType, "optimizer.kind", "choices"),
        ({"optimizer__kind": ["sgd", "rms"]}, WrongType, "optimizer.kind.choices[1]", ""),
        ({"optimizer": [3]}, WrongType, "optimizer.choices[0]", ""),
        ({"optimizer": ["tooy"]}, UnknownComponent, "optimizer.choices[0]", "toy"),
    ],
)
def test_a_mistake_is_a_typed_error_with_its_place(
    space: dict[str, Any], error: type[Exception], place: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        parse(**space)
    assert caught.value.where == f"stages.tune.space.{place}"  # type: ignore[attr-defined]
    assert hint in caught.value.problem + caught.value.remedy  # type: ignore[attr-defined]


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigProblems) as caught:
        parse(layrs=[1], layers={"low": 3, "high": 2})
    assert len(caught.value.problems) == 2


def test_a_component_and_a_field_inside_it_are_not_both_searched() -> None:
    with pytest.raises(WrongType, match="lies inside"):
        parse(optimizer=["toy"], optimizer__lr=[0.1])


def test_the_type_of_a_path_is_its_field_s() -> None:
    assert field_type_at(INDEX, "trainer", TRIAL, "optimizer.lr") == "float"


def test_a_domain_for_a_union_takes_its_number() -> None:
    kind = {"union": ["str", "float"]}
    assert parse_domain({"low": 0, "high": 1}, kind, where="x") == Float(low=0.0, high=1.0)


@pytest.mark.parametrize(
    ("written", "kind", "wanted"),
    [
        ([0, 1], "any", Choices(choices=(0, 1))),
        ({"low": 1, "high": 3}, "any", Int(low=1, high=3)),
        ({"low": 1, "high": 3, "step": 0.5}, "any", Float(low=1.0, high=3.0, step=0.5)),
        ({"low": 1, "high": 3}, {"union": ["int", "float"]}, Int(low=1, high=3)),
        ([[1, 2], [3]], {"list": "int"}, Choices(choices=([1, 2], [3]))),
        ([{"a": 1}], {"map": "int"}, Choices(choices=({"a": 1},))),
        ("any", "bool", Choices(choices=(False, True))),
        (["a", None], {"optional": "str"}, Choices(choices=("a", None))),
    ],
)
def test_a_domain_follows_the_type_of_its_field(written: Any, kind: Any, wanted: Domain) -> None:
    assert parse_domain(written, kind, where="x") == wanted


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"type": "normal", "low": 1, "high": 2}, "x.type"),
        ({"choices": [1], "ordered": 1}, "x.ordered"),
        ({"low": 0.1, "high": 1.0, "log": True, "step": 0.1}, "x.step"),
    ],
)
def test_a_domain_that_contradicts_itself_is_refused(written: Any, place: str) -> None:
    with pytest.raises(WrongType) as caught:
        parse_domain(written, "any", where="x")
    assert caught.value.where == place


def test_a_path_through_a_mapping_is_a_field_like_any_other() -> None:
    trial = {"use": "toy", "metrics": {"acc": {"top": 1}}}
    assert read_space({"metrics.acc.top": [1, 2]}, trial).size == 2


def test_the_size_of_a_space_is_the_product_of_its_domains() -> None:
    assert Space({"a": Int(low=1, high=3), "b": Choices(choices=(1, 2))}).size == 6
    assert Space({"a": Float(low=0, high=1)}).size is None
    assert Space({"a": Float(low=2, high=2)}).sample(np.random.default_rng(0)) == {"a": 2}
