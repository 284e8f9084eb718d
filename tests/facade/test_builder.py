"""From Python: what the builder compiles to, and what the result can do."""

import json
from pathlib import Path

import jsonschema
import pytest
from support.command import QUICK, SCHEMA

import aidn_pipeline
from aidn_pipeline import AiModelBuilder, AiModelResult, AidnError
from aidn_pipeline.core.artifact import Checkpoint, Dataset
from aidn_pipeline.core.events import RunFinished, StageStarted
from aidn_pipeline.errors import (
    GateNotMet,
    ModelNotFound,
    NewerFormat,
    UnknownComponent,
    UnknownRecipe,
    UsageError,
)
from aidn_pipeline.facade.builder import as_overrides
from aidn_pipeline.sweep.samplers.tpe import TPESampler
from aidn_pipeline.training.models.cnn import CNN

ZEROS = [[0.0] * 64]


class Heard:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("facade")


@pytest.fixture(scope="module")
def base(project) -> AiModelBuilder:
    return AiModelBuilder.from_recipe("digits_train", project).configure(*QUICK[1:])


@pytest.fixture(scope="module")
def result(base) -> AiModelResult:
    return base.build().check()


def test_the_public_names_are_these():
    names = ["AiModelBuilder", "AiModelResult", "AidnError", "__version__", "component"]
    assert aidn_pipeline.__all__ == names
    assert set(names) <= set(dir(aidn_pipeline))
    with pytest.raises(AttributeError, match="nothing"):
        _ = aidn_pipeline.nothing


def test_a_call_gives_a_new_builder(base):
    changed = base.configure("seed=3")
    assert changed is not base
    assert base.overrides == QUICK[1:]
    assert (changed.spec().seed, base.spec().seed) == (3, 7)


def test_a_component_is_the_same_as_its_keys(base):
    objects = AiModelBuilder.from_recipe("digits", base.workspace.project.root)
    by_object = objects.configure(sampler=TPESampler(num_startup=5)).spec()
    by_keys = objects.configure("sampler=tpe", "sampler.num_startup=5").spec()
    assert by_object.stages == by_keys.stages


@pytest.mark.parametrize("model", [CNN, "cnn"])
def test_a_class_or_a_name_picks_a_component(base, model):
    spec = base.configure(model=model).spec()
    assert spec.stages["train"].stage["trainer"]["model"]["use"] == "cnn"


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("seed", 3, ["seed=3"]),
        ("model", "cnn", ["model=cnn"]),
        ("stages", {"export": None}, ['stages={"export": null}']),
    ],
)
def test_plain_values_are_written_as_they_are(key, value, written):
    assert as_overrides(key, value) == written


def test_what_is_no_component_is_refused():
    with pytest.raises(UnknownComponent, match="object is no component") as caught:
        as_overrides("model", object())
    assert caught.value.where == "configure(model=...)"
    assert "@component" in caught.value.remedy


def test_an_unknown_recipe_is_found_before_anything_runs(project):
    with pytest.raises(UnknownRecipe):
        AiModelBuilder.from_recipe("digit", project).build()


def test_a_plan_names_every_stage(base, result):
    assert [row.action for row in base.plan().rows] == ["reuse"] * len(result.stages)


def test_the_result_names_what_was_made(result, project):
    assert result.status == "done"
    assert result.metrics["accuracy"] > 0.5
    assert str(result.model) == "digits@1"
    assert isinstance(result.checkpoint, Checkpoint)
    assert result.checkpoint.digest == result.model.digest
    assert isinstance(result.dataset, Dataset)
    assert result.bundle == project / "bundles/digits/1"


def test_the_result_predicts(result):
    (answer,) = result.predict(ZEROS)
    assert answer["label"] in answer["probabilities"]


def test_listeners_hear_what_happens(base):
    heard = Heard()
    base.listening(heard).build()
    kinds = [type(event) for event in heard.events]
    assert StageStarted in kinds
    assert kinds[-1] is RunFinished


def test_a_saved_result_is_the_same_elsewhere(result, tmp_path):
    loaded = AiModelResult.load(result.save(tmp_path / "saved"))
    assert loaded.predict(ZEROS) == result.predict(ZEROS)
    assert loaded.metrics == result.metrics
    assert loaded.stages == result.stages
    assert loaded.checkpoint == result.checkpoint
    assert loaded.run == result.run


def test_a_saved_result_is_never_written_over(result, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists"):
        result.save(tmp_path / "there")


def test_saving_leaves_nothing_beside_the_folder(result, tmp_path):
    result.save(tmp_path / "saved")
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]


def test_there_is_nothing_to_load_from_an_empty_folder(tmp_path):
    with pytest.raises(ModelNotFound, match="no saved result"):
        AiModelResult.load(tmp_path)


def test_a_result_of_a_later_release_is_refused(result, tmp_path):
    file = result.save(tmp_path / "saved") / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))
    with pytest.raises(NewerFormat):
        AiModelResult.load(tmp_path / "saved")


def test_the_json_of_a_result_follows_its_schema(result):
    jsonschema.validate(result.to_json(), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_a_gate_ends_in_the_result_not_in_an_exception(base):
    stopped = base.configure("stages.register.gate.accuracy.min=0.999").build()
    assert stopped.status == "gate_not_met"
    assert stopped.bundle is None
    with pytest.raises(GateNotMet):
        stopped.check()
    with pytest.raises(ModelNotFound, match="gate_not_met"):
        stopped.predict(ZEROS)


def test_a_bundle_that_cannot_be_written_leaves_the_run_recorded(base, tmp_path):
    builder = AiModelBuilder.from_recipe("digits_train", tmp_path).configure(*QUICK[1:])
    (tmp_path / "bundles").write_text("in the way")
    result = builder.build()
    assert isinstance(result.error, AidnError)
    assert result.status == "failed"
    assert result.model is not None
    (tmp_path / "bundles").unlink()
    again = builder.build().check()
    assert {stage.action for stage in again.stages.values()} == {"reuse"}
    assert again.bundle is not None
