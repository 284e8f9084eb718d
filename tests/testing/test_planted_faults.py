"""A component with one fault fails the clause about it, and no other."""

import importlib
import inspect
import pkgutil

import pytest
from support.planted import learning, networks, searching, sources, stages
from support.planted.fault import Fault, clauses_of, outcomes

from aidn_pipeline import testing
from aidn_pipeline.errors import AidnError
from aidn_pipeline.testing.clauses import ContractBroken

FAULTS: list[Fault] = [
    *stages.FAULTS,
    *sources.FAULTS,
    *networks.FAULTS,
    *learning.FAULTS,
    *searching.FAULTS,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.suite.__name__)
def test_a_fault_fails_its_clause_and_no_other(fault, tmp_path):
    failed = outcomes(fault.suite, tmp_path)
    assert set(failed) == {fault.clause, *fault.also}, failed
    error = failed[fault.clause]
    assert isinstance(error, ContractBroken)
    assert error.problem
    assert isinstance(error, AssertionError)
    assert isinstance(error, AidnError)


def suites() -> list[type]:
    """Every suite that is shipped."""
    modules = [
        importlib.import_module(f"{testing.__name__}.{found.name}")
        for found in pkgutil.iter_modules(testing.__path__)
    ]
    found = {v for m in modules for v in vars(m).values() if inspect.isclass(v)}
    return sorted((c for c in found if c.__name__.endswith("Suite")), key=lambda c: c.__name__)


@pytest.mark.parametrize("suite", suites())
def test_every_clause_of_every_suite_has_a_fault(suite):
    told = {getattr(fault.suite, fault.clause) for fault in FAULTS}
    assert [c for c in clauses_of(suite) if getattr(suite, c) not in told] == []
