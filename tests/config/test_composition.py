"""Composition to its full depth, with the shipped components and through the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from aidn_pipeline.cli.main import main
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.errors import ConfigError

HEAD = """\
# @package _global_
defaults:
  - /pipeline: standard
  - /source: digits
  - /model: mlp
  - /optimizer: adamw
  - _self_
"""
Files = Callable[[dict[str, str]], None]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Writes files of the project that the test works in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIDN_HOME", raising=False)

    def write(texts: dict[str, str]) -> None:
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    (tmp_path / "recipes").mkdir()
    return write


def spec(recipe: str, *overrides: str) -> PipelineSpec:
    return load_recipe(recipe, overrides, find_project(), builtin_index(), {})


def trainer(found: PipelineSpec, stage: str = "train") -> Any:
    return found.stages[stage].stage["trainer"]


def refused(recipe: str, *overrides: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        spec(recipe, *overrides)
    return caught.value


# Recipes in folders, and recipes that extend recipes.


def test_a_recipe_in_a_folder_runs_by_its_path(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files({"recipes/vision/small/digits.yaml": HEAD + "seed: 3\n"})
    assert main(["recipe=vision/small/digits", "trainer.epochs=2", "--plan", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["stages"])[:2] == ["snapshot", "split"]
    found = spec("vision/small/digits")
    assert (found.name, found.seed) == ("digits", 3)


def test_a_chain_of_recipes_lies_in_its_order(files: Files) -> None:
    files(
        {
            "recipes/base.yaml": HEAD
            + "name: base\nseed: 1\ntrainer: {epochs: 2, batch_size: 16}\n",
            "recipes/more/mid.yaml": "defaults:\n  - /base\n  - _self_\n"
            "seed: 2\ntrainer: {epochs: 3}\n",
            "recipes/more/top.yaml": "defaults:\n  - mid\n  - override /model: cnn\n  - _self_\n"
            "trainer: {epochs: 4}\nstages: {tune: null}\n",
        }
    )
    found = spec("more/top", "optimizer=sgd", "trainer.clip=1")
    assert (found.name, found.seed) == ("base", 2)
    assert "tune" not in found.stages
    assert {k: trainer(found)[k] for k in ("epochs", "batch_size", "clip")} == {
        "epochs": 4,
        "batch_size": 16,
        "clip": 1.0,
    }
    assert trainer(found)["model"]["use"] == "cnn"
    assert trainer(found)["optimizer"]["use"] == "sgd"


def test_what_the_command_line_overrides_may_be_an_override_already(files: Files) -> None:
    files({"recipes/a.yaml": "defaults:\n  - /digits\n  - override /model: cnn\n"})
    assert trainer(spec("a", "model=mlp", "~stages.tune"))["model"]["use"] == "mlp"


def test_an_override_of_what_nothing_mounts_is_named_with_its_line(files: Files) -> None:
    files({"recipes/a.yaml": "defaults:\n  - /digits\n  - override /loss: mse\n"})
    error = refused("a")
    assert "loss" in error.problem
    assert error.where == "recipes/a.yaml:3"


# Circles.


def test_a_recipe_that_extends_itself_is_refused_with_its_line(files: Files) -> None:
    files({"recipes/a.yaml": "defaults:\n  - /a\n"})
    error = refused("a")
    assert (error.problem, error.where) == ("a extends itself", "recipes/a.yaml:2")


def test_recipes_that_extend_each_other_are_refused_with_the_whole_circle(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files(
        {
            "recipes/a.yaml": "defaults:\n  - /sub/b\n",
            "recipes/sub/b.yaml": "defaults:\n  - c\n",
            "recipes/sub/c.yaml": "seed: 1\ndefaults:\n  - _self_\n  - /a\n",
        }
    )
    error = refused("a")
    assert error.problem == "a extends itself: a -> sub/b -> sub/c -> a"
    assert error.where == "recipes/sub/c.yaml:4"
    assert refused("sub/c").problem == "sub/c extends itself: sub/c -> a -> sub/b -> sub/c"
    assert main(["recipe=a", "--plan"]) == 2
    assert "error: recipes/sub/c.yaml:4: a extends itself" in capsys.readouterr().err


def test_a_preset_that_extends_itself_is_refused(files: Files) -> None:
    files(
        {
            "recipes/a.yaml": "defaults:\n  - /digits\n  - override /model: one\n",
            "conf/model/one.yaml": "defaults:\n  - two\nuse: mlp\n",
            "conf/model/two.yaml": "defaults:\n  - one\n",
        }
    )
    assert "model/one -> model/two -> model/one" in refused("a").problem


# Groups of the user's own.


def test_a_users_file_is_an_option_of_a_shipped_group_beside_ours(files: Files) -> None:
    files(
        {
            "recipes/a.yaml": "defaults:\n  - /digits\n",
            "conf/model/tiny.yaml": "# Tiny.\nuse: mlp\nhidden: 4\n",
        }
    )
    assert trainer(spec("a", "model=tiny", "~stages.tune"))["model"]["hidden"] == 4
    assert trainer(spec("a", "model=cnn", "~stages.tune"))["model"]["use"] == "cnn"
    assert trainer(spec("digits", "model=tiny", "~stages.tune"))["model"]["hidden"] == 4


def test_a_preset_may_extend_another_of_its_group(files: Files) -> None:
    files(
        {
            "recipes/a.yaml": "defaults:\n  - /digits_train\n  - override /optimizer: slow\n",
            "conf/optimizer/slow.yaml": "defaults:\n  - adamw\n  - _self_\nlr: 1.0e-5\n",
        }
    )
    found = trainer(spec("a"))["optimizer"]
    assert (found["use"], found["lr"], found["weight_decay"]) == ("adamw", 1e-5, 1e-2)


def test_a_group_of_the_users_own_sets_several_keys_at_once(files: Files) -> None:
    files(
        {
            "recipes/a.yaml": "defaults:\n  - /digits_train\n  - /size: small\n",
            "conf/size/small.yaml": "# @package _global_\nmodel: {hidden: 4}\n"
            "trainer: {epochs: 1}\n",
            "conf/size/large.yaml": "# @package _global_\nmodel: {hidden: 512}\n",
        }
    )
    small, large = trainer(spec("a")), trainer(spec("a", "size=large"))
    assert (small["model"]["hidden"], small["epochs"]) == (4, 1)
    assert (large["model"]["hidden"], large["epochs"]) == (512, 20)


def test_several_instances_of_a_group_are_overridden_by_their_places(files: Files) -> None:
    files(
        {
            "recipes/a.yaml": "# @package _global_\ndefaults:\n  - /digits\n"
            "  - /trainer@final: default\n  - /optimizer@slow: sgd\n  - _self_\n"
            "final: {epochs: 9, optimizer: '${slow}'}\nslow: {lr: 0.5}\n"
            "stages: {train: {trainer: '${final}'}}\n"
        }
    )
    found = spec("a", "optimizer@slow=adam", "final.batch_size=8", "trainer.epochs=1")
    assert trainer(found)["optimizer"]["use"] == "adam"
    assert trainer(found)["optimizer"]["lr"] == 0.5
    assert (trainer(found)["epochs"], trainer(found)["batch_size"]) == (9, 8)
    assert found.stages["tune"].stage["trial"]["epochs"] == 1


# Files that hide shipped ones.


def test_a_hidden_built_in_is_named_by_the_plan(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files({"conf/optimizer/adamw.yaml": "use: adamw\nlr: 0.25\n"})
    assert main(["recipe=digits_train", "--plan"]) == 0
    captured = capsys.readouterr()
    assert "conf/optimizer/adamw.yaml hides the shipped" in captured.out + captured.err
    assert trainer(spec("digits_train"))["optimizer"]["lr"] == 0.25


def test_a_recipe_may_extend_the_built_in_that_it_hides(files: Files) -> None:
    files({"recipes/digits.yaml": "defaults:\n  - /builtin/digits\nseed: 99\n"})
    found = spec("digits", "model=cnn", "~stages.tune")
    assert (found.seed, trainer(found)["model"]["use"]) == (99, "cnn")


def test_a_preset_may_extend_the_built_in_that_it_hides(files: Files) -> None:
    files(
        {"conf/trainer/default.yaml": "defaults:\n  - /builtin/trainer/default\nepochs: 2\n"},
    )
    assert trainer(spec("digits"))["epochs"] == 2


# Many stages.


def test_many_mounted_stages_are_answered_with_a_hint(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    def mounted(count: int) -> str:
        lines = "".join(f"  - /stage@stages.s{k}: taken\n" for k in range(count))
        return f"# @package _global_\ndefaults:\n{lines}"

    files(
        {
            "recipes/few.yaml": mounted(50),
            "recipes/many.yaml": mounted(51),
            "conf/stage/taken.yaml": "use: snapshot\nsource: {use: digits}\n",
        }
    )
    assert spec("few").notes == ()
    assert main(["recipe=many", "--plan"]) == 0
    captured = capsys.readouterr()
    assert "51 stages are mounted one by one" in captured.out + captured.err
    assert "`matrix:`" in captured.out + captured.err


def test_a_thousand_stages_by_matrix_need_no_setting_of_any_library(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OmegaConf 2.4 refuses YAML of more than 10,000 nodes: none of ours is read by it."""

    def refuse() -> None:
        raise AssertionError("OmegaConf reads YAML")

    monkeypatch.delenv("OMEGACONF_MAX_YAML_EXPANDED_NODES", raising=False)
    monkeypatch.setattr("omegaconf._utils.get_yaml_loader", refuse)
    with pytest.raises(AssertionError, match="OmegaConf reads YAML"):
        OmegaConf.create("a: 1")
    files(
        {
            "recipes/wide.yaml": "stages:\n  data:\n    use: snapshot\n    source: {use: digits}\n"
            "  split:\n    use: split\n    inputs: {dataset: data.dataset}\n"
            "    matrix: {seed: {range: 1000}}\n"
        }
    )
    found = spec("wide")
    assert len(found.stages) == 1001
    assert found.stages["split[seed=999]"].stage["seed"] == 999
