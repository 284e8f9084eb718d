"""The order in which results go: seconds of recomputation lost for each byte that is freed."""

from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.store.worth import Loss, Result, least_valuable_first


def result(key: str, seconds: float, *objects: str, made_from: tuple[str, ...] = ()) -> Result:
    return Result(key, seconds, frozenset(objects), made_from)


def order(results: list[Result], **sizes: int) -> list[Loss]:
    return list(least_valuable_first(results, sizes))


def keys(losses: list[Loss]) -> list[str]:
    return [loss.result.key for loss in losses]


def test_the_cheapest_second_for_a_byte_goes_first():
    results = [result("slow", 100, "a"), result("quick", 1, "b"), result("big", 100, "c")]
    assert keys(order(results, a=10, b=10, c=10_000)) == ["big", "quick", "slow"]


def test_a_result_grows_dearer_when_what_it_was_made_from_is_gone():
    results = [
        result("data", 60, "d"),
        result("model", 10, "m", made_from=("data",)),
        result("other", 30, "o"),
    ]
    losses = order(results, d=1000, m=10, o=10)
    # Alone `model` costs 10 s, less than `other`; without `data` it costs 70.
    assert keys(losses) == ["data", "other", "model"]
    assert losses[-1].seconds == 70


def test_what_is_shared_is_freed_by_its_last_holder():
    losses = order([result("one", 1, "s", "a"), result("two", 1, "s")], s=100, a=1)
    assert [(loss.result.key, loss.freed) for loss in losses] == [("one", ("a",)), ("two", ("s",))]


@st.composite
def stores(draw):
    ids = [f"o{n}" for n in range(draw(st.integers(1, 6)))]
    sizes = {digest: draw(st.integers(0, 100)) for digest in ids}
    results = []
    for n in range(draw(st.integers(1, 8))):
        objects = draw(st.sets(st.sampled_from(ids), min_size=1))
        parents = draw(st.sets(st.sampled_from([f"r{k}" for k in range(n)]))) if n else set()
        seconds = draw(st.floats(0, 1000))
        results.append(Result(f"r{n}", seconds, frozenset(objects), tuple(sorted(parents))))
    return results, sizes


@given(stores())
def test_everything_goes_once_and_every_object_is_freed_once(given_store):
    results, sizes = given_store
    losses = list(least_valuable_first(results, sizes))
    assert sorted(keys(losses)) == sorted(r.key for r in results)
    freed = [digest for loss in losses for digest in loss.freed]
    assert sorted(freed) == sorted({d for r in results for d in r.objects})
