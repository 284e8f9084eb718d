"""A sweep: pure, resumable at every line of its journal, the same for any schedule of workers."""

import json
import math
from typing import Any

import pytest
from support.sweeps import SPACE, Killed, MemoryContext, MemoryJournal, ToyTrainer, sweep, table

from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.errors import DataError, StageFailed, UnknownKey, WrongType
from aidn_pipeline.sweep.samplers.grid import GridSampler
from aidn_pipeline.sweep.samplers.random import RandomSampler
from aidn_pipeline.sweep.samplers.tpe import TPESampler
from aidn_pipeline.sweep.schedulers.median import MedianScheduler

SWEEPS: dict[str, dict[str, Any]] = {
    "random": {"sampler": RandomSampler()},
    "tpe": {"sampler": TPESampler(num_startup=3)},
    "grid": {"sampler": GridSampler(num=2, shuffle=True)},
    "median": {
        "sampler": RandomSampler(),
        "scheduler": MedianScheduler(min_trials=2),
    },
    "failing": {
        "sampler": TPESampler(num_startup=3),
        "trial": ToyTrainer(fail_above=4, nan_above=3),
        "max_failures": 8,
    },
    "one lane": {"sampler": TPESampler(num_startup=3), "lanes": 1},
}


def result(ctx: MemoryContext, **fields: Any) -> tuple[Any, ...]:
    outputs = sweep(ctx, **fields)
    return canonical_json(ctx.load(outputs.trials)), ctx.load(outputs.params), outputs.checkpoint


@pytest.mark.parametrize("name", SWEEPS)
def test_resuming_after_any_prefix_of_the_journal_gives_the_same_table(name: str) -> None:
    straight = MemoryContext()
    wanted = result(straight, **SWEEPS[name])
    for cut in range(len(straight.journal.lines)):
        ctx = MemoryContext(journal=MemoryJournal(straight.journal.lines[:cut]))
        ctx.objects, ctx.done = dict(straight.objects), dict(straight.done)
        assert result(ctx, **SWEEPS[name]) == wanted, cut


@pytest.mark.parametrize("name", ["tpe", "median", "failing"])
def test_a_death_before_every_line_repeats_at_most_the_trials_in_flight(name: str) -> None:
    wanted = result(MemoryContext(), **SWEEPS[name])
    lines: list[Any] = []
    at = 0
    ctx = MemoryContext()
    while True:
        ctx.journal = MemoryJournal(lines, die_at=at)
        try:
            assert result(ctx, **SWEEPS[name]) == wanted
            break
        except Killed:
            lines, at = ctx.journal.lines, at + 1
    alone = MemoryContext()
    result(alone, **SWEEPS[name])
    if name != "failing":
        assert sorted(ctx.trained) == sorted(alone.trained)


@pytest.mark.parametrize("name", ["random", "tpe", "median", "failing"])
def test_more_trials_later_equal_all_at_once(name: str) -> None:
    fields = SWEEPS[name] | {"num_trials": 20, "max_failures": 20}
    wanted = result(MemoryContext(), **fields)
    ctx = MemoryContext()
    result(ctx, **(fields | {"num_trials": 8}))
    ctx.journal = MemoryJournal()
    assert result(ctx, **fields) == wanted


@pytest.mark.parametrize("name", ["tpe", "median"])
@pytest.mark.parametrize(("first", "then"), [(8, 12), (12, 8)])
def test_another_number_of_trials_after_a_kill_equals_an_undisturbed_run(
    name: str, first: int, then: int
) -> None:
    wanted = result(MemoryContext(), **(SWEEPS[name] | {"num_trials": then}))
    whole = MemoryContext()
    result(whole, **(SWEEPS[name] | {"num_trials": first}))
    for cut in range(0, len(whole.journal.lines), 3):
        ctx = MemoryContext(journal=MemoryJournal(whole.journal.lines[:cut]))
        ctx.objects, ctx.done = dict(whole.objects), dict(whole.done)
        assert result(ctx, **(SWEEPS[name] | {"num_trials": then})) == wanted


def test_extending_trains_only_the_new_trials() -> None:
    ctx = MemoryContext()
    sweep(ctx, num_trials=8)
    ctx.journal = MemoryJournal()
    sweep(ctx, num_trials=12)
    assert ctx.trained == [f"trial {n}" for n in range(1, 13)]


def test_the_seed_of_the_pipeline_decides_the_trials() -> None:
    assert result(MemoryContext(seed=1)) != result(MemoryContext(seed=2))


def test_the_best_trial_is_the_one_with_the_smallest_loss() -> None:
    ctx = MemoryContext()
    outputs = sweep(ctx)
    rows = table(ctx, outputs)
    best = min(rows, key=lambda row: row["value"])
    assert ctx.load(outputs.params) == best["params"]
    assert ctx.load(outputs.checkpoint)["layers"] == best["params"]["layers"]


def test_the_mode_decides_what_is_best() -> None:
    ctx = MemoryContext()
    outputs = sweep(ctx, objective={"metric": "val_loss", "mode": "max"})
    rows = table(ctx, outputs)
    assert ctx.load(outputs.trials)["best"] == max(rows, key=lambda row: row["value"])["number"]


def test_of_equal_trials_the_first_is_best() -> None:
    ctx = MemoryContext()
    outputs = sweep(
        ctx, space={"fail_above": [50, 60, 70]}, objective={"metric": "epoch", "mode": "max"}
    )
    assert ctx.load(outputs.trials)["best"] == 0


def test_an_empty_space_makes_one_trial() -> None:
    ctx = MemoryContext()
    outputs = sweep(ctx, space={})
    assert [row["params"] for row in table(ctx, outputs)] == [{}]
    assert ctx.load(outputs.trials)["exhausted"] is True


def test_a_used_up_space_ends_the_sweep_and_no_trial_comes_twice() -> None:
    ctx = MemoryContext()
    rows = table(ctx, sweep(ctx, space={"layers": {"low": 1, "high": 5}}, num_trials=9))
    assert sorted(row["params"]["layers"] for row in rows) == [1, 2, 3, 4, 5]


def test_a_failed_trial_is_in_the_table_and_never_best() -> None:
    ctx = MemoryContext()
    outputs = sweep(ctx, trial=ToyTrainer(fail_above=4), num_trials=12, max_failures=12)
    failed = [row for row in table(ctx, outputs) if row["state"] == "failed"]
    assert failed
    assert all(row["params"]["layers"] > 4 for row in failed)
    assert {row["error"] for row in failed} == {"DataError"}
    assert ctx.load(outputs.params)["layers"] <= 4


def test_nan_is_a_failed_trial() -> None:
    ctx = MemoryContext()
    outputs = sweep(ctx, trial=ToyTrainer(nan_above=4), num_trials=12, max_failures=12)
    failed = [row for row in table(ctx, outputs) if row["state"] == "failed"]
    assert {row["error"] for row in failed} == {"NotFinite"}
    assert not any(math.isnan(row["value"] or 0) for row in table(ctx, outputs))


def test_too_many_failures_end_the_sweep_with_the_distinct_errors() -> None:
    with pytest.raises(StageFailed, match="2x DataError: 6 layers diverge"):
        sweep(
            MemoryContext(),
            trial=ToyTrainer(fail_above=0),
            space={"layers": [5, 6], "optimizer.kind": ["sgd", "adam"]},
            max_failures=3,
        )


def test_of_many_distinct_errors_the_commonest_are_told() -> None:
    layers = {"layers": [5, 6, 7, 8, 9, 10]}
    with pytest.raises(StageFailed) as caught:
        sweep(MemoryContext(), trial=ToyTrainer(fail_above=0), space=layers, max_failures=5)
    assert caught.value.problem.count("1x DataError") == 3
    assert caught.value.problem.endswith("; 3 others")


def test_after_too_many_failures_the_failed_trials_run_again() -> None:
    ctx = MemoryContext()
    with pytest.raises(StageFailed):
        sweep(ctx, trial=ToyTrainer(fail_above=3), max_failures=0)
    before = len(ctx.journal.lines)
    trained = len(ctx.trained)
    with pytest.raises(StageFailed):
        sweep(ctx, trial=ToyTrainer(fail_above=3), max_failures=0)
    assert ctx.journal.lines[before:]
    assert len(ctx.trained) > trained


def test_a_sweep_without_a_complete_trial_fails() -> None:
    with pytest.raises(StageFailed, match="none of 3 trials"):
        sweep(MemoryContext(), trial=ToyTrainer(fail_above=0), num_trials=3)


def test_an_unknown_objective_names_the_nearest_metric() -> None:
    with pytest.raises(DataError) as caught:
        sweep(MemoryContext(), objective={"metric": "val_los", "mode": "min"})
    assert "val_loss" in caught.value.remedy


@pytest.mark.parametrize(
    "objective", [{}, {"metric": "val_loss"}, {"metric": "val_loss", "mode": "up"}]
)
def test_metric_and_mode_are_required(objective: dict[str, str]) -> None:
    with pytest.raises(WrongType):
        sweep(MemoryContext(), objective=objective)


def test_an_unknown_key_of_the_objective_is_refused() -> None:
    with pytest.raises(UnknownKey):
        sweep(MemoryContext(), objective={"metric": "val_loss", "mode": "min", "direction": "min"})


def test_a_grid_that_is_not_covered_is_refused() -> None:
    with pytest.raises(WrongType, match="the grid has 25 points"):
        sweep(MemoryContext(), sampler=GridSampler(), num_trials=8)


def test_a_stop_request_ends_between_trials_and_the_next_run_goes_on() -> None:
    wanted = result(MemoryContext())
    ctx = MemoryContext(stop_after=4)
    with pytest.raises(Killed):
        sweep(ctx)
    ctx.stop_after = 10**9
    assert result(ctx) == wanted
    assert len(ctx.trained) == 8


def test_every_trial_is_told_once_and_the_running_best_is_marked() -> None:
    ctx = MemoryContext()
    rows = table(ctx, sweep(ctx))
    assert sorted(e.number for e in ctx.told()) == list(range(8))
    best = [e.number for e in ctx.told() if e.best]
    assert best[0] == 0
    assert rows[best[-1]]["value"] == min(row["value"] for row in rows)


def test_trials_of_an_earlier_attempt_are_told_as_reused() -> None:
    whole = MemoryContext()
    sweep(whole)
    ctx = MemoryContext(journal=MemoryJournal(whole.journal.lines[:9]))
    ctx.objects, ctx.done = whole.objects, whole.done
    sweep(ctx)
    assert sorted(e.number for e in ctx.told()) == list(range(8))
    assert any(e.reused for e in ctx.told())
    assert not all(e.reused for e in ctx.told())


def test_the_median_rule_stops_bad_trials_and_saves_epochs() -> None:
    ctx = MemoryContext()
    rows = table(ctx, sweep(ctx, num_trials=20, scheduler=MedianScheduler(min_trials=3)))
    stopped = [row for row in rows if row["state"] == "stopped"]
    assert stopped
    assert all(row["epochs"] < 4 for row in stopped)
    plain = MemoryContext()
    full = table(plain, sweep(plain, num_trials=20))
    assert [row["params"] for row in rows] == [row["params"] for row in full]


def test_the_table_holds_nothing_but_json() -> None:
    ctx = MemoryContext()
    outputs = sweep(ctx)
    assert json.loads(canonical_json(ctx.load(outputs.trials)))["format"] == 1


def test_keys_of_the_space_in_another_order_change_nothing() -> None:
    assert result(MemoryContext(), space=dict(reversed(list(SPACE.items())))) == result(
        MemoryContext()
    )
