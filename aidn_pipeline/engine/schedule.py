"""Which stages start now: within the budget, the one that most waits behind first. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from aidn_pipeline.core.pipeline import Claim

UNKNOWN_S = 1.0
"""Seconds a stage is taken to last where no stage has been run before."""
DUST = 1e-9
"""Of a core: sums of thirds are not exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What all stages that run at the same time may take up together.

    Attributes:
        cpu: cores.
        gpu: whole devices.
        memory: in bytes.
    """

    cpu: float
    gpu: int
    memory: int

    def lacking(self, claim: Claim) -> str:
        """Which key of a claim is more than there is at all; empty if it fits."""
        if claim.cpu > self.cpu + DUST:
            return "cpu"
        if claim.gpu > self.gpu:
            return "gpu"
        return "memory" if claim.memory > self.memory else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stage that could start.

    Attributes:
        name: of the stage.
        claim: what it takes up.
        urgency: seconds from its start to the end of the longest chain behind it.
    """

    name: str
    claim: Claim
    urgency: float = 0.0


def choose(
    candidates: Sequence[Candidate], running: Iterable[Claim], budget: Budget, slots: int
) -> list[str]:
    """Names of those that start now; no candidate that still fits is left out.

    Args:
        candidates: in declared order, which decides between equal urgencies.
        running: claims of what runs already.
        budget: of all together.
        slots: how many may run at once.
    """
    held = list(running)
    chosen: list[str] = []
    for candidate in sorted(candidates, key=lambda c: -c.urgency):
        if len(held) < slots and _fits(candidate.claim, held, budget):
            held.append(candidate.claim)
            chosen.append(candidate.name)
    return chosen


def _fits(claim: Claim, held: Sequence[Claim], budget: Budget) -> bool:
    taken = {name for other in held for name in other.mutex}
    together = Claim(
        cpu=claim.cpu + sum(other.cpu for other in held),
        gpu=claim.gpu + sum(other.gpu for other in held),
        memory=claim.memory + sum(other.memory for other in held),
    )
    return not taken & set(claim.mutex) and not budget.lacking(together)


def urgencies(
    needs: Mapping[str, Iterable[str]], seconds: Mapping[str, float | None]
) -> dict[str, float]:
    """Seconds from each stage's start to the end of the longest chain that begins with it.

    Args:
        needs: what each stage needs; every stage stands after what it needs.
        seconds: that each took the last time; one that is not known counts as the median.
    """
    known = sorted(s for s in seconds.values() if s is not None)
    # The upper one of two: `statistics` brings fractions and decimals with it, at every plan.
    unknown = known[len(known) // 2] if known else UNKNOWN_S
    behind = dict.fromkeys(needs, 0.0)
    found: dict[str, float] = {}
    for name in reversed(list(needs)):
        own = seconds.get(name)
        found[name] = behind[name] + (unknown if own is None else own)
        for needed in needs[name]:
            if needed in behind:
                behind[needed] = max(behind[needed], found[name])
    return found


class Front:
    """Stages whose needs are all settled, in declared order, each given out once."""

    def __init__(self, needs: Mapping[str, Iterable[str]]) -> None:
        """Takes what each stage needs; names without a stage need no waiting for."""
        self._names = list(needs)
        self._waits: dict[str, int] = {}
        self._followers: dict[str, list[int]] = {name: [] for name in self._names}
        for at, name in enumerate(self._names):
            known = {n for n in needs[name] if n in self._followers}
            self._waits[name] = len(known)
            for needed in known:
                self._followers[needed].append(at)
        self._ready = [at for at, name in enumerate(self._names) if not self._waits[name]]

    def __bool__(self) -> bool:
        return bool(self._ready)

    def take(self) -> str:
        """The first that is ready."""
        return self._names[heappop(self._ready)]

    def settle(self, name: str) -> None:
        """A stage that was taken came to an end, whichever."""
        for at in self._followers[name]:
            self._waits[self._names[at]] -= 1
            if not self._waits[self._names[at]]:
                heappush(self._ready, at)
