"""Versions and the ranges that our metadata declares, such as `>=5,<6`."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

SIGNS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?$")
PART = re.compile(r"^(>=|<=|==|!=|>|<)\s*([0-9][0-9.]*)$")


@dataclass(frozen=True, slots=True)
class Range:
    """Versions that are taken; all, if it has no parts.

    Attributes:
        parts: a sign and a version each; all must hold.
    """

    parts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Range":
        """Reads `>=5,<6`; parts in another form are left out, so they refuse nothing."""
        found = (PART.match(part.strip()) for part in text.split(","))
        return cls(tuple((match[1], match[2]) for match in found if match))

    def holds(self, version: str) -> bool:
        """Whether a version is in it."""
        return all(_compare(sign, version, bound) for sign, bound in self.parts)

    def __str__(self) -> str:
        lower_first = sorted(self.parts, key=lambda part: part[0].startswith("<"))
        return ",".join(f"{sign}{bound}" for sign, bound in lower_first) or "any version"


def _compare(sign: str, version: str, bound: str) -> bool:
    left, right = numbers(version), numbers(bound)
    longest = max(len(left), len(right))
    return SIGNS[sign](_filled(left, longest), _filled(right, longest))


def _filled(parts: tuple[int, ...], length: int) -> tuple[int, ...]:
    return parts + (0,) * (length - len(parts))


def numbers(version: str) -> tuple[int, ...]:
    """The release of a version: (2, 13, 0) of `2.13.0+cpu`, (5, 0) of `5.0b1`."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def requirement(text: str) -> tuple[str, Range] | None:
    """Name and range of a requirement; None for one that only an extra asks for."""
    found = REQUIREMENT.match(text)
    if found is None or "extra" in (found[3] or ""):
        return None
    return found[1].lower().replace("_", "-"), Range.parse(found[2])
