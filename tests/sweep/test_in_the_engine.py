"""A sweep as the engine runs it: trials and the final training are one piece of work."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sweeps import INDEX, recipe

from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


def run(store: Store, spec: PipelineSpec) -> RunResult:
    return run_pipeline(spec, store, INDEX, store.root.parent)


def trained(store: Store) -> int:
    return len((store.root.parent / "trained.log").read_text().splitlines())


def actions(result: RunResult) -> dict[str, str]:
    return {name: stage.action for name, stage in result.stages.items()}


def test_the_training_after_the_sweep_is_the_best_trial_s(store: Store) -> None:
    result = run(store, recipe())
    assert result.error is None
    assert actions(result)["train"] == "reuse"
    assert trained(store) == 6
    best = result.stages["tune"].outputs["checkpoint"]
    assert result.stages["train"].outputs["best"].digest == best.digest


def test_more_trials_train_only_the_new_ones(store: Store) -> None:
    run(store, recipe())
    result = run(store, recipe(num_trials=9))
    assert result.error is None
    assert trained(store) == 9


def test_two_stores_hold_the_same_bytes(store: Store, tmp_path: Path) -> None:
    first = run(store, recipe())
    with Store.open(tmp_path / "other" / ".aidn", durability="process") as other:
        second = run(other, recipe())
    assert {
        (stage, port, artifact.digest)
        for stage, found in first.stages.items()
        for port, artifact in found.outputs.items()
    } == {
        (stage, port, artifact.digest)
        for stage, found in second.stages.items()
        for port, artifact in found.outputs.items()
    }


def test_a_gate_that_is_not_met_registers_nothing(store: Store) -> None:
    result = run(store, recipe(least=100))
    assert result.status == "gate_not_met"
    loosened = run(store, recipe(least=1))
    assert actions(loosened)["train"] == "reuse"
    version = store.read_json(loosened.stages["register"].outputs["version"])
    assert (version["name"], version["version"]) == ("toy", 1)
    again = run(store, recipe(least=2))
    assert store.read_json(again.stages["register"].outputs["version"])["version"] == 1


def test_the_median_rule_continues_from_shorter_segments(store: Store) -> None:
    result = run(
        store, recipe(scheduler={"use": "median", "min_trials": 2, "warmup": 2}, num_trials=8)
    )
    assert result.error is None
    path = store.files(result.stages["tune"].outputs["trials"])[""]
    rows = json.loads(path.read_bytes())["trials"]
    assert {row["state"] for row in rows} == {"complete", "stopped"}
    assert actions(result)["train"] == "reuse"
