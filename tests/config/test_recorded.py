"""A pipeline back from a run's record is the one that was composed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.recorded import recorded_spec, wiring_of
from aidn_pipeline.config.selection import selected
from aidn_pipeline.errors import AidnError, UnknownKey, UsageError
from aidn_pipeline.facade.information import resolved_config

RECIPES = sorted(
    file.relative_to(data_folder("recipes")).with_suffix("").as_posix()
    for file in data_folder("recipes").rglob("*.yaml")
)
INDEX = builtin_index()
GIVEN = {
    "image_folder": ("source.path=x",),
    "tabular_file": ("source.path=x.csv", "source.label=y"),
    "text_file": ("source.path=x.csv",),
}
"""What recipes of the user's own files want to be told."""
LIMITS = (
    "stages.train.retries={times: 2, on: [OSError]}",
    "stages.train.timeout_s=60",
    "stages.train.resources={cpu: 2, memory: 1GB, mutex: [gpu]}",
)


def composed(recipe: str, *overrides: str, folder: Path = Path()):
    return load_recipe(recipe, overrides, find_project(folder), INDEX)


def record(spec):
    """As the store gives it: through JSON."""
    facts = {
        "config": resolved_config(spec),
        "wiring": wiring_of(spec),
        "environment": dict(spec.environment),
    }
    value = {"run": "20260102-151600-3f9c2a", "recipe": spec.recipe, "facts": facts}
    return json.loads(json.dumps(value))


def plain(spec):
    return replace(spec, origins={}, notes=(), warnings=())


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_shipped_recipe_comes_back_as_it_was(recipe, tmp_path):
    spec = composed(recipe, *GIVEN.get(recipe, ()), folder=tmp_path)
    assert recorded_spec(record(spec), (), INDEX) == plain(spec)


def test_limits_of_stages_come_back(tmp_path):
    spec = composed("digits_train", *LIMITS, folder=tmp_path)
    assert recorded_spec(record(spec), (), INDEX).stages == spec.stages


def test_what_was_selected_then_is_selected_anew(tmp_path):
    spec = selected(composed("digits_train", "run.until=[train]", folder=tmp_path))
    found = recorded_spec(record(spec), (), INDEX)
    assert not any(stage.skip for stage in found.stages.values())
    assert selected(found).stages == spec.stages


def test_what_was_made_anew_then_is_not_anew_again(tmp_path):
    keys = ("run.force=[train]", "run.from=[split]", "run.no_cache=true", "run.executor=inline")
    spec = composed("digits_train", *keys, folder=tmp_path)
    assert recorded_spec(record(spec), (), INDEX).run == {"executor": "inline"}


def test_a_stage_that_ran_alone_is_run_again_with_what_it_needs(tmp_path):
    spec = composed("digits_train", "run.only=[train]", folder=tmp_path)
    assert recorded_spec(record(spec), (), INDEX).run == {"until": ["train"]}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.epochs=3", "would change the configuration"),
        ("~stages.train", "would change the configuration"),
        ("run.frozen=true", "`run.frozen` does not go with a rerun"),
        ("run.smoke=true", "`run.smoke` does not go with a rerun"),
        ("run.forse=[train]", "no key `forse`"),
        ("run.force=train", "takes a list"),
    ],
)
def test_an_override_that_does_not_go_with_a_rerun_is_answered(override, said, tmp_path):
    with pytest.raises(AidnError, match=said):
        recorded_spec(record(composed("digits_train", folder=tmp_path)), (override,), INDEX)


def test_a_field_that_is_gone_is_named_with_the_run(tmp_path):
    value = record(composed("digits_train", folder=tmp_path))
    value["facts"]["config"]["stages"]["train"]["trainer"]["gone"] = 1
    with pytest.raises(UnknownKey) as raised:
        recorded_spec(value, (), INDEX)
    assert raised.value.where == "run 20260102-151600-3f9c2a (stages.train.trainer.gone)"


def test_a_record_without_a_configuration_is_answered():
    facts = {"debug": "train"}
    with pytest.raises(UsageError, match="debug of train"):
        recorded_spec({"run": "x", "recipe": "y", "facts": facts}, (), INDEX)
