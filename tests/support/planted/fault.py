"""A component with one fault, and what must notice it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import SkipTest

from aidn_pipeline.core.component import mark_of


@dataclass(frozen=True)
class Fault:
    """A suite over a component that breaks one clause.

    Attributes:
        clause: that must fail.
        suite: derived, with `make`.
        also: clauses that cannot but fail with it.
    """

    clause: str
    suite: type
    also: tuple[str, ...] = ()


def planted(suite: type, clause: str, make: Any, also: tuple[str, ...] = (), **told: Any) -> Fault:
    """A fault; what is told beside it becomes attributes of the suite.

    A class without `@component` is called where the suite asks for what it tests.
    """
    name = "".join(part.title() for part in clause.removeprefix("test_").split("_"))
    bare = isinstance(make, type) and mark_of(make) is None
    if clause != "test_another_process_gives_the_same_bytes":
        told = {"another_process": False, **told}  # a fresh interpreter takes a second to start
    attributes = {"make": staticmethod(make if bare else lambda: make), **told}
    return Fault(clause, type(name, (suite,), attributes), also)


def clauses_of(suite: type) -> Iterator[str]:
    """Names of a suite's clauses."""
    return (name for name in sorted(dir(suite)) if name.startswith("test_"))


def outcomes(suite: type, folder: Path) -> dict[str, Exception]:
    """What each clause that fails raises."""
    failed: dict[str, Exception] = {}
    for clause in clauses_of(suite):
        method = getattr(suite(), clause)
        place = folder / clause[:40]
        place.mkdir()
        try:
            method(*([place] if "tmp_path" in method.__code__.co_varnames else []))
        except SkipTest:
            continue
        except Exception as error:  # noqa: BLE001 - what it is, is what is asked
            failed[clause] = error
    return failed
