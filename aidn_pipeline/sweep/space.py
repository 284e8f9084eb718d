"""The search space: typed domains at dotted paths inside a trial. Standard library only.

Written in a recipe as

    optimizer.lr: {low: 1.0e-4, high: 1.0e-1, log: true}
    model.layers: {low: 1, high: 6}                      # whole numbers, because the field is one
    model.dropout: {low: 0.0, high: 0.6, step: 0.05}
    model.hidden: {choices: [32, 64, 128], ordered: true}
    batch_size: [32, 64]                                 # short for choices

Keys are always taken in sorted order, so the order in a file changes nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from aidn_pipeline.core.fingerprint import JSON


class Uniform(Protocol):
    """Where randomness comes from; `numpy.random.Generator` is one."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """Real numbers.

    Attributes:
        low: smallest value.
        high: largest value, included.
        log: uniform in the logarithm; `low` is above 0 then.
        step: distance of the allowed values from `low` on; None allows all.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def size(self) -> int | None:
        """How many values there are; None for too many to count."""
        if self.low == self.high:
            return 1
        # The division of two decimals may fall just below the whole number that was meant.
        return (
            None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1
        )

    def pick(self, index: int) -> float:
        """The value of that index, for a domain with a size."""
        return min(self.low + index * (self.step or 0.0), self.high)

    def at(self, u: float) -> float:
        """The value at quantile `u` in [0, 1)."""
        if self.size is not None:
            return self.pick(int(u * self.size))
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return min(max(math.exp(low + u * (high - low)), self.low), self.high)
        return min(self.low + u * (self.high - self.low), self.high)

    def index(self, value: Any) -> int | None:
        """The inverse of `pick`, for a domain with a size; None if the value is outside."""
        size = self.size
        if size is None or not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        at = round((value - self.low) / self.step) if self.step else 0
        return at if 0 <= at < size and math.isclose(self.pick(at), value, rel_tol=1e-9) else None

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the domain's."""
        if self.size is not None:
            return self.index(value) is not None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def to_json(self) -> dict[str, JSON]:
        """The complete form, kept in descriptions."""
        return {
            "type": "float",
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "step": self.step,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Int:
    """Whole numbers.

    Attributes:
        low: smallest value.
        high: largest value, included.
        log: uniform in the logarithm; `low` is above 0 and `step` 1 then.
        step: distance of the allowed values from `low` on.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    @property
    def size(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def pick(self, index: int) -> int:
        """The value of that index."""
        return self.low + index * self.step

    def at(self, u: float) -> int:
        """The value at quantile `u` in [0, 1)."""
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(low + u * (high - low))), self.low), self.high)
        return self.pick(int(u * self.size))

    def index(self, value: Any) -> int | None:
        """The inverse of `pick`; None if the value is outside."""
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        at, rest = divmod(value - self.low, self.step)
        return at if rest == 0 and 0 <= at < self.size else None

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the domain's."""
        return self.index(value) is not None

    def to_json(self) -> dict[str, JSON]:
        """The complete form, kept in descriptions."""
        return {
            "type": "int",
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "step": self.step,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """A list of values.

    Attributes:
        choices: any JSON values, each once.
        ordered: neighbours in the list are alike.
    """

    choices: tuple[JSON, ...]
    ordered: bool = False

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def pick(self, index: int) -> JSON:
        """The value of that index."""
        return self.choices[index]

    def at(self, u: float) -> JSON:
        """The value at quantile `u` in [0, 1)."""
        return self.choices[int(u * self.size)]

    def index(self, value: Any) -> int | None:
        """The inverse of `pick`; None if the value is outside. True is not 1."""
        return next((i for i, c in enumerate(self.choices) if same(c, value)), None)

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the domain's."""
        return self.index(value) is not None

    def to_json(self) -> dict[str, JSON]:
        """The complete form, kept in descriptions."""
        return {"type": "choices", "choices": list(self.choices), "ordered": self.ordered}


Domain: TypeAlias = Float | Int | Choices


def same(a: JSON, b: JSON) -> bool:
    """Equality of JSON values that keeps types apart: 1, 1.0 and true are three values."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@dataclass(frozen=True, slots=True)
class Space:
    """Domains by dotted path, in sorted order."""

    domains: Mapping[str, Domain]

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", dict(sorted(self.domains.items())))

    @property
    def size(self) -> int | None:
        """How many params there are, 1 for the empty space; None for too many to count."""
        total = 1
        for domain in self.domains.values():
            if domain.size is None:
                return None
            total *= domain.size
        return total

    def sample(self, rng: Uniform) -> dict[str, JSON]:
        """Draws independently from every domain, one number for each, in the order of the keys."""
        return {path: domain.at(rng.random()) for path, domain in self.domains.items()}

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether the params have exactly the space's keys with values inside."""
        return params.keys() == self.domains.keys() and all(
            domain.contains(params[path]) for path, domain in self.domains.items()
        )

    def point(self, number: int) -> dict[str, JSON]:
        """The params of that number, 0 <= number < `size`; the last key changes fastest."""
        params: dict[str, JSON] = {}
        for path, domain in reversed(list(self.domains.items())):
            assert domain.size is not None
            number, index = divmod(number, domain.size)
            params[path] = domain.pick(index)
        return dict(reversed(list(params.items())))

    def grid(self, num: int) -> "Space":
        """The finite space of the points of a grid, as ordered choices.

        Args:
            num: points of a numeric domain with more values than that, evenly spaced (in the
                logarithm where the domain is logarithmic), both ends included.
        """
        return Space(
            {
                path: Choices(choices=tuple(_points(domain, num)), ordered=True)
                for path, domain in self.domains.items()
            }
        )

    def to_json(self) -> dict[str, JSON]:
        """The complete form by path, kept in descriptions."""
        return {path: domain.to_json() for path, domain in self.domains.items()}


def _points(domain: Domain, num: int) -> Iterator[JSON]:
    size = domain.size
    if isinstance(domain, Choices) or (size is not None and size <= num):
        yield from (domain.pick(i) for i in range(size or 0))
        return
    quantiles: Sequence[float] = [0.5] if num == 1 else [i / (num - 1) for i in range(num)]
    found: list[JSON] = []
    for u in quantiles:
        value = _between(domain, u)
        if not found or value != found[-1]:
            found.append(value)
    yield from found


def _between(domain: Float | Int, u: float) -> JSON:
    """The value at `u` in [0, 1] with both ends of the domain at the ends of the interval."""
    if domain.log:
        value = domain.high if u == 1 else domain.low * (domain.high / domain.low) ** u
        exact = min(max(value, domain.low), domain.high)
        return round(exact) if isinstance(domain, Int) else exact
    if domain.size is not None:
        return domain.pick(round(u * (domain.size - 1)))
    return min(domain.low + u * (domain.high - domain.low), domain.high)
