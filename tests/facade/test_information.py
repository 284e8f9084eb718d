"""What a result says of itself, and that it survives being saved."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from support.command import QUICK

from aidn_pipeline import AiModelBuilder, AiModelResult, ModelNotFound
from aidn_pipeline.errors import AidnError, CorruptObject
from aidn_pipeline.facade.notebook import html_table
from aidn_pipeline.facade.saved import digest_of


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AiModelResult:
    folder = tmp_path_factory.mktemp("information")
    builder = AiModelBuilder.from_recipe("digits_train", folder).configure(*QUICK[1:])
    return builder.build().check()


@pytest.fixture(scope="module")
def loaded(result, tmp_path_factory) -> AiModelResult:
    return AiModelResult.load(result.save(tmp_path_factory.mktemp("saved") / "digits"))


def test_the_experiment_says_what_was_run_and_with_what(result):
    info = result.experiment_info

    assert (info.experiment, info.recipe, info.run) == ("digits", "digits_train", result.run)
    assert (info.status, info.seconds) == ("done", result.seconds)
    assert timedelta(0) < datetime.now(UTC) - info.started < timedelta(minutes=10)
    assert info.overrides == QUICK[1:]
    assert info.config["stages"]["train"]["trainer"]["epochs"] == 3
    assert info.config["stages"]["train"]["inputs"]["dataset"] == ["split.dataset"]
    assert info.environment["packages"]["torch"]
    assert result.config is info.config


def test_the_data_are_named_by_their_values(result):
    data = result.experiment_info.dataset

    assert (data.name, data.rows) == ("digits", 1797)
    assert data.digest == result.dataset.digest
    assert sum(data.splits.values()) == 1797
    assert set(data.splits) == {"train", "validation", "test"}
    assert data.id.startswith("b3:")


def test_the_registered_version_has_its_evidence_and_lineage(result):
    info = result.model_registry_info

    assert (info.name, info.version, info.digest) == ("digits", 1, result.checkpoint.digest)
    assert info.checkpoint == result.checkpoint
    assert info.gate == {"accuracy": {"min": 0.5}}
    assert info.metrics["accuracy"] == result.metrics["accuracy"] >= 0.5
    assert info.dataset == result.experiment_info.dataset
    assert info.lineage == {n: s.fingerprint for n, s in result.stages.items()}


def test_a_loaded_result_knows_all_that_the_saved_one_knew(result, loaded):
    assert loaded.experiment_info == result.experiment_info
    assert loaded.model_registry_info == result.model_registry_info
    assert loaded.model == result.model
    assert loaded.config == result.config
    assert loaded.metrics == result.metrics


def test_a_run_without_a_model_has_no_registry_info(tmp_path):
    builder = AiModelBuilder.from_recipe("digits_train", tmp_path).configure(
        "~stages.register", "~stages.export", "trainer.epochs=1"
    )
    assert builder.build().check().model_registry_info is None


@pytest.mark.parametrize("key", ["provenance", "stages", "run"])
def test_a_damaged_saved_result_is_a_typed_error(result, tmp_path, key):
    folder = result.save(tmp_path / "kept")
    value = json.loads((folder / "result.json").read_text())
    del value[key]
    value["digest"] = digest_of(value)
    (folder / "result.json").write_text(json.dumps(value))
    with pytest.raises(ModelNotFound, match=key):
        AiModelResult.load(folder)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_a_saved_result_is_named_or_changes_nothing(result, tmp_path, bit):
    folder = result.save(tmp_path / "kept")
    file = folder / "result.json"
    sound, before = file.read_bytes(), AiModelResult.load(folder)
    for at in range(bit, len(sound), max(1, len(sound) // 150)):
        damaged = bytearray(sound)
        damaged[at] ^= 1 << bit
        file.write_bytes(damaged)
        try:
            loaded = AiModelResult.load(folder)
        except AidnError as error:
            found, sound_as = error.where, str(file)
        else:
            found, sound_as = told(loaded), told(before)
        assert found == sound_as, at


def told(result):
    return json.dumps([result.to_json(), result.provenance.to_json()])


@pytest.mark.parametrize("name", ["seconds", "metrics", "run"])
def test_a_changed_value_of_a_saved_result_is_told_as_damage(result, tmp_path, name):
    folder = result.save(tmp_path / "kept")
    value = json.loads((folder / "result.json").read_text())
    value[name] = {"accuracy": 1.0} if name == "metrics" else 7
    (folder / "result.json").write_text(json.dumps(value))
    with pytest.raises(CorruptObject, match="its digest says something else"):
        AiModelResult.load(folder)


def test_a_result_is_told_in_one_line(result):
    assert repr(result).startswith("AiModelResult(digits_train: done in ")
    assert repr(result).endswith(" s, model digits@1)")


def test_a_notebook_shows_a_short_table(result):
    shown = result._repr_html_()

    assert "digits@1" in shown
    assert "accuracy" in shown
    assert len(shown) < 4000
    assert "digits" in result.experiment_info._repr_html_()
    assert "digits@1" in result.model_registry_info._repr_html_()


def test_what_a_notebook_shows_is_escaped_and_cut():
    shown = html_table("<b>", {"<script>": "<img src=x>" + "y" * 500, "nothing": None})

    assert "<script>" not in shown
    assert "<img" not in shown
    assert "nothing" not in shown
    assert "…" in shown
    assert len(shown) < 400


def test_a_plan_is_read_as_a_table(result):
    builder = AiModelBuilder.from_recipe("digits_train", result.project).configure(*QUICK[1:])
    lines = str(builder.configure("seed=9").plan()).splitlines()

    assert lines[0] == "snapshot  reuse   unchanged"
    assert lines[2].startswith("train     run     ")
    assert builder.plan()._repr_html_().startswith("<pre>snapshot")


def test_a_builder_is_shown_with_its_changes_escaped(tmp_path):
    shown = AiModelBuilder.from_scratch(tmp_path).configure("name=<b>")._repr_html_()
    assert "recipe scratch" in shown
    assert "name=&lt;b&gt;" in shown
