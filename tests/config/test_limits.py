"""Keys of a stage that say how it is run: what they are read as, and what is told of a mistake."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.limits import size_in_bytes
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.pipeline import Claim, PipelineSpec, Retries
from aidn_pipeline.engine.fingerprint import base_of
from aidn_pipeline.errors import AidnError, ConfigProblems

HEAD = """\
# @package _global_
defaults:
  - /digits_train
  - _self_
name: toy
"""


def compose(folder: Path, body: str = "", *overrides: str) -> PipelineSpec:
    (folder / "recipes").mkdir(exist_ok=True)
    (folder / "recipes" / "toy.yaml").write_text(HEAD + body)
    return load_recipe("toy", overrides, find_project(folder), builtin_index(), {})


def problems(folder: Path, body: str) -> list[AidnError]:
    with pytest.raises(AidnError) as raised:
        compose(folder, body)
    error = raised.value
    return list(error.problems) if isinstance(error, ConfigProblems) else [error]


WHOLE = """\
stages:
  train:
    resources: {cpu: 1.5, gpu: 1, memory: 2GB, mutex: [disk, net]}
    timeout_s: 60
    retries: {times: 2, backoff_s: 0.5, on: [ConnectionError]}
  split: {retries: 3}
"""


def test_what_a_stage_says_of_how_it_is_run(tmp_path: Path) -> None:
    stages = compose(tmp_path, WHOLE).stages
    assert stages["train"].resources == Claim(
        cpu=1.5, gpu=1, memory=2 * 10**9, mutex=("disk", "net")
    )
    assert stages["train"].timeout_s == 60.0
    assert stages["train"].retries == Retries(times=2, backoff_s=0.5, on=("ConnectionError",))
    assert stages["split"].retries == Retries(times=3)


def test_without_them_a_stage_takes_one_core_and_is_tried_once(tmp_path: Path) -> None:
    stage = compose(tmp_path).stages["train"]
    assert (stage.resources, stage.timeout_s, stage.retries) == (Claim(cpu=1), None, Retries())


def test_they_are_set_and_taken_back_on_the_command_line(tmp_path: Path) -> None:
    overrides = [
        "stages.train.resources.cpu=2",
        "stages.train.retries.times=5",
        "stages.train.timeout_s=null",
        "stages.train.resources.memory=null",
        "stages.train.resources.gpu=0",
    ]
    stage = compose(tmp_path, WHOLE, *overrides).stages["train"]
    assert stage.resources == Claim(cpu=2, mutex=("disk", "net"))
    assert (stage.timeout_s, stage.retries.times) == (None, 5)


def test_they_are_no_part_of_a_fingerprint(tmp_path: Path) -> None:
    plain, limited = compose(tmp_path), compose(tmp_path, WHOLE)
    for name, stage in plain.stages.items():
        other = limited.stages[name]
        assert replace(other, resources=Claim(), timeout_s=None, retries=Retries()) == stage
        found = [
            base_of(builtin_index(), s.stage, seed=0, project=tmp_path) for s in (stage, other)
        ]
        assert found[0] == found[1]


def test_a_cell_of_a_matrix_may_have_its_own(tmp_path: Path) -> None:
    body = """\
stages:
  train:
    matrix: {trainer.seed: [1, 2]}
    timeout_s: ${matrix.trainer.seed}
  register: null
  export: null
"""
    stages = compose(tmp_path, body).stages
    assert stages["train[trainer.seed=1]"].timeout_s == 1.0
    assert stages["train[trainer.seed=2]"].timeout_s == 2.0


def test_a_run_says_what_it_may_use_of_the_machine(tmp_path: Path) -> None:
    spec = compose(tmp_path, "run: {executor: processes, resources: {cpu: 3, memory: 1GiB}}\n")
    assert spec.run == {"executor": "processes", "resources": {"cpu": 3.0, "memory": 1024**3}}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        ("64KB", 64000),
        ("7B", 7),
        (12, 12),
        (-1, None),
        ("2", None),
        ("2Gb", None),
        ("GB", None),
        ("-2GB", None),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(text: int | str, size: int | None) -> None:
    assert size_in_bytes(text) == size


WRONG = [
    ("train: {resources: 2}", "`stages.train.resources` takes a mapping, not 2"),
    ("train: {resources: {mem: 2GB}}", "there is no key `mem`"),
    ("train: {resources: {cpu: -1}}", "`stages.train.resources.cpu` is -1.0, the least is 0"),
    ("train: {resources: {gpu: 0.5}}", "`stages.train.resources.gpu` takes a whole number"),
    ("train: {resources: {memory: 2Gb}}", "`stages.train.resources.memory` takes a size, not 2Gb"),
    ("train: {resources: {mutex: disk}}", "takes a list, each item text, not disk"),
    ("train: {timeout_s: 0}", "`stages.train.timeout_s` is 0.0, the least is"),
    ("train: {timeout_s: 5 min}", "`stages.train.timeout_s` takes a number, not 5 min"),
    ("train: {retries: often}", "`stages.train.retries` takes a whole number, not often"),
    ("train: {retries: {backoff_s: 1}}", "`stages.train.retries.times` must be given"),
    ("train: {retries: {times: 1, on: [a.B]}}", "takes the names of errors, not 'a.B'"),
    ("train: {retries: {times: -1}}", "`stages.train.retries.times` is -1, the least is 0"),
]


@pytest.mark.parametrize(("body", "problem"), WRONG, ids=[body for body, _ in WRONG])
def test_a_mistake_is_told_with_its_line_and_a_remedy(
    tmp_path: Path, body: str, problem: str
) -> None:
    (told,) = problems(tmp_path, f"stages:\n  {body}\n")
    assert problem in told.problem
    assert "toy.yaml:7" in told.where
    assert told.remedy


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"resources": {"cpu": 2, "memory": "2GB"}, "retries": 2, "timeout_s": 5}, True),
        ({"retries": {"times": 2, "on": ["OSError"]}, "resources": None}, True),
        ({"resources": {"mem": "2GB"}}, False),
        ({"timeout_s": 0}, False),
        ({"retries": -1}, False),
    ],
)
def test_the_schema_for_editors_knows_them(body: dict[str, object], fits: bool) -> None:
    schema = json.loads((data_folder("schemas") / "recipe.schema.json").read_text())
    recipe = {"stages": {"split": {"use": "split", **body}}}
    assert jsonschema.Draft202012Validator(schema).is_valid(recipe) == fits
