"""What the shipped stages would refuse when they run is refused, with its place, when planning."""

import pytest
from support.projects import Write

from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.rules import RULES, USUAL
from aidn_pipeline.core.component import check_ranges
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.errors import ConfigProblems, FoundBeforeStart, UnknownKey, WrongType
from aidn_pipeline.sweep.samplers.grid import GridSampler
from aidn_pipeline.training.trainer import METRICS


def digits(project: Project, *overrides: str, recipe: str = "digits") -> PipelineSpec:
    return load_recipe(recipe, overrides, project, builtin_index(), {})


BAD: list[tuple[str, type[FoundBeforeStart], str]] = [
    ("stages.register.gate.accuracy.mn=1", UnknownKey, "stages.register.gate.accuracy.mn"),
    ("stages.register.gate.accuracy.min=high", WrongType, "stages.register.gate.accuracy.min"),
    ("name=a/b", WrongType, "name"),
    ("trainer.monitor.mode=low", WrongType, "trainer.monitor.mode"),
    ("trainer.monitor.metric=val_los", WrongType, "trainer.monitor.metric"),
    ("trainer.monitor.metric=''", WrongType, "trainer.monitor.metric"),
    ("trainer.monitor={metric: val_loss, made: min}", UnknownKey, "trainer.monitor.made"),
    ("stages.tune.num_trials=0", WrongType, "stages.tune.num_trials"),
    ("trainer.epochs=0", WrongType, "trainer.epochs"),
    ("trainer.batch_size=-1", WrongType, "trainer.batch_size"),
    ("stages.split.train=1.5", WrongType, "stages.split.train"),
    ("stages.split.test=-0.1", WrongType, "stages.split.test"),
]


@pytest.mark.parametrize(("override", "error", "place"), BAD, ids=[b[0] for b in BAD])
def test_a_value_that_a_stage_would_refuse_is_refused_before_it(
    project: Project, override: str, error: type[FoundBeforeStart], place: str
) -> None:
    with pytest.raises(error) as caught:
        digits(project, override)
    assert caught.value.exit_code == 2
    assert caught.value.where.startswith(f"override {override}")
    assert place in caught.value.where
    assert caught.value.remedy or "gate" in place


def test_shares_that_do_not_add_up_are_told_where_one_was_changed(project: Project) -> None:
    with pytest.raises(WrongType, match=r"add up to 0\.8") as caught:
        digits(project, "stages.split.train=0.5")
    assert "override stages.split.train=0.5" in caught.value.where


def test_they_are_told_together_with_everything_else(project: Project, write: Write) -> None:
    write(
        "recipes/bad.yaml",
        "defaults:\n  - /builtin/digits\ntrainer: {epochs: 0, clip: x}\nstages:\n"
        "  register:\n    gate:\n      accuracy: {mn: 1}\n      per_class.3.recall: {max: low}\n",
    )
    with pytest.raises(ConfigProblems) as caught:
        digits(project, recipe="bad")
    assert {p.where.split(" ")[0] for p in caught.value.problems} == {
        f"recipes/bad.yaml:{line}" for line in (3, 7, 8)
    }
    assert len(caught.value.problems) == 4


def test_a_project_component_of_the_same_name_has_rules_of_its_own(
    project: Project, index: Index
) -> None:
    assert load_recipe("toy", ["name=a/b"], project, index, {}).name == "a/b"


def test_every_rule_is_about_a_shipped_component_and_its_defaults_keep_it() -> None:
    index = builtin_index()
    for key, rules in RULES.items():
        spec = index.find(*key.split("/"))
        if not any(item.required and item.name in ("name", "objective") for item in spec.fields):
            for rule in rules:
                rule({item.name: item.default for item in spec.fields})


def test_a_live_component_is_held_to_the_same_ranges() -> None:
    with pytest.raises(WrongType, match="num is 0, the least is 1") as caught:
        check_ranges(GridSampler(num=0))
    assert (caught.value.where, caught.value.remedy) == ("num", "write num=1")


def test_a_trainer_without_metrics_computes_the_usual_ones_of_some_task() -> None:
    assert set(USUAL) == {name for names in METRICS.values() for name in names}


def test_a_metric_of_the_trainers_own_may_be_monitored(project: Project) -> None:
    words = ("trainer.metrics={f: {use: f1}}", "trainer.monitor={metric: val_f, mode: max}")
    assert digits(project, *words).stages["train"]
    with pytest.raises(WrongType, match="no 'val_accuracy'"):
        digits(project, words[0], "trainer.monitor={metric: val_accuracy, mode: max}")
