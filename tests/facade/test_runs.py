"""An earlier run, by its id: the same result as when it ended."""

from pathlib import Path

import pytest
from support.command import QUICK

from aidn_pipeline import AiModelBuilder, AiModelResult, GateNotMet
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.errors import UsageError


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def built(project: Path) -> AiModelResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AIDN_HOME", raising=False)
        builder = AiModelBuilder.from_recipe(QUICK[0].removeprefix("recipe="), project)
        return builder.configure(*QUICK[1:]).build().check()


@pytest.fixture
def again(built: AiModelResult, project: Path) -> AiModelResult:
    assert built.run
    return AiModelResult.of_run(built.run, project)


def test_a_run_has_the_metrics_model_and_bundle_it_had(built, again):
    assert again.metrics == built.metrics
    assert again.model == built.model
    assert again.bundle == built.bundle
    assert again.status == "done"
    assert {n: s.outputs for n, s in again.stages.items()} == {
        n: s.outputs for n, s in built.stages.items()
    }


def test_a_run_knows_its_experiment_and_its_version(built, again):
    assert again.config == built.config
    assert again.experiment_info.overrides == built.experiment_info.overrides
    assert again.model_registry_info == built.model_registry_info


def test_a_run_predicts(again):
    assert len(again.predict([[0.0] * 64])) == 1


def test_a_data_set_opens_as_a_view(again):
    dataset = again.artifact("split.dataset")
    assert isinstance(dataset, DatasetView)
    assert dataset.table("train").num_rows == dataset.splits["train"]


def test_metrics_open_as_a_dict_and_a_folder_as_paths(again):
    assert again.artifact("evaluate.metrics")["accuracy"] == again.metrics["accuracy"]
    assert again.artifact("train.best")["state.safetensors"].is_file()


@pytest.mark.parametrize("reference", ["train.nothing", "nothing.best", "train", ""])
def test_an_unknown_artifact_is_told_with_those_there_are(again, reference):
    with pytest.raises(UsageError) as caught:
        again.artifact(reference)
    assert "train.best" in caught.value.remedy


def test_an_artifact_of_another_machine_says_how_to_make_it(built, tmp_path):
    built.save(tmp_path / "saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        loaded = AiModelResult.load(tmp_path / "saved")
        with pytest.raises(UsageError, match="not in the store"):
            loaded.artifact("split.dataset")


def test_what_stopped_a_run_is_raised_again(project, built):
    asked = AiModelBuilder.from_recipe("digits_train", project)
    failed = asked.configure("trainer.epochs=1", "stages.register.gate.accuracy.min=1.0").build()
    assert failed.run
    with pytest.raises(GateNotMet, match="accuracy"):
        AiModelResult.of_run(failed.run, project).check()


def test_an_unknown_run_names_the_newest(project, built):
    with pytest.raises(UsageError) as caught:
        AiModelResult.of_run("1999", project)
    assert "the newest is 2" in caught.value.remedy
