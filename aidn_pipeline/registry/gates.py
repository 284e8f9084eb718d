"""Gates: conditions on recorded metrics that a model must meet. Standard library only.

    gate: {accuracy: {min: 0.95}, val_loss: {max: 0.2}, per_class.3.recall: {min: 0.9}}

Every clause must hold; a metric that is missing refuses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

from aidn_pipeline.errors import ConfigError, ConfigProblems, GateNotMet, UnknownKey, WrongType

Bound: TypeAlias = Literal["min", "max", "equals"]
SIGNS: dict[Bound, str] = {"min": ">=", "max": "<=", "equals": "=="}


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on one metric."""

    metric: str
    bound: Bound
    value: float

    def __str__(self) -> str:
        return f"{self.metric} {SIGNS[self.bound]} {self.value!r}"

    def holds(self, found: float) -> bool:
        """Whether a value meets it; NaN meets nothing."""
        if self.bound == "min":
            return found >= self.value
        if self.bound == "max":
            return found <= self.value
        return found == self.value


def parse_gate(gate: Mapping[str, Any], *, where: str = "gate") -> tuple[Clause, ...]:
    """Reads a gate; clauses come sorted by metric. Entries that are None are left out.

    Raises:
        UnknownKey: for a bound other than `min`, `max`, `equals`.
        WrongType: for a bound that is not a finite number.
        ConfigProblems: for several of them.
    """
    clauses: list[Clause] = []
    problems: list[ConfigError] = []
    for metric, bounds in sorted(gate.items()):
        place = f"{where}.{metric}"
        if bounds is None:
            continue
        if not isinstance(bounds, Mapping) or not bounds:
            problems.append(
                WrongType(
                    f"a gate's condition is a mapping with min, max or equals, not {bounds!r}",
                    where=place,
                    remedy=f"write `{metric}: {{min: 0.95}}`",
                )
            )
            continue
        for bound, value in sorted(bounds.items()):
            found = _clause(metric, bound, value, f"{place}.{bound}")
            if isinstance(found, Clause):
                clauses.append(found)
            else:
                problems.append(found)
    if len(problems) > 1:
        raise ConfigProblems(problems)
    if problems:
        raise problems[0]
    return tuple(clauses)


def _clause(metric: str, bound: Any, value: Any, where: str) -> Clause | ConfigError:
    if bound not in SIGNS:
        near = get_close_matches(str(bound), list(SIGNS), 1)
        remedy = f"did you mean `{near[0]}`?" if near else f"bounds: {', '.join(SIGNS)}"
        return UnknownKey(f"unknown bound {bound!r} of a gate", where=where, remedy=remedy)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        return WrongType(f"{bound} is a number, not {value!r}", where=where)
    return Clause(metric, bound, float(value))


def refusals(
    clauses: Sequence[Clause], metrics: Mapping[str, Any], *, source: str
) -> tuple[str, ...]:
    """One sentence for each clause that does not hold, with the value found and its source."""
    found: list[str] = []
    for clause in clauses:
        value = metrics.get(clause.metric)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            near = get_close_matches(clause.metric, list(metrics), 1)
            hint = f" (nearest: {near[0]})" if near else ""
            found.append(f"{clause}: there is no {clause.metric} in {source}{hint}")
        elif not clause.holds(value):
            found.append(f"{clause}: it is {shown(value, clause.value)} in {source}")
    return tuple(found)


def shown(value: float, bound: float) -> str:
    """A value in few digits, or in all where those would move it to the bound or across."""
    short = float(f"{value:.4g}")
    same_side = (short < bound) == (value < bound) and (short > bound) == (value > bound)
    return f"{value:.4g}" if same_side else repr(value)


def check_gate(
    clauses: Sequence[Clause], metrics: Mapping[str, Any], *, source: str, where: str = "gate"
) -> None:
    """Passes or refuses.

    Args:
        clauses: of the gate.
        metrics: recorded values by name.
        source: where they come from, for the message.
        where: the config path of the gate.

    Raises:
        GateNotMet: names every clause that does not hold, the value found and where it came from.
    """
    refused = refusals(clauses, metrics, source=source)
    if refused:
        raise GateNotMet(
            "the gate is not met: " + "; ".join(refused),
            where=where,
            remedy="improve the model, or lower the bound; nothing was registered",
        )
