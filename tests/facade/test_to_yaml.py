"""A builder as a recipe's text, and back to the same work."""

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aidn_pipeline import AiModelBuilder
from aidn_pipeline.config.emit import emit
from aidn_pipeline.config.text import FORBIDDEN, read_mapping, read_value
from aidn_pipeline.config.tree import Node
from aidn_pipeline.engine.fingerprint import base_of
from aidn_pipeline.errors import FoundBeforeStart, UnknownKey, UnknownRecipe

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=6)
NUMBERS = st.floats(1e-5, 1.0, exclude_min=True).map(lambda x: f"{x!r}")
SOME = {
    "digits": [
        st.builds("optimizer.lr={}".format, NUMBERS),
        st.builds("trainer.epochs={}".format, st.integers(1, 99)),
        st.builds("model.hidden={}".format, st.integers(1, 512)),
        st.builds("seed={}".format, st.integers(0, 2**40)),
        st.builds("name={}".format, NAMES),
        st.builds("stages.tune.space.optimizer.lr.low={}".format, st.floats(1e-7, 1e-4)),
        st.builds("stages.register.gate.accuracy.min={}".format, NUMBERS),
        st.builds("stages.register.gate.{}={{max: 3}}".format, NAMES),
        st.builds("stages.split.key={}".format, st.sampled_from(["p00", "null", "'3'", "3e5"])),
        st.sampled_from(
            [
                *("sampler=random", "sampler=grid", "trial_scheduler=median", "optimizer=sgd"),
                *("~stages.export", "~stages.register.gate", "run.durability=process"),
                *("lr_scheduler=cosine", "loss=cross_entropy", "early_stop=patience"),
                *("metric@trainer.metrics.top=top_k", "~stages.tune.space.model.hidden"),
                "stages.tune.space={optimizer.weight_decay: {low: 0.0, high: 0.1}}",
            ]
        ),
    ],
    "tabular_file": [
        st.builds("source.path={}".format, st.sampled_from(["a.csv", "my data/0x10", "1:30", "#"])),
        st.builds("source.label={}".format, st.sampled_from(["y", "on", "'no'", "1_0", "a b"])),
        st.builds("stages.prepare.kinds={{{}: categorical}}".format, NAMES),
        st.builds("stages.prepare.ignore={}".format, st.lists(NAMES).map(str)),
        st.sampled_from(
            ["model=cnn", "~stages.tune", "early_stop.patience=3", "source.task=binary"]
        ),
    ],
}
SOME["wine_kfold"] = [
    st.builds("stages.split.folds={}".format, st.integers(2, 4)),
    st.builds("stages.split.matrix.fold={}".format, st.lists(st.integers(0, 1)).map(str)),
    st.builds("stages.final.matrix.trainer.seed={}".format, st.just([3])),
    st.builds("stages.train.when=matrix.fold {} 1".format, st.sampled_from(["!=", "<", "in"])),
    st.sampled_from(
        [
            *("stages.split.fold=1", "~stages.split.matrix", "stages.train.on_failure=continue"),
            *("stages.export.when=seed > 3", "stages.export.when=false", "trainer.epochs=3"),
            "stages.split.matrix.fold=[{label: first, value: 0}, 1]",
        ]
    ),
]
ALWAYS = {"digits": (), "wine_kfold": (), "tabular_file": ("source.path=t.csv", "source.label=y")}


def identities(builder: AiModelBuilder) -> dict[str, str]:
    """What is hashed of each stage before its inputs are known."""
    spec = builder.spec()
    return {
        name: base_of(builder.index, s.stage, seed=spec.seed, project=Path("nowhere"))
        for name, s in spec.stages.items()
    }


@pytest.mark.parametrize("recipe", SOME)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_text_is_the_same_work(recipe, data, tmp_path_factory):
    changes = data.draw(st.lists(st.one_of(SOME[recipe]), max_size=5))
    project = tmp_path_factory.getbasetemp()
    builder = AiModelBuilder.from_recipe(recipe, project).configure(*ALWAYS[recipe], *changes)
    try:
        wanted = builder.spec()
    except FoundBeforeStart:
        assume(False)
    again = AiModelBuilder.from_recipe(builder.to_yaml(), project)
    found = again.spec()

    assert found.stages == wanted.stages
    assert list(found.stages) == list(wanted.stages)
    assert (found.name, found.seed) == (wanted.name, wanted.seed)
    assert identities(again) == identities(builder)
    assert AiModelBuilder.from_recipe(again.to_yaml(), project).spec().stages == wanted.stages


KEYS = st.text(max_size=8).filter(lambda key: key not in (*FORBIDDEN, "hydra"))


@given(st.dictionaries(KEYS, st.text(max_size=30), max_size=4))
def test_any_text_stands_in_a_recipe_as_it_is(values):
    tree = Node({key: Node(value, "here") for key, value in values.items()}, "here")
    assert read_mapping(emit(tree), "text").plain() == values


@given(st.text(max_size=20).filter(lambda t: t[:1] not in ("[", "{", "'", '"')))
def test_a_word_of_the_command_line_keeps_its_value_and_its_text(word):
    node = read_value(word, "override")
    again = read_mapping(emit(Node({"k": node}, "here")), "text").get("k")
    assert again is not None
    assert repr(again.value) == repr(node.value)
    if isinstance(node.value, (int, float)) and node.value is not None:
        assert again.text == node.text


def test_plans_of_both_have_equal_fingerprints(tmp_path):
    builder = AiModelBuilder.from_recipe("digits", tmp_path).configure(
        "optimizer.lr=0.02", "stages.tune.num_trials=2", "trainer.epochs=1"
    )
    again = AiModelBuilder.from_recipe(builder.to_yaml(), tmp_path)
    builder.configure("~stages.register.gate").build().check()

    assert [r.fingerprint for r in again.plan().rows] == [
        r.fingerprint for r in builder.plan().rows
    ]
    assert again.plan().row("tune").action == "reuse"


def test_a_pinned_key_is_pinned_in_the_text(tmp_path):
    builder = AiModelBuilder.from_recipe("digits", tmp_path).configure("optimizer.lr=0.02")
    space = (
        AiModelBuilder.from_recipe(builder.to_yaml(), tmp_path).spec().stages["tune"].stage["space"]
    )
    assert list(space) == ["model.hidden"]


def test_the_text_is_changed_in_one_place_as_before(tmp_path):
    text = AiModelBuilder.from_recipe("digits_train", tmp_path).to_yaml()
    changed = AiModelBuilder.from_recipe(text, tmp_path).configure("trainer.epochs=2", model="cnn")
    trainer = changed.spec().stages["train"].stage["trainer"]

    assert (trainer["epochs"], trainer["model"]["use"]) == (2, "cnn")


def test_a_recipe_is_read_from_a_path_wherever_it_is(tmp_path):
    text = AiModelBuilder.from_recipe("digits", tmp_path).configure(seed=11).to_yaml()
    elsewhere, inside = tmp_path / "notes" / "my digits.yaml", tmp_path / "recipes" / "mine.yaml"
    for file in (elsewhere, inside):
        file.parent.mkdir()
        file.write_text(text)

    for recipe in (elsewhere, str(elsewhere), inside, "mine"):
        assert AiModelBuilder.from_recipe(recipe, tmp_path).spec().seed == 11
    assert AiModelBuilder.from_recipe(inside, tmp_path).recipe == "mine"


def test_a_file_may_extend_the_recipe_it_is_called_like(tmp_path):
    file = tmp_path / "digits.yaml"
    file.write_text("defaults: [/digits, _self_]\nseed: 12\n")
    spec = AiModelBuilder.from_recipe(file, tmp_path).spec()
    assert (spec.seed, spec.name) == (12, "digits")


def test_a_mistake_in_a_given_recipe_is_told_by_its_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [/digits, _self_]\ntrainer: {epohcs: 3}\n")
    with pytest.raises(UnknownKey, match="epohcs") as told:
        AiModelBuilder.from_recipe(file, tmp_path).spec()
    assert "mine.yaml:2" in told.value.where


def test_a_path_without_a_file_is_a_typed_error(tmp_path):
    with pytest.raises(UnknownRecipe, match="no file") as told:
        AiModelBuilder.from_recipe("digits.yaml", tmp_path)
    assert "did you mean `digits`?" in told.value.remedy


def test_secrets_and_the_environment_stay_references(tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "elsewhere.csv")
    builder = AiModelBuilder.from_recipe("tabular_file", tmp_path).configure(
        "source.path=${oc.env:WHERE}", "source.label=y"
    )
    assert "elsewhere.csv" not in builder.to_yaml().partition("defaults:")[2]
    assert "${oc.env:WHERE}" in builder.to_yaml()
