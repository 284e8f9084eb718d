"""Optuna's samplers over a sweep's history: the only file that imports Optuna.

Every ask makes a study in memory with a fresh sampler, so nothing is remembered between asks.
Finite domains go over as indices, which keeps the types of their values.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.sweep.space import Choices, Domain, Int, Space
from aidn_pipeline.sweep.trial import History, Trial


def ask_tpe(
    space: Space, history: History, *, seed: int, num_candidates: int, multivariate: bool
) -> dict[str, JSON]:
    """The proposal of Optuna's TPE.

    Args:
        space: what is searched; not empty.
        history: with at least one final value.
        seed: 32 bits; the same arguments give the same proposal.
        num_candidates: draws among which the best is taken.
        multivariate: one density over all params.
    """
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=0,
        n_ei_candidates=num_candidates,
        multivariate=multivariate,
        constant_liar=True,
    )
    distributions = {path: _distribution(domain) for path, domain in space.domains.items()}
    with _quiet():
        study = optuna.create_study(
            sampler=sampler, direction="minimize" if history.mode == "min" else "maximize"
        )
        for trial in history.trials:
            if space.contains(trial.params):
                study.add_trial(_frozen(trial, space, distributions, history))
        asked = study.ask(distributions).params
    return {path: _from_optuna(domain, asked[path]) for path, domain in space.domains.items()}


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choices):
        if domain.ordered:
            return IntDistribution(0, domain.size - 1)
        return CategoricalDistribution(tuple(range(domain.size)))
    if isinstance(domain, Int) and domain.step == 1:
        return IntDistribution(domain.low, domain.high, log=domain.log)
    if domain.size is not None:
        return IntDistribution(0, domain.size - 1)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _is_index(domain: Domain) -> bool:
    return domain.size is not None and not (isinstance(domain, Int) and domain.step == 1)


def _to_optuna(domain: Domain, value: JSON) -> int | float:
    if _is_index(domain):
        at = domain.index(value)
        assert at is not None
        return at
    assert isinstance(value, (int, float))
    return value


def _from_optuna(domain: Domain, value: float) -> JSON:
    return domain.pick(int(value)) if _is_index(domain) else value


def _frozen(
    trial: Trial, space: Space, distributions: dict[str, BaseDistribution], history: History
) -> FrozenTrial:
    params = {
        path: _to_optuna(domain, trial.params[path]) for path, domain in space.domains.items()
    }
    if trial.state == "running":
        return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
    value = history.worst_value if trial.value is None else trial.value
    if trial.state == "stopped":
        steps = {s.epoch: s.value for s in trial.segments if s.value is not None}
        return create_trial(
            state=TrialState.PRUNED,
            params=params,
            distributions=distributions,
            intermediate_values=steps,
        )
    return create_trial(params=params, distributions=distributions, value=value)


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
