"""A run done again by a program: its data, its components, what may be changed."""

from pathlib import Path

import numpy as np
import pytest

from aidn_pipeline import AiModelBuilder, Metrics, StageContext, component
from aidn_pipeline.errors import NotReproducible, UnknownComponent, UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
RECIPE = """\
# @package _global_
# One stage of a program.
name: counted
stages:
  count: {use: counts_here, up_to: 3}
"""


@component("stage", "counts_here")
def counts_here(ctx: StageContext, *, up_to: int = 2) -> Metrics:
    """Counts."""
    return ctx.save(Metrics, {"sum": sum(range(up_to + 1))})


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "counted.yaml").write_text(RECIPE)
    builder = AiModelBuilder.from_recipe("counted", tmp_path)
    builder.configure(**{"stages.count": {"use": counts_here}}).build().check()
    return tmp_path


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    scratch = AiModelBuilder.from_scratch(tmp_path)
    scratch.configure("trainer.epochs=1", "run.durability=process").build((X, Y)).check()
    return tmp_path


def test_data_that_were_handed_over_are_taken_from_the_store(handed):
    again = AiModelBuilder.from_run("", handed).configure("run.no_cache=true").build().check()
    assert again.stages["snapshot"].action == "reuse"
    assert again.stages["train"].action == "run"
    assert again.rerun.same is True


def test_data_that_were_handed_over_and_are_gone_are_asked_for(handed):
    for file in (handed / ".aidn" / "objects").rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(NotReproducible, match="a program handed over"):
        AiModelBuilder.from_run("", handed).plan()


def test_components_of_the_program_are_given_again(counted):
    again = AiModelBuilder.from_run("", counted, components=[counts_here]).build().check()
    assert (again.stages["count"].action, again.rerun.same) == ("reuse", True)
    with pytest.raises(UnknownComponent, match="counts_here"):
        AiModelBuilder.from_run("", counted).plan()


def test_only_keys_of_run_can_be_configured(counted):
    builder = AiModelBuilder.from_run("last", counted, components=[counts_here])
    plan = builder.configure("run.force=[count]").plan()
    assert plan.row("count").reason == "forced"
    with pytest.raises(UsageError, match="would change the configuration"):
        builder.configure("seed=4").plan()


def test_a_run_that_is_done_again_has_no_recipe_text(counted):
    with pytest.raises(UsageError, match="has no recipe"):
        AiModelBuilder.from_run("", counted, components=[counts_here]).to_yaml()


def test_a_project_without_runs_says_so(tmp_path):
    with pytest.raises(UsageError, match="nothing was run here yet"):
        AiModelBuilder.from_run("", tmp_path)
