"""Recipes: search order, extension, merging, and every mistake with its line."""

import subprocess
import sys
import time

import pytest
from support.projects import Load, Write

from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.library import Library
from aidn_pipeline.config.project import Project
from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.core.index import Index
from aidn_pipeline.errors import (
    AidnError,
    BudgetExceeded,
    ConfigError,
    ConfigProblems,
    ForbiddenKey,
    UnknownComponent,
    UnknownKey,
    UnknownRecipe,
    WiringError,
    WrongType,
)

HEAD = "# @package _global_\ndefaults:\n  - /toy\n"


def test_every_value_knows_its_line(load: Load) -> None:
    origins = load().origins
    assert origins["stages.tune.num_trials"] == "recipes/toy.yaml:18"
    assert (
        origins["trainer.epochs"]
        == origins["stages.train.trainer.epochs"]
        == "conf/trainer/toy.yaml:5"
    )


def test_a_component_without_a_file_stands_where_it_is_chosen(load: Load) -> None:
    assert load().origins["model.use"] == "recipes/toy.yaml:7"
    assert load("model=curve", "~stages.tune").origins["model.use"] == "override model=curve"


def test_a_recipe_extends_another_and_overrides_its_choices(load: Load, write: Write) -> None:
    write("recipes/nlp/tiny.yaml", f"{HEAD}  - override /model: curve\nstages: {{tune: null}}\n")
    spec = load(recipe="nlp/tiny")
    assert (spec.name, list(spec.stages)) == ("toy", ["snapshot", "train", "register", "export"])
    assert spec.stages["train"].stage["trainer"]["model"]["use"] == "curve"


def test_a_recipe_needs_no_package_header(load: Load, write: Write) -> None:
    write("recipes/nlp/plain.yaml", "defaults:\n  - /toy\nseed: 3\n")
    assert load(recipe="nlp/plain").seed == 3


def test_null_in_a_file_removes_any_named_entry(load: Load, write: Write) -> None:
    write(
        "recipes/less.yaml",
        f"{HEAD}stages: {{export: null, tune: {{space: {{model.hidden: null}}}}}}\n",
    )
    spec = load(recipe="less")
    assert "export" not in spec.stages
    assert list(spec.stages["tune"].stage["space"]) == ["optimizer.lr"]


def test_a_space_in_short_and_in_long_form_is_the_same_work(load: Load, write: Write) -> None:
    head = f"{HEAD}stages:\n  tune:\n    space:\n"
    write(
        "recipes/short.yaml",
        f"{head}      model.bias: any\n      optimizer.lr: {{low: 1, high: 2}}\n",
    )
    write(
        "recipes/long.yaml",
        f"{head}      optimizer.lr: {{type: float, high: 2.0, low: 1.0, log: true, step: null}}\n"
        "      model.bias: {choices: [false, true], ordered: false}\n",
    )
    space = load(recipe="short").stages["tune"].stage["space"]
    assert canonical_json(space) == canonical_json(
        load(recipe="long").stages["tune"].stage["space"]
    )
    assert isinstance(space["optimizer.lr"]["low"], float)


def test_a_second_instance_of_a_group_is_a_second_mount(load: Load, write: Write) -> None:
    write(
        "recipes/two.yaml",
        f"{HEAD}  - /trainer@final: toy\n"
        "stages: {train: {trainer: '${final}'}}\n"
        "final: {epochs: 9}\n",
    )
    spec = load(recipe="two")
    assert spec.stages["train"].stage["trainer"]["epochs"] == 9
    assert spec.stages["tune"].stage["trial"]["epochs"] == 3


def test_a_user_file_hides_a_shipped_one_and_the_plan_can_say_so(
    load: Load, write: Write, index: Index, project: Project
) -> None:
    write("recipes/digits.yaml", f"{HEAD}seed: 1\n")
    assert [note.split(" hides ")[0] for note in load(recipe="digits").notes] == [
        "recipes/digits.yaml"
    ]
    config = Library(project, index).load("builtin/digits")
    assert config is not None
    assert not config.file.startswith("recipes/")


def test_recipes_are_listed_with_their_first_comment(project: Project, write: Write) -> None:
    write("recipes/bare.yaml", "seed: 1\n")
    found = {info.name: info for info in list_recipes(project)}
    assert found["toy"].header == "A toy, end to end."
    assert (found["bare"].header, found["bare"].builtin) == ("", False)
    assert found["digits"].builtin


def test_interpolations_of_every_kind(load: Load, write: Write) -> None:
    write(
        "recipes/kinds.yaml",
        f"{HEAD}name: 'toy-${{seed}}-\\${{x}}'\n"
        "source: {rows: '${oc.decode:${oc.env:ROWS}}', revision: '${oc.env:REV,none}'}\n"
        "trainer: {clip: '${oc.select:nowhere.at_all,2}'}\n",
    )
    spec = load(recipe="kinds", ROWS="40")
    assert spec.name == "toy-7-${x}"
    assert spec.stages["snapshot"].stage["source"] == {
        "use": "numbers",
        "rows": 40,
        "revision": "none",
    }
    assert spec.stages["train"].stage["trainer"]["clip"] == 2.0
    assert spec.environment == {"REV": None, "ROWS": "40"}, "one that is not set counts too"


BAD: list[tuple[str, type[AidnError], str, str]] = [
    ("seed: 1\nsed: 2\n", UnknownKey, ":5 (sed)", "`seed`"),
    ("seed: high\n", WrongType, ":4 (seed)", "whole number"),
    ("stages: {train: {trainer: {epochs: 3}}}\n", ConfigError, ":4", "`trainer.epochs`"),
    ("model:\n  use: curve\n", ConfigError, ":5", "- override /model: curve"),
    ("stages:\n  train:\n    trianer: 1\n", UnknownKey, ":6 (stages.train.trianer)", "`trainer`"),
    ("stages: {extra: {use: trian}}\n", UnknownComponent, ":4", "`train`"),
    ("stages: {extra: {}}\n", ConfigError, ":4", "add `use:`"),
    ("stages: {extra: 3}\n", WrongType, ":4", "use: NAME"),
    ("stages: {train: {inputs: {dataset: tune.trials}}}\n", WiringError, ":4", "dataset"),
    ("stages: {train: {inputs: {dataset: snapshot}}}\n", WiringError, ":4", "stage.port"),
    ("stages: {train: {inputs: {datset: snapshot.dataset}}}\n", WiringError, ":4", "`dataset`"),
    ("stages: {snapshot: {inputs: {dataset: train.best}}}\n", ConfigProblems, ":4", ""),
    ("stages: {tune: {space: {optimizer.lr: {low: -1, high: 1}}}}\n", WrongType, ":4", ""),
    ("model:\n  _target_: os.system\n", ForbiddenKey, ":5", '@component("model", "system")'),
    ("model: {_partial_: true}\n", ForbiddenKey, ":4", "remove"),
    ("model: !!python/object/apply:os.system [ls]\n", ForbiddenKey, ":4", "tag"),
    ("hydra: {run: {dir: x}}\n", ForbiddenKey, ":4", "`conf/`"),
    ("seed: 1\nseed: 2\n", ConfigError, ":5", "keep one"),
    ("seed: ${hydra:runtime.cwd}\n", ForbiddenKey, ":4", "recipe"),
    ("seed: ${.name}\n", ConfigError, ":4", "from the root"),
    ("seed: [\n", ConfigError, ":4", "close it with `]`"),
    ("a: " + "[" * 65 + "]" * 65 + "\n", BudgetExceeded, ":4", "flatten"),
]


@pytest.mark.parametrize(("text", "error", "place", "remedy"), BAD, ids=[b[0][:40] for b in BAD])
def test_a_wrong_recipe_is_refused_with_its_line_and_remedy(
    load: Load, write: Write, text: str, error: type[AidnError], place: str, remedy: str
) -> None:
    write("recipes/bad.yaml", HEAD + text)
    with pytest.raises(error) as caught:
        load(recipe="bad")
    assert caught.value.exit_code == 2
    assert caught.value.where.startswith(f"recipes/bad.yaml{place}")
    assert remedy in caught.value.remedy


DEFAULTS: list[tuple[str, type[AidnError], str]] = [
    ("- /toy\n  - override /model: lin", UnknownComponent, "`line`"),
    ("- /toy\n  - override /modle: line", UnknownComponent, "`model`"),
    ("- /toy\n  - override /metric: hits", ConfigError, "- /metric: hits"),
    ("- /toyy", UnknownRecipe, "`toy`"),
    ("- /bad", ConfigError, "remove the entry"),
    ("- {a: b, c: d}", ConfigError, "/group: option"),
    ("- /model: ${oc.env:HOME}", ConfigError, "/group: option"),
]


@pytest.mark.parametrize(("entry", "error", "remedy"), DEFAULTS, ids=[d[0] for d in DEFAULTS])
def test_a_wrong_defaults_list_is_refused_in_our_words(
    load: Load, write: Write, entry: str, error: type[AidnError], remedy: str
) -> None:
    write("recipes/bad.yaml", f"defaults:\n  {entry}\n")
    with pytest.raises(error) as caught:
        load(recipe="bad")
    assert caught.value.where.startswith("recipes/bad.yaml:")
    assert remedy in caught.value.remedy


def test_all_problems_are_told_at_once_each_with_its_line(load: Load, write: Write) -> None:
    write(
        "recipes/bad.yaml",
        HEAD
        + "trainer: {epohcs: 3, device: gpu}\nstages:\n  export: {inputs: {version: train.best}}\n",
    )
    with pytest.raises(ConfigProblems) as caught:
        load(recipe="bad")
    assert {p.where.split(" ")[0] for p in caught.value.problems} == {
        "recipes/bad.yaml:4",
        "recipes/bad.yaml:6",
    }
    assert len(caught.value.problems) == 3


def test_an_unknown_recipe_is_answered_with_the_nearest(load: Load) -> None:
    with pytest.raises(UnknownRecipe) as caught:
        load(recipe="ty")
    assert "`toy`" in caught.value.remedy


@pytest.mark.parametrize("name", ["../toy", "/etc/passwd", "a/../../b", "", "toy.yaml/.."])
def test_a_recipe_name_never_leaves_the_folder(load: Load, name: str) -> None:
    with pytest.raises(UnknownRecipe):
        load(recipe=name)


def test_a_recipe_that_extends_itself_names_the_shipped_one(load: Load, write: Write) -> None:
    write("recipes/digits.yaml", "defaults:\n  - /digits\n")
    with pytest.raises(ConfigError) as caught:
        load(recipe="digits")
    assert (caught.value.where, "/builtin/digits" in caught.value.remedy) == (
        "recipes/digits.yaml:2",
        True,
    )


def test_a_folder_of_recipes_named_like_a_group_is_refused(load: Load, write: Write) -> None:
    write("recipes/model/a.yaml", "seed: 1\n")
    with pytest.raises(ConfigError, match="hide the group"):
        load()


def test_an_alias_bomb_is_refused_within_50_ms(load: Load, write: Write) -> None:
    rows = [f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9)}]" for i in range(1, 30)]
    write("recipes/bomb.yaml", "k0: &k0 [x, x]\n" + "\n".join(rows))
    load()  # imports are not what is timed
    before = time.process_time()
    with pytest.raises(BudgetExceeded):
        load(recipe="bomb")
    assert time.process_time() - before < 0.05


@pytest.mark.parametrize("shape", ["'${%s}${%s}'", "{x: '${%s}', y: '${%s}'}"])
def test_interpolations_that_double_are_refused(load: Load, write: Write, shape: str) -> None:
    rows = [f"k{i}: " + shape % (f"k{i - 1}", f"k{i - 1}") for i in range(1, 40)]
    write(
        "recipes/bomb.yaml",
        HEAD + "k0: xxxxxxxx\n" + "\n".join(rows) + "\nsource: {rows: '${k39}'}\n",
    )
    with pytest.raises(BudgetExceeded):
        load(recipe="bomb")


def test_a_large_file_is_refused_unread(load: Load, write: Write) -> None:
    write("recipes/large.yaml", "# " + "x" * (1 << 20))
    with pytest.raises(BudgetExceeded):
        load(recipe="large")


def test_a_forbidden_target_imports_nothing(project: Project, write: Write) -> None:
    write("recipes/bad.yaml", "model: {_target_: antigravity.fly}\n")
    program = (
        "import sys\n"
        "from aidn_pipeline.config.project import find_project\n"
        "from aidn_pipeline.config.recipe import load_recipe\n"
        "from aidn_pipeline.core.index import Index\n"
        "from aidn_pipeline.errors import ConfigError\n"
        "try:\n    load_recipe('bad', [], find_project(), Index(()))\n"
        "except ConfigError:\n    print('antigravity' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "False\n"
