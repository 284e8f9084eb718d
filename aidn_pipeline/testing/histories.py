"""Spaces and histories for samplers and trial schedulers: of every kind of trial."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from aidn_pipeline.core.fingerprint import JSON, canonical_json
from aidn_pipeline.sweep.space import Choices, Domain, Float, Int, Space
from aidn_pipeline.sweep.trial import History, Mode, Segment, Trial

BUDGET = 4
DOMAINS: Mapping[str, Mapping[str, Domain]] = {
    "a real number": {"lr": Float(low=-1.0, high=2.0)},
    "a logarithm": {"lr": Float(low=1e-6, high=1.0, log=True)},
    "steps": {"dropout": Float(low=0.0, high=0.6, step=0.05)},
    "whole numbers": {"layers": Int(low=1, high=7, step=2)},
    "whole numbers, logarithmic": {"hidden": Int(low=1, high=512, log=True)},
    "choices": {"activation": Choices(choices=("relu", "gelu", None))},
    "choices of every type": {"x": Choices(choices=(1, 1.0, True, "1", (1, 2)), ordered=True)},
    "everything": {
        "optimizer.lr": Float(low=1e-4, high=1e-1, log=True),
        "model.layers": Int(low=1, high=4),
        "model.activation": Choices(choices=("relu", "gelu")),
    },
    "one point": {"lr": Float(low=0.5, high=0.5), "layers": Int(low=2, high=2)},
    "nothing": {},
}
SPACES: Mapping[str, Space] = {name: Space(domains) for name, domains in DOMAINS.items()}
"""Search spaces by what they hold."""


def history_of(
    space: Space,
    number: int,
    *,
    mode: Mode = "min",
    kind: Literal["complete", "mixed", "failed", "running"] = "mixed",
) -> History:
    """Trials of a space with values that have a best place in it.

    Args:
        space: what is searched.
        number: of trials.
        mode: whether small or large values are good.
        kind: `mixed` has complete, stopped, failed and running ones.
    """
    rng = np.random.default_rng(number)
    kinds = ("complete", "complete", "stopped", "failed", "running")
    trials = [
        _trial(space.sample(rng), n, kinds[n % len(kinds)] if kind == "mixed" else kind, rng)
        for n in range(number)
    ]
    return History(mode, tuple(trials))


def _trial(params: Mapping[str, JSON], number: int, kind: str, rng: np.random.Generator) -> Trial:
    base = Trial(number=number, params=params, lane=0, start=0, budget=BUDGET, to=BUDGET)
    value = float(rng.random())
    curve = [Segment(epoch, epoch, value + 1 / epoch) for epoch in range(1, BUDGET + 1)]
    if kind == "complete":
        return replace(base, state="complete", segments=tuple(curve))
    if kind == "stopped":
        return replace(base, state="stopped", to=2, segments=tuple(curve[:2]))
    if kind == "failed":
        broken = Segment(BUDGET, BUDGET, None, error="out of memory")
        return replace(base, state="failed", segments=(broken,))
    return replace(base, to=1, segments=())


def histories(space: Space) -> Sequence[History]:
    """Of every length and kind, for both modes."""
    return (
        History("min"),
        history_of(space, 3),
        history_of(space, 40),
        history_of(space, 40, mode="max"),
        history_of(space, 15, kind="failed"),
        history_of(space, 15, kind="running"),
        history_of(space, 30, kind="complete"),
    )


def with_trial(history: History, params: Mapping[str, JSON]) -> History:
    """A history and one more trial, complete, with a value that follows from its params."""
    number = len(history.trials)
    value = (len(canonical_json(dict(params))) * 7 + number) % 11 / 11
    trial = Trial(
        number=number,
        params=params,
        lane=0,
        start=0,
        budget=1,
        to=1,
        state="complete",
        segments=(Segment(1, 1, value),),
    )
    return History(history.mode, (*history.trials, trial))
