"""What an examination finds: how it stands, where, and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from aidn_pipeline.errors import AidnError

Level: TypeAlias = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `problem` stops or spoils a run, `warning` may.
        what: one sentence.
        where: the file, folder or variable it is about.
        remedy: what to type or change; empty if all is well.
    """

    level: Level
    what: str
    where: str = ""
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """As programs see it."""
        return asdict(self)


def sound(what: str, where: str = "") -> Finding:
    """All is well."""
    return Finding(level="ok", what=what, where=where)


def doubtful(what: str, where: str, remedy: str) -> Finding:
    """Something that may spoil a run."""
    return Finding(level="warning", what=what, where=where, remedy=remedy)


def wrong(what: str, where: str, remedy: str) -> Finding:
    """Something that stops or spoils a run."""
    return Finding(level="problem", what=what, where=where, remedy=remedy)


def told(error: AidnError) -> Finding:
    """An error as a finding; it says place and remedy itself."""
    return wrong(error.problem, error.where, error.remedy or "correct it and look again")
