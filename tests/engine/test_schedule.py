"""What starts when: never over the budget, never a mutex twice, nothing idle, nothing forgotten."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.core.pipeline import Claim
from aidn_pipeline.engine.schedule import Budget, Candidate, Front, choose, urgencies

BUDGET = Budget(cpu=4, gpu=1, memory=100)
claims = st.builds(
    Claim,
    cpu=st.sampled_from([0.0, 0.5, 1.0, 3.0, 4.0]),
    gpu=st.integers(0, 1),
    memory=st.integers(0, 100),
    mutex=st.lists(st.sampled_from("ab"), unique=True).map(tuple),
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[Claim, set[str], int]]:
    """Claim, needs and duration by name, each after what it needs."""
    found: dict[str, tuple[Claim, set[str], int]] = {}
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.sampled_from(sorted(found)))) if found else set()
        found[f"s{number}"] = draw(claims), needs, draw(st.integers(1, 5))
    return found


def together(held: list[Claim]) -> tuple[float, int, int]:
    return sum(c.cpu for c in held), sum(c.gpu for c in held), sum(c.memory for c in held)


def fits(held: list[Claim]) -> bool:
    names = [name for claim in held for name in claim.mutex]
    cpu, gpu, memory = together(held)
    within = cpu <= BUDGET.cpu and gpu <= BUDGET.gpu and memory <= BUDGET.memory
    return within and len(set(names)) == len(names)


@settings(deadline=None)
@given(graphs(), st.integers(1, 4))
def test_every_stage_runs_once_within_the_budget_after_what_it_needs(graph, slots):
    front = Front({name: needs for name, (_, needs, _) in graph.items()})
    waiting: list[str] = []
    ends: dict[str, int] = {}
    done: list[str] = []
    clock = 0
    while front or waiting or ends:
        while front:
            waiting.append(front.take())
        held = [graph[name][0] for name in ends]
        chosen = choose(
            [Candidate(name=n, claim=graph[n][0]) for n in waiting], held, BUDGET, slots
        )
        for name in chosen:
            assert graph[name][1] <= set(done)
            waiting.remove(name)
            ends[name] = clock + graph[name][2]
        held = [graph[name][0] for name in ends]
        assert fits(held)
        assert len(held) <= slots
        # Work-conserving: what is left waiting would not fit.
        assert len(held) == slots or not any(fits([*held, graph[n][0]]) for n in waiting)
        clock = min(ends.values())
        for name in [n for n, end in ends.items() if end == clock]:
            del ends[name]
            done.append(name)
            front.settle(name)
    assert sorted(done) == sorted(graph)


@settings(deadline=None)
@given(graphs())
def test_with_one_slot_stages_come_in_declared_order_as_far_as_needs_allow(graph):
    front = Front({name: needs for name, (_, needs, _) in graph.items()})
    taken = []
    while front:
        taken.append(front.take())
        front.settle(taken[-1])
    assert taken == list(graph)


def test_the_longest_chain_goes_first_and_equal_ones_as_they_are_declared():
    free = Claim(cpu=0)
    found = choose(
        [
            Candidate(name="short", claim=free, urgency=1.0),
            Candidate(name="long", claim=free, urgency=9.0),
            Candidate(name="second", claim=free, urgency=1.0),
        ],
        [],
        BUDGET,
        3,
    )
    assert found == ["long", "short", "second"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"a": 1.0, "b": 5.0, "c": 2.0, "d": 1.0}, {"a": 7.0, "b": 6.0, "c": 3.0, "d": 1.0}),
        ({"a": 1.0, "b": 9.0, "c": 3.0, "d": None}, {"a": 13.0, "b": 12.0, "c": 6.0, "d": 3.0}),
        ({}, {"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0}),
    ],
    ids=["recorded", "the median for what is not", "one second where nothing is"],
)
def test_a_stage_is_as_urgent_as_the_chain_behind_it_is_long(
    seconds: Mapping[str, float | None], expected: Mapping[str, float]
):
    needs = {"a": [], "b": ["a"], "c": ["a", "elsewhere"], "d": ["b", "c"]}
    assert urgencies(needs, seconds) == expected


def test_thirds_of_a_core_fill_it():
    third = Claim(cpu=1 / 3)
    names = [Candidate(name=f"s{n}", claim=third) for n in range(4)]
    budget = Budget(cpu=1, gpu=0, memory=0)
    assert choose(names, [], budget, 9) == ["s0", "s1", "s2"]
