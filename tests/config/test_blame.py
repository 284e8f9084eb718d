"""Blame: everything that set a key, in order, and what its text refers to."""

import json

import pytest
from support.shapes import Vault
from support.source import ROOT

from aidn_pipeline.config.blame import Blame, blame
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.project import find_project
from aidn_pipeline.core import masking
from aidn_pipeline.core.masking import masked
from aidn_pipeline.errors import UnknownKey

RECIPE = """\
# @package _global_
defaults:
  - /pipeline: standard
  - /source: digits
  - /model: mlp
  - /optimizer: adamw
  - override /trainer: slow
  - _self_
name: mine
seed: 7
label: "${name}-${oc.env:WHO,nobody}"
trainer:
  epochs: 30
stages:
  register: {name: "${label}"}
  tune:
    num_trials: 2
    space:
      optimizer.lr: {low: 1.0e-4, high: 1.0e-1, log: true}
"""
FILES = {
    "recipes/mine.yaml": RECIPE,
    "conf/trainer/slow.yaml": "defaults: [default]\nepochs: 25\nbatch_size: 16\n",
}


def shipped(file: str, text: str) -> str:
    """The place of a line of a file of ours."""
    lines = (ROOT / file).read_text().splitlines()
    return f"{file}:{next(at for at, line in enumerate(lines, 1) if text in line)}"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Blames a key of the recipe; what one test masks is no mask for another."""
    monkeypatch.setattr(masking, "KNOWN", masking.Known())
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def ask(key: str, *changes: str, **environ: str) -> Blame:
        index = builtin_index().merged([spec_of(Vault)])
        library = Library(find_project(tmp_path), index)
        return blame(library, "mine", changes, key, environ)

    return ask


def history(found: Blame) -> list[tuple[str, object, str]]:
    return [(entry.kind, entry.value, entry.origin) for entry in found.history]


def test_the_history_goes_from_the_default_through_the_files_to_the_override(asked):
    found = asked("trainer.epochs", "trainer.epochs=3")
    assert found.value == 3
    assert history(found) == [
        ("default", 20, "default of trainer/trainer"),
        ("set", 20, shipped("conf/trainer/default.yaml", "epochs: 20")),
        ("set", 25, "conf/trainer/slow.yaml:2"),
        ("set", 30, "recipes/mine.yaml:13"),
        ("set", 3, "override trainer.epochs=3"),
    ]


def test_every_override_of_a_key_is_told(asked):
    found = asked("trainer.epochs", "trainer.epochs=3", "trainer.epochs=4")
    assert [entry[2] for entry in history(found)[-2:]] == [
        "override trainer.epochs=3",
        "override trainer.epochs=4",
    ]


def test_a_key_behind_a_reference_is_that_of_the_place_it_is_written_at(asked):
    found = asked("stages.train.trainer.epochs")
    assert found.path == "trainer.epochs"
    assert found.links == (
        (
            "stages.train.trainer",
            "${trainer}",
            shipped("conf/pipeline/standard.yaml", "  trainer: ${trainer}"),
        ),
    )


def test_what_a_text_refers_to_is_told_to_its_end(asked):
    found = asked("stages.register.name", WHO="ada")
    assert found.value == "mine-ada"
    (label,) = found.refers_to
    name, who = label.refers_to
    assert history(label) == [("set", "${name}-${oc.env:WHO,nobody}", "recipes/mine.yaml:11")]
    assert history(name)[-1] == ("set", "mine", "recipes/mine.yaml:9")
    assert history(who) == [("environment", "ada", "environment variable WHO")]


def test_a_variable_that_is_not_set_shows_the_default(asked):
    who = asked("label").refers_to[1]
    assert history(who) == [("default", "nobody", "environment variable WHO is not set")]


def test_the_default_of_a_component_is_found_where_nobody_wrote_the_key(asked):
    found = asked("optimizer.amsgrad")
    assert found.value is False
    assert history(found) == [("default", False, "default of optimizer/adamw")]


def test_keys_of_a_run_have_a_history_too(asked):
    assert history(asked("run.smoke", "run.smoke=true")) == [
        ("default", False, "default of a run"),
        ("set", True, "override run.smoke=true"),
    ]
    with pytest.raises(UnknownKey) as error:
        asked("run.smok")
    assert error.value.remedy == "did you mean `run.smoke`?"


def test_the_options_of_a_group_are_its_history(asked):
    found = asked("model", "model=cnn")
    assert history(found)[:2] == [
        ("option", "mlp", "recipes/mine.yaml:5"),
        ("option", "cnn", "override model=cnn"),
    ]
    assert ("use", "cnn", shipped("conf/model/cnn.yaml", "use: cnn")) in found.leaves


def test_a_searched_key_names_its_space_unless_it_is_pinned(asked):
    assert history(asked("optimizer.lr"))[-1][::2] == ("searched", "recipes/mine.yaml:19")
    pinned = history(asked("optimizer.lr", "optimizer.lr=0.5"))
    assert pinned[-1] == ("set", 0.5, "override optimizer.lr=0.5")


def test_what_is_removed_is_told(asked):
    found = asked("stages.tune", "~stages.tune")
    assert found.history[-1].kind == "removed"
    assert found.value is None


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("epochs", "did you mean `trainer.epochs`?"),
        ("trainer.epoch", "did you mean `trainer.epochs`?"),
        ("optimizer.amsgrat", "did you mean `optimizer.amsgrad`?"),
        ("stages.trian.trainer", "did you mean `stages.train"),
        ("trainr", "did you mean `trainer`?"),
    ],
)
def test_an_unknown_key_names_the_nearest(key, remedy, asked):
    with pytest.raises(UnknownKey) as error:
        asked(key)
    assert error.value.problem == f"there is no key `{key}`"
    assert remedy in error.value.remedy


def test_references_in_a_circle_end(asked, tmp_path):
    file = tmp_path / "recipes" / "mine.yaml"
    file.write_text(RECIPE.replace('"${name}-', '"${stages.register.name}-'))
    found = asked("label")
    assert found.refers_to[0].path == "stages.register.name"


def test_a_problem_elsewhere_in_the_recipe_is_no_matter(asked, tmp_path):
    file = tmp_path / "recipes" / "mine.yaml"
    file.write_text(RECIPE.replace("num_trials: 2", "num_trails: 2"))
    assert asked("trainer.epochs").value == 30


def test_a_problem_of_the_composition_is_told(asked, tmp_path):
    file = tmp_path / "recipes" / "mine.yaml"
    file.write_text(RECIPE.replace("/model: mlp", "/model: mlpp"))
    (problem,) = asked("trainer.epochs").problems
    assert "mine.yaml:5" in problem
    assert "mlpp" in problem


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("source.token", "source.token=hunter2hunter2"),
        ("source", "source.token=hunter2hunter2"),
        ("source.headers.key", "source.headers.key=hunter2hunter2"),
    ],
)
def test_the_value_of_a_secret_is_masked(key, change, asked):
    found = asked(key, "source=vault", change)
    text = masked(json.dumps(found.to_json()))
    assert "override source." in text
    assert "hunter2" not in text


def test_the_name_of_a_secret_is_shown(asked):
    found = asked("source.token", "source=vault", "source.token='${secret:TOKEN}'")
    assert history(found)[-1][:2] == ("set", "${secret:TOKEN}")
    assert found.refers_to[0].history[0].kind == "secret"
