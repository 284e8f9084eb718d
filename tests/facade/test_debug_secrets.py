"""`aidn-run debug STAGE` looks for secrets first, as a run does."""

from pathlib import Path

import pytest
from support.command import aidn

RECIPE = """\
# @package _global_
defaults: [/digits_train, _self_]
name: asking
trainer: {epochs: 1}
stages:
  register: null
  export: null
  evaluate: {metrics: {asked: {use: asked, token: "${secret:SHOP_TOKEN}"}}}
"""
CODE = """\
from aidn_pipeline import Secret, component

@component("metric", "asked", mode="max")
def asked(outputs, targets, *, token: Secret) -> float:
    return float(len(token.reveal()))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes" / "asking.yaml").write_text(RECIPE)
    (folder / "shop.py").write_text(CODE)
    (folder / "pyproject.toml").write_text('[tool.aidn]\npackages = ["shop"]\n')
    return folder


@pytest.mark.parametrize("stage", ["evaluate", "train"])
def test_a_missing_secret_is_told_before_anything_starts_if_the_stage_needs_it(project, stage):
    done = aidn("debug", stage, "recipe=asking", "--no-pdb", cwd=project, AIDN_TRUST="1")
    needs = stage == "evaluate"
    assert done.returncode == (2 if needs else 0), done.stderr
    assert ("SHOP_TOKEN is neither in the variable" in done.stderr) == needs
    assert ("recipes/asking.yaml:" in done.stderr) == needs
    assert (project / ".aidn" / "journal").exists() != needs


def test_a_secret_that_is_there_stops_nothing(project):
    given = {"AIDN_TRUST": "1", "AIDN_SECRET_SHOP_TOKEN": "abcd"}
    done = aidn("debug", "evaluate", "recipe=asking", "--no-pdb", cwd=project, **given)
    assert done.returncode == 0, done.stderr
    assert "evaluate went through" in done.stdout
