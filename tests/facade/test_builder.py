"""The public names, and what a build leaves on the disk."""

from pathlib import Path

import jsonschema
import pytest
from support.command import QUICK, SCHEMA

from aidn_pipeline import AidnError, AiModelBuilder, AiModelResult
from aidn_pipeline.errors import (
    UsageError,
)
from aidn_pipeline.training.models.cnn import CNN


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("facade")


@pytest.fixture(scope="module")
def base(project) -> AiModelBuilder:
    return AiModelBuilder.from_recipe("digits_train", project).configure(*QUICK[1:])


@pytest.fixture(scope="module")
def result(base) -> AiModelResult:
    return base.build().check()


@pytest.mark.parametrize("model", [CNN, "cnn"])
def test_a_class_or_a_name_picks_a_component(base, model):
    spec = base.configure(model=model).spec()
    assert spec.stages["train"].stage["trainer"]["model"]["use"] == "cnn"


def test_a_saved_result_is_never_written_over(result, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists"):
        result.save(tmp_path / "there")


def test_saving_leaves_nothing_beside_the_folder(result, tmp_path):
    result.save(tmp_path / "saved")
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]


def test_the_json_of_a_result_follows_its_schema(result):
    jsonschema.validate(result.to_json(), SCHEMA, cls=jsonschema.Draft202012Validator)


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
