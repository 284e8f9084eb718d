"""The builder and the result: from Python what the command line does."""

import dataclasses
from pathlib import Path

import pytest

from aidn_pipeline.core.artifact import Checkpoint, Dataset
from aidn_pipeline.core.events import RunFinished
from aidn_pipeline.errors import (
    DataError,
    GateNotMet,
    ModelNotFound,
    NewerFormat,
    UnknownComponent,
    UnknownKey,
    UsageError,
)
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.overrides import as_overrides
from aidn_pipeline.facade.result import AiModelResult, run_json
from aidn_pipeline.sweep.samplers.tpe import TPESampler
from aidn_pipeline.training.models.cnn import CNN

SHORT = ("trainer.epochs=2", "~stages.register.gate")
ROW = [0.0] * 64


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.events = []

    def on_event(self, event):
        self.events.append(event)


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIDN_HOME", raising=False)


@pytest.fixture
def digits(tmp_path: Path) -> AiModelBuilder:
    return AiModelBuilder.from_recipe("digits", tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> AiModelResult:
    project = tmp_path_factory.mktemp("facade")
    builder = AiModelBuilder.from_recipe("digits_train", project).configure(*SHORT)
    return builder.build().check()


def test_configure_gives_a_new_builder(digits):
    changed = digits.configure("trainer.epochs=3", seed=9)

    assert digits.overrides == ()
    assert changed.overrides == ("trainer.epochs=3", "seed=9")
    assert digits.spec().seed == 7
    assert changed.spec().seed == 9
    assert digits.listening(Heard()) is not digits
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.recipe = "other"


def test_plan_runs_nothing(digits):
    plan = digits.plan()

    assert [row.name for row in plan.rows][:3] == ["snapshot", "split", "tune"]
    assert plan.row("snapshot").action == "run"
    assert plan.row("snapshot").reason == "not run before"
    assert not (digits.workspace.project.root / "bundles").exists()
    with digits.workspace.open_store() as store:
        assert list(store.records.iterate("run")) == []
        assert list(store.objects.ids()) == []


def test_component_equals_the_override(digits):
    by_component = digits.configure(sampler=TPESampler(num_startup=5))
    by_text = digits.configure("sampler=tpe", "sampler.num_startup=5")

    assert by_component.spec().stages == by_text.spec().stages
    assert by_component.spec().stages["tune"].stage["sampler"]["num_startup"] == 5
    assert [row.fingerprint for row in by_component.plan().rows] == [
        row.fingerprint for row in by_text.plan().rows
    ]
    assert by_component.spec().stages != digits.spec().stages


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model", "cnn", ["model=cnn"]),
        ("model", CNN, ["model=cnn"]),
        ("seed", 3, ["seed=3"]),
        (
            "sampler",
            TPESampler(num_candidates=3),
            [
                "sampler=tpe",
                "sampler.num_startup=10",
                "sampler.num_candidates=3",
                "sampler.multivariate=true",
            ],
        ),
    ],
    ids=["name", "class", "number", "component"],
)
def test_keywords_as_overrides(key, value, expected):
    assert list(as_overrides(key, value)) == expected


def test_what_is_no_component_is_refused(digits):
    with pytest.raises(UnknownComponent) as caught:
        digits.configure(sampler=object())

    assert "configure(sampler=...)" in caught.value.where


def test_misspelt_key_is_found_by_the_plan(digits):
    with pytest.raises(UnknownKey) as caught:
        digits.configure("trainer.epohcs=3").plan()

    assert "epochs" in caught.value.remedy


@pytest.mark.slow
def test_result_carries_everything_of_the_run(built):
    assert built.status == "done"
    assert built.error is None
    assert built.check() is built
    assert str(built.model) == "digits@1"
    assert isinstance(built.checkpoint, Checkpoint)
    assert built.checkpoint.digest == built.model.digest
    assert isinstance(built.dataset, Dataset)
    assert built.metrics["accuracy"] > 0.5
    assert built.bundle == built.project / "bundles" / "digits" / "1"


@pytest.mark.slow
def test_second_build_reuses_and_tells_its_listeners(built):
    heard = Heard()
    builder = AiModelBuilder.from_recipe("digits_train", built.project).configure(*SHORT)
    again = builder.listening(heard).build()

    assert {stage.action for stage in again.stages.values()} == {"reuse"}
    assert again.run != built.run
    assert again.model == built.model
    assert isinstance(heard.events[-1], RunFinished)


@pytest.mark.slow
def test_result_predicts(built):
    by_list = built.predict([ROW])
    names = [f"p{row}{column}" for row in range(8) for column in range(8)]
    by_name = built.predict([dict.fromkeys(names, 0.0)])

    assert by_list == by_name
    assert len(built.predict([ROW, ROW])) == 2
    assert set(by_list[0]["probabilities"]) == {str(digit) for digit in range(10)}
    with pytest.raises(DataError):
        built.predict([[1.0, 2.0]])


@pytest.mark.slow
def test_saved_result_is_the_same_elsewhere(built, tmp_path):
    folder = built.save(tmp_path / "kept")
    loaded = AiModelResult.load(folder)

    assert loaded.predict([ROW]) == built.predict([ROW])
    assert loaded.run == built.run
    assert loaded.metrics == built.metrics
    assert loaded.model.version == 1
    assert loaded.checkpoint == built.checkpoint
    assert {n: s.outputs for n, s in loaded.stages.items()} == {
        n: s.outputs for n, s in built.stages.items()
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept"]
    with pytest.raises(UsageError):
        built.save(folder)


def test_what_was_never_saved_is_not_loaded(tmp_path):
    with pytest.raises(ModelNotFound):
        AiModelResult.load(tmp_path)
    (tmp_path / "result.json").write_text('{"format": 2}')
    with pytest.raises(NewerFormat):
        AiModelResult.load(tmp_path)


def test_result_of_a_refused_gate_raises_when_asked_to(tmp_path):
    error = GateNotMet("accuracy too low", where="gate", remedy="improve the model")
    result = AiModelResult(
        run="r",
        recipe="digits",
        status="gate_not_met",
        seconds=0.1,
        stages={},
        metrics={},
        model=None,
        project=tmp_path,
        error=error,
    )

    with pytest.raises(GateNotMet):
        result.check()
    with pytest.raises(ModelNotFound):
        result.predict([ROW])
    with pytest.raises(ModelNotFound):
        result.save(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    assert result.checkpoint is None
    assert result.to_json()["error"] == error.to_json()


def test_object_for_programs_always_has_every_key():
    value = run_json(status="failed", seconds=1.23456)

    assert list(value) == [
        "format",
        "run",
        "status",
        "seconds",
        "stages",
        "metrics",
        "model",
        "bundle",
        "options",
        "rerun",
        "error",
    ]
    assert value["seconds"] == 1.235
