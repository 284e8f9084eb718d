"""Flags, by hand: a few are all there are, and everything else is an override."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from aidn_pipeline.errors import UsageError

Kind = Literal["switch", "value", "values"]
COMMA = re.compile(r",(?![^\[]*\])")
"""Between two values, not inside the name of a cell."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """Arguments of a verb.

    Attributes:
        words: what is no flag, in order.
        values: what was given for each flag; a switch has no entry unless it is set.
    """

    words: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]

    def has(self, flag: str) -> bool:
        """Whether a flag was given."""
        return flag in self.values

    def one(self, flag: str) -> str | None:
        """The value of a flag; the last, if it was given twice."""
        return self.values[flag][-1] if flag in self.values else None


def parse(given: Sequence[str], flags: Mapping[str, Kind], *, verb: str) -> Parsed:
    """Reads `--flag`, `--flag value` and `--flag=value`; after `--` everything is a word.

    Raises:
        UsageError: for an unknown flag, with the nearest, and for a missing value.
    """
    words: list[str] = []
    values: dict[str, list[str]] = {}
    rest = list(given)
    while rest:
        item = rest.pop(0)
        if item == "--":
            words += rest
            break
        if not item.startswith("--"):
            if item.startswith("-") and item != "-":
                raise _unknown(item, flags, verb)
            words.append(item)
            continue
        flag, equals, value = item.partition("=")
        if flag not in flags:
            raise _unknown(flag, flags, verb)
        found = values.setdefault(flag, [])
        if flags[flag] == "switch":
            if equals:
                raise UsageError(f"{flag} takes no value", where=item, remedy=f"write `{flag}`")
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise UsageError(f"{flag} needs a value", where=item, remedy=_more(verb))
            value = rest.pop(0)
        found += (
            [part for part in COMMA.split(value) if part] if flags[flag] == "values" else [value]
        )
    return Parsed(tuple(words), {flag: tuple(found) for flag, found in values.items()})


def _unknown(flag: str, flags: Mapping[str, Kind], verb: str) -> UsageError:
    near = get_close_matches(flag, list(flags), 1)
    return UsageError(
        f"there is no flag {flag}",
        where=f"aidn-run {verb}",
        remedy=f"did you mean `{near[0]}`?" if near else _more(verb),
    )


def _more(verb: str) -> str:
    return f"`aidn-run {verb} --help` lists the flags"
