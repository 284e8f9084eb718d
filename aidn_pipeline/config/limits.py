"""Keys that say how a stage is run, and not what it makes: what it claims, how long, how often."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.config.check import GONE, Checker, shown, where
from aidn_pipeline.config.tree import Node
from aidn_pipeline.core.index import FieldSpec
from aidn_pipeline.core.pipeline import Claim, Retries
from aidn_pipeline.errors import WrongType

UNITS: Mapping[str, int] = {
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)},
}
SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]+)")
NAME = re.compile(r"[A-Za-z_]\w*")

AMOUNTS = (
    FieldSpec(name="cpu", type="float", default=1.0, least=0, doc="cores"),
    FieldSpec(name="gpu", type="int", default=0, least=0, doc="whole devices"),
    FieldSpec(
        name="memory",
        type={"union": ["int", "str"]},
        default=0,
        doc="such as 2GB (1000s), 2GiB (1024s), or a number of bytes",
    ),
)
"""What a run has, and a stage claims."""
CLAIM = (
    *AMOUNTS,
    FieldSpec(
        name="mutex",
        type={"list": "str"},
        default=[],
        doc="names; two stages with one in common never run at the same time",
    ),
)
RETRIES = (
    FieldSpec(name="times", type="int", required=True, least=0, doc="tries after the first one"),
    FieldSpec(
        name="backoff_s",
        type="float",
        default=1.0,
        least=0,
        doc="seconds before the second try, twice as long before each further one",
    ),
    FieldSpec(
        name="on",
        type={"list": "str"},
        default=[],
        doc="names of the errors that are worth another try; without it any failure is",
    ),
)
TIMEOUT = FieldSpec(
    name="timeout_s", type="float", least=0.001, doc="seconds after which a try is ended"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a stage is run; none of it is part of a fingerprint."""

    resources: Claim
    timeout_s: float | None
    retries: Retries


def read_limits(node: Node, checker: Checker) -> Limits:
    """What a stage says of how it is run; problems are reported.

    Args:
        node: the resolved stage.
        checker: takes the problems.
    """
    claim = read_amounts(node.get("resources"), CLAIM, checker)
    timeout = _given(node.get("timeout_s"))
    limit = checker.value("float", timeout, TIMEOUT) if timeout is not None else None
    return Limits(
        resources=Claim(**{**claim, "mutex": tuple(claim.get("mutex", ()))}),
        timeout_s=None if limit is GONE else limit,
        retries=_retries(_given(node.get("retries")), checker),
    )


def read_amounts(node: Node | None, known: Sequence[FieldSpec], checker: Checker) -> dict[str, Any]:
    """What is claimed, or there is, by key; memory in bytes. Problems are reported.

    Args:
        node: the resolved mapping, if there is one.
        known: its keys.
        checker: takes the problems.
    """
    node = _given(node)
    if node is None:
        return {}
    if not node.is_mapping:
        keys = ", ".join(f"{item.name}: ..." for item in known)
        _report(node, "a mapping", f"write `{{{keys}}}` with the keys that matter", checker)
        return {}
    written = _written(node, known)
    found = checker.fields(known, written, node)
    if "memory" in found:
        size = size_in_bytes(found["memory"])
        if size is None:
            units = "KB, MB, GB, TB, KiB, MiB, GiB and TiB"
            _report(written["memory"], "a size", f"write such as 2GB; units: {units}", checker)
            del found["memory"]
        else:
            found["memory"] = size
    return found


def size_in_bytes(value: int | str) -> int | None:
    """A size with or without its unit, in bytes; None if it is none."""
    if isinstance(value, int):
        return value if value >= 0 else None
    found = SIZE.fullmatch(value.strip())
    unit = UNITS.get(found["unit"]) if found else None
    return int(float(found["number"]) * unit) if found and unit else None


def _retries(node: Node | None, checker: Checker) -> Retries:
    if node is None:
        return Retries()
    if not node.is_mapping:
        times = checker.value("int", node, RETRIES[0])
        return Retries() if times is GONE else Retries(times=times)
    written = _written(node, RETRIES)
    found = checker.fields(RETRIES, written, node)
    for name in found.get("on", ()):
        if not NAME.fullmatch(name):
            bare = name.rpartition(".")[2] or "ConnectionError"
            checker.report(
                WrongType(
                    f"`{node.path}.on` takes the names of errors, not {name!r}",
                    where=where(written["on"]),
                    remedy=f"write `{bare}`, without its module",
                )
            )
    return Retries(**{**found, "on": tuple(found.get("on", ()))}) if "times" in found else Retries()


def _written(node: Node, known: Sequence[FieldSpec]) -> dict[str, Node]:
    """What a mapping holds; null takes a key away, and one that there is not is a mistake."""
    names = {item.name for item in known}
    items = node.value.items()
    return {k: child for k, child in items if child.value is not None or k not in names}


def _given(node: Node | None) -> Node | None:
    return None if node is None or node.value is None else node


def _report(node: Node, takes: str, remedy: str, checker: Checker) -> None:
    checker.report(
        WrongType(
            f"`{node.path}` takes {takes}, not {shown(node)}", where=where(node), remedy=remedy
        )
    )
