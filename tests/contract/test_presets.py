"""Every built-in component and every preset keeps the contract of its group.

A new component or YAML needs no line here; a new group needs a suite in `SUITES`.
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
import yaml

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.testing.augmentation import AugmentationSuite
from aidn_pipeline.testing.checkpoint import CheckpointSuite
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.early_stop import EarlyStopSuite
from aidn_pipeline.testing.examples import (
    example_signature,
    example_text_signature,
    example_trainer,
)
from aidn_pipeline.testing.loss import LossSuite
from aidn_pipeline.testing.lr_scheduler import LrSchedulerSuite
from aidn_pipeline.testing.metric import MetricSuite
from aidn_pipeline.testing.model import ModelSuite
from aidn_pipeline.testing.optimizer import OptimizerSuite
from aidn_pipeline.testing.sampler import SamplerSuite
from aidn_pipeline.testing.subject import shipped
from aidn_pipeline.testing.transform import TransformSuite
from aidn_pipeline.testing.trial_scheduler import TrialSchedulerSuite

CLASSES, NUMBERS = ("multiclass", "binary"), ("regression",)
CODED = torch.tensor([[0.5, 0.0, 2.0], [-3.0, 3.0, 0.0], [0.0, 1.0, -1.0]])
"""Raw rows whose second number is the code of a category."""
IMAGES = tuple(example_signature(t, shape=(1, 8, 8)) for t in (*CLASSES, *NUMBERS))
TEXTS = tuple(example_text_signature(task) for task in (*CLASSES, *NUMBERS))
SUITES: Mapping[str, type[ComponentSuite]] = {
    "augmentation": AugmentationSuite,
    "checkpoint": CheckpointSuite,
    "early_stop": EarlyStopSuite,
    "loader": ComponentSuite,
    "loss": LossSuite,
    "lr_scheduler": LrSchedulerSuite,
    "metric": MetricSuite,
    "model": ModelSuite,
    "optimizer": OptimizerSuite,
    "sampler": SamplerSuite,
    "trainer": ComponentSuite,
    "transform": TransformSuite,
    "trial_scheduler": TrialSchedulerSuite,
}
IN_FILES_OF_THEIR_OWN = {"source": "test_sources", "stage": "test_stages"}
"""Groups whose components each need files or inputs."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "augmentation/shift": {"shape": (1, 8, 8)},
    "loss/binary_cross_entropy": {"tasks": ("binary",)},
    "loss/cross_entropy": {"tasks": ("multiclass",)},
    "loss/huber": {"tasks": NUMBERS},
    "loss/mse": {"tasks": NUMBERS},
    "metric/accuracy": {"tasks": CLASSES},
    "metric/f1": {"tasks": CLASSES},
    "metric/mae": {"tasks": NUMBERS},
    "metric/r2": {"tasks": NUMBERS},
    "metric/rmse": {"tasks": NUMBERS},
    "metric/top_k": {"tasks": ("multiclass",)},
    "model/cnn": {"signatures": IMAGES},
    "model/embedding_bag": {"signatures": TEXTS},
    "model/transformer_encoder": {"signatures": TEXTS},
    "transform/normalize": {"shape": (2, 3, 3)},
    "transform/tabular": {"rows": lambda _: CODED.clone()},
    "model/mlp": {"signatures": (*ModelSuite.signatures, *IMAGES)},
}
"""What a suite is told of single components."""
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "lr_scheduler/cosine_annealing": {"T_max": 12},
    "lr_scheduler/exponential": {"gamma": 0.9},
    "lr_scheduler/multistep": {"milestones": [3, 8]},
    "lr_scheduler/step": {"step_size": 4},
    "metric/top_k": {"k": 1},
    "trainer/trainer": example_trainer(),
    "transform/normalize": {"mean": [0.1, -0.2], "std": [0.5, 2.0]},
    "transform/tabular": {
        "center": [0.1, 0.0, -0.5],
        "scale": [2.0, 1.0, 0.5],
        "categories": [0, 3, 0],
    },
}
"""Fields without a default, and those whose default says nothing here."""


def subjects() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Group, id and description: each component with its defaults, and each preset."""
    for spec in shipped():
        if spec.group in SUITES:
            fields = NEEDED.get(spec.key, {})
            yield spec.group, spec.key, {**fields, "use": spec.name}
    for path in sorted(data_folder("conf").glob("*/*.yaml")):
        preset = yaml.safe_load(path.read_text())
        if path.parent.name in SUITES and path.parent.name != "trainer":
            key = f"{path.parent.name}/{preset['use']}"
            yield (
                path.parent.name,
                f"conf/{path.parent.name}/{path.stem}",
                {
                    **preset,
                    **NEEDED.get(key, {}),
                },
            )


def clauses() -> Iterator[Any]:
    for group, name, description in subjects():
        suite = SUITES[group]
        settings = SETTINGS.get(f"{group}/{description['use']}", {})
        for clause in sorted(n for n in dir(suite) if n.startswith("test_")):
            yield pytest.param(suite, clause, description, settings, group, id=f"{name}-{clause}")


@pytest.mark.parametrize(("suite", "clause", "description", "settings", "group"), list(clauses()))
def test_it_keeps_its_contract(suite, clause, description, settings, group, tmp_path):
    told = {**settings, "group": group, "make": staticmethod(lambda: dict(description))}
    method = getattr(type("Told", (suite,), told)(), clause)
    method(*([tmp_path] if "tmp_path" in method.__code__.co_varnames else []))


def test_every_group_has_a_suite():
    groups = {*shipped().groups(), *(p.name for p in data_folder("conf").iterdir())}
    without = groups - SUITES.keys() - IN_FILES_OF_THEIR_OWN.keys() - {"pipeline"}
    assert without == set(), "write a suite in aidn_pipeline/testing and name it in SUITES"


@pytest.mark.parametrize("group", IN_FILES_OF_THEIR_OWN)
def test_every_component_with_inputs_of_its_own_is_tested(group):
    module = importlib.import_module(f"contract.{IN_FILES_OF_THEIR_OWN[group]}")
    tested = [
        suite().subject.spec.name
        for name, suite in inspect.getmembers(module, inspect.isclass)
        if name.startswith("Test")
    ]
    untested = set(shipped().names(group)) - set(tested)
    assert untested == set(), f"write a {group.title()}Suite for it in {module.__name__}"
