"""Samplers: pure, inside the space, and TPE earns its keep."""

import copy
import math
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.core.fingerprint import derive_seed
from aidn_pipeline.errors import WrongType
from aidn_pipeline.sweep.protocols import Sampler
from aidn_pipeline.sweep.samplers.grid import GridSampler
from aidn_pipeline.sweep.samplers.random import RandomSampler
from aidn_pipeline.sweep.samplers.tpe import TPESampler
from aidn_pipeline.sweep.space import Choices, Float, Int, Space
from aidn_pipeline.sweep.trial import History, Segment, Trial

SPACE = Space(
    {
        "lr": Float(low=1e-4, high=1.0, log=True),
        "dropout": Float(low=0.0, high=0.6, step=0.2),
        "layers": Int(low=1, high=9, step=2),
        "width": Int(low=8, high=128, log=True),
        "kind": Choices(choices=(1, 1.0, True, "1", None)),
        "size": Choices(choices=(16, 32, 64), ordered=True),
    }
)
SAMPLERS: list[Sampler] = [
    RandomSampler(),
    TPESampler(num_startup=2),
    TPESampler(num_startup=2, multivariate=False),
    GridSampler(num=2),
    GridSampler(num=2, shuffle=True),
]


def trial(number: int, params: Mapping[str, Any], value: float | None, state: Any) -> Trial:
    segments = () if state == "running" else (Segment(1, 1, value),)
    return Trial(
        number=number,
        params=params,
        lane=0,
        start=0,
        budget=1 if state != "stopped" else 2,
        to=1,
        state=state,
        segments=segments,
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Trials in all states."""
    trials = []
    for number in range(draw(st.integers(0, 12))):
        params = SPACE.sample(np.random.default_rng(draw(st.integers(0, 2**31))))
        state = draw(st.sampled_from(["complete", "complete", "failed", "stopped", "running"]))
        value = None if state in ("failed", "running") else draw(st.floats(-1e3, 1e3))
        trials.append(trial(number, params, value, state))
    return History(draw(st.sampled_from(["min", "max"])), tuple(trials))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@given(history=histories(), seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_equal_arguments_give_equal_params_inside_the_space(
    sampler: Sampler, history: History, seed: int
) -> None:
    before = copy.deepcopy(sampler)
    again = History(history.mode, history.trials)
    params = sampler.propose(SPACE, history, np.random.default_rng(seed))
    assert params == sampler.propose(SPACE, again, np.random.default_rng(seed))
    assert sampler == before
    if params is not None:
        assert list(params) == sorted(SPACE.domains)
        assert SPACE.contains(params) or isinstance(sampler, GridSampler)


def loss(params: Mapping[str, Any]) -> float:
    return float(
        (params["x"] - 0.7) ** 2 + (params["y"] + 0.3) ** 2 + (math.log10(params["z"]) + 2) ** 2
    )


def best_after(sampler: Sampler, seed: int, num_trials: int) -> float:
    space = Space(
        {
            "x": Float(low=-2, high=2),
            "y": Float(low=-2, high=2),
            "z": Float(low=1e-5, high=1, log=True),
        }
    )
    trials: list[Trial] = []
    for number in range(num_trials):
        rng = np.random.default_rng(derive_seed(seed, "trial", number, "propose"))
        params = sampler.propose(space, History("min", tuple(trials)), rng)
        assert params is not None
        trials.append(trial(number, params, loss(params), "complete"))
    return min(t.value for t in trials if t.value is not None)


def test_tpe_finds_a_quadratic_s_minimum_better_than_random_draws() -> None:
    tpe = [best_after(TPESampler(num_startup=10), seed, 40) for seed in range(7)]
    random = [best_after(RandomSampler(), seed, 40) for seed in range(7)]
    assert median(tpe) < 0.5 * median(random)


def test_tpe_learns_from_failed_trials_to_stay_away() -> None:
    space = Space({"x": Float(low=0, high=1)})
    trials = [
        trial(n, {"x": x}, None if x > 0.5 else 1.0, "failed" if x > 0.5 else "complete")
        for n, x in enumerate(np.linspace(0, 1, 21).tolist())
    ]
    trials.append(trial(21, {"x": 0.2}, 0.1, "complete"))
    history = History("min", tuple(trials))
    draws: list[Any] = [
        TPESampler().propose(space, history, np.random.default_rng(seed))["x"] for seed in range(20)
    ]
    assert sum(x < 0.5 for x in draws) >= 18


def test_grid_gives_every_point_once_and_then_none() -> None:
    space = Space({"a": Choices(choices=("x", "y")), "b": Int(low=1, high=3)})
    for sampler in (GridSampler(), GridSampler(shuffle=True)):
        trials: list[Trial] = []
        rng = np.random.default_rng(0)
        while (params := sampler.propose(space, History("min", tuple(trials)), rng)) is not None:
            trials.append(trial(len(trials), dict(params), 1.0, "complete"))
        assert len({(t.params["a"], t.params["b"]) for t in trials}) == len(trials) == 6


@pytest.mark.parametrize("make", [lambda: TPESampler(num_startup=0), lambda: GridSampler(num=0)])
def test_a_field_out_of_range_is_a_typed_error(make: Callable[[], Sampler]) -> None:
    with pytest.raises(WrongType):
        make()
