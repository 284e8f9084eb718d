"""A project in a folder of its own, written by hand: components, and what they share."""

from pathlib import Path

MODULES = {
    "__init__.py": "",
    "shared.py": '''\
"""What several components need."""

from torch import Tensor


def squash(x: Tensor) -> Tensor:
    """Hidden activations."""
    return x.tanh()
''',
    "cuts.py": '''\
"""Bins of a column."""

import numpy as np


def codes(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Position of each value among the edges."""
    return np.searchsorted(edges, column).astype("float32")
''',
    "reader.py": '''\
"""The table of this project."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from aidn_pipeline import SourceTable, component


@component("source", "rings")
@dataclass(frozen=True, kw_only=True)
class Rings:
    """Two noisy rings; the inner one is `near`.

    Attributes:
        rows: how many.
    """

    rows: int = 400

    def read(self, project: Path) -> SourceTable:
        """Draws the rows."""
        rng = np.random.default_rng(3)
        far = rng.integers(0, 2, self.rows)
        angle = rng.uniform(0, 2 * np.pi, self.rows)
        radius = 1.0 + far + rng.normal(0, 0.2, self.rows)
        columns = {
            "x": radius * np.cos(angle),
            "y": radius * np.sin(angle),
            "side": np.where(far == 1, "far", "near"),
        }
        return SourceTable(
            name="rings",
            table=pa.table(columns),
            label="side",
            task="multiclass",
            features=("x", "y"),
            shape=(2,),
            where="rings",
        )
''',
    "features.py": '''\
"""Columns made from columns."""

import numpy as np

from aidn_pipeline import Dataset, StageContext, component
from {package}.cuts import codes


@component("stage", "featurize")
def featurize(dataset: Dataset, ctx: StageContext, *, bins: int = 10) -> Dataset:
    """Adds quantile bins of each feature, fitted on the training split.

    Args:
        dataset: a split data set.
        ctx: services.
        bins: how many.
    """
    view = ctx.load(dataset)
    table, training = view.table(), view.table("train")
    for name in view.signature.features:
        edges = np.quantile(training[name], np.linspace(0, 1, bins + 1)[1:-1])
        table = table.append_column(f"{name}_bin", [codes(table[name].to_numpy(), edges)])
    return ctx.save(Dataset, view.with_table(table))
''',
    "nets.py": '''\
"""The model and what it is trained and judged by."""

import time

from torch import Tensor, nn
from torch.nn import functional

from aidn_pipeline import Signature, component
from {package}.shared import squash


@component("model", "rings_net")
class RingsNet(nn.Module):
    """One hidden layer."""

    def __init__(self, signature: Signature, *, hidden: int = 16, wait: float = 0.0) -> None:
        """Builds the layers.

        Args:
            signature: of the data.
            hidden: units.
            wait: seconds that a batch takes longer.
        """
        super().__init__()
        self.first = nn.Linear(len(signature.features), hidden)
        self.last = nn.Linear(hidden, signature.outputs)
        self.wait = wait

    def forward(self, rows: Tensor) -> Tensor:
        """Logits."""
        time.sleep(self.wait)
        return self.last(squash(self.first(rows)))


@component("loss", "focal")
def focal(outputs: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Cross entropy, less of it where the model is sure.

    Args:
        outputs: logits.
        targets: classes.
        gamma: how much less.
    """
    each = functional.cross_entropy(outputs, targets, reduction="none")
    return ((1 - (-each).exp()) ** gamma * each).mean()
''',
    "scores.py": '''\
"""How models are judged."""

from torch import Tensor

from aidn_pipeline import component


@component("metric", "sureness", mode="max")
def sureness(outputs: Tensor, targets: Tensor, *, at: float = 0.5) -> float:
    """Share of examples whose true class has at least this probability.

    Args:
        outputs: logits.
        targets: classes.
        at: the probability.
    """
    right = outputs.softmax(dim=-1).gather(1, targets[:, None])
    return float((right >= at).double().mean())
''',
    "draws.py": '''\
"""Points of a search space."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aidn_pipeline import History, component


@component("sampler", "corner")
@dataclass(frozen=True, kw_only=True)
class Corner:
    """Always small models."""

    hidden: int = 4

    def propose(self, space: Any, history: History, rng: Any) -> Mapping[str, Any]:
        """The next point."""
        return {"model.hidden": self.hidden + len(history.trials)}
''',
}

RECIPE = """\
# @package _global_
# Rings, with components of this project.
defaults:
  - /pipeline: standard
  - /source: rings
  - /model: rings_net
  - /optimizer: adamw
  - /loss: focal
  - _self_
name: rings
seed: 5
trainer:
  epochs: 3
  metrics:
    accuracy: {use: accuracy}
    sure: {use: sureness, at: 0.6}
stages:
  tune: null
  featurize:
    use: featurize
    inputs: {dataset: split.dataset}
    bins: 6
  train: {inputs: {dataset: featurize.dataset}}
  evaluate: {inputs: {dataset: featurize.dataset}}
"""


def write_package(folder: Path, package: str = "ringkit") -> Path:
    """Writes the package below a folder; returns the package's folder."""
    place = folder / package
    place.mkdir(parents=True)
    for name, text in MODULES.items():
        (place / name).write_text(text.replace("{package}", package))
    return place


def write_project(folder: Path, package: str = "ringkit") -> Path:
    """Writes settings and recipe, without the package; returns the project's root."""
    (folder / "recipes").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[tool.aidn]\npackages = ["{package}"]\n')
    (folder / "recipes" / "rings.yaml").write_text(RECIPE)
    return folder
