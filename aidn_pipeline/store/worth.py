"""The worth of results: seconds of recomputation that are lost for each byte that is freed."""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True)
class Result:
    """What a piece of work gave, as far as it may go.

    Attributes:
        key: identity of the work.
        seconds: that it took.
        objects: ids of what it gave.
        made_from: keys of the work whose results it was given.
    """

    key: str
    seconds: float
    objects: frozenset[str]
    made_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """A result that goes.

    Attributes:
        result: what goes.
        freed: ids that only it still held.
        seconds: that making it again takes, with what it was made from if that is gone too.
    """

    result: Result
    freed: tuple[str, ...]
    seconds: float


def least_valuable_first(results: Sequence[Result], sizes: Mapping[str, int]) -> Iterator[Loss]:
    """All results, in the order in which they should go.

    Greedy: a result that goes makes what was made from it dearer, and objects that it shared
    cheaper to free.

    Args:
        results: those that may go.
        sizes: bytes by id.
    """
    known = {result.key: result for result in results}
    holders: dict[str, set[str]] = {}
    for result in results:
        for digest in result.objects:
            holders.setdefault(digest, set()).add(result.key)
    gone: set[str] = set()

    def worth(result: Result) -> float:
        size = sum(sizes.get(d, 0) for d in result.objects if holders[d] == {result.key})
        return remake_seconds(result, known, gone) / size if size else float("inf")

    number = count()
    queue = [(worth(result), next(number), result) for result in results]
    heapq.heapify(queue)
    while queue:
        value, _, result = heapq.heappop(queue)
        if result.key in gone:
            continue
        now = worth(result)
        if now > value:
            heapq.heappush(queue, (now, next(number), result))
            continue
        lost = remake_seconds(result, known, gone)
        gone.add(result.key)
        freed = tuple(sorted(d for d in result.objects if holders[d] == {result.key}))
        yield Loss(result, freed, lost)
        for digest in result.objects:
            holders[digest].discard(result.key)
            if len(holders[digest]) == 1:
                # What was shared is its last holder's alone from now on: that one is cheaper.
                (last,) = holders[digest]
                heapq.heappush(queue, (worth(known[last]), next(number), known[last]))


def remake_seconds(result: Result, known: Mapping[str, Result], gone: Collection[str]) -> float:
    """Seconds to make a result again when these are gone."""
    total, pending, seen = 0.0, [result.key], {result.key}
    while pending:
        found = known[pending.pop()]
        total += found.seconds
        for key in found.made_from:
            if key in gone and key not in seen:
                seen.add(key)
                pending.append(key)
    return total
