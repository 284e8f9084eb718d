"""What a conformance suite says: a clause is broken, or does not concern the component."""

from unittest import SkipTest

from aidn_pipeline.errors import AidnError


class ContractBroken(AidnError, AssertionError):
    """A component breaks a clause of its contract."""


def hold(condition: object, problem: str, *, where: str = "", remedy: str = "") -> None:
    """Requires a condition.

    Args:
        condition: anything; what counts is whether it is true.
        problem: what is wrong where it is not.
        where: the component, the port or the file.
        remedy: what to change in the component.

    Raises:
        ContractBroken: if the condition is not true.
    """
    __tracebackhide__ = True  # pytest shows the clause, not this function
    if not condition:
        raise ContractBroken(problem, where=where, remedy=remedy)


def does_not_concern(reason: str) -> SkipTest:
    """What to raise where a clause says nothing of a component; pytest shows it as skipped."""
    return SkipTest(reason)
