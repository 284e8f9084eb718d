"""The index of the data, training and export components, and short ways to run their stages."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from aidn_pipeline.config.introspect import spec_of, spec_of_external
from aidn_pipeline.core.artifact import Checkpoint, Dataset
from aidn_pipeline.core.component import mark_of
from aidn_pipeline.core.describe import build, complete
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.stage import NoInputs, Predecessor
from aidn_pipeline.errors import Interrupted
from aidn_pipeline.stages.split import SplitInputs
from aidn_pipeline.stages.tokenize import TokenizeInputs
from aidn_pipeline.stages.train import TrainInputs, TrainOutputs
from aidn_pipeline.testing.context import Bench
from aidn_pipeline.training.external import EXTERNAL

MODULES = (
    "data.sources.digits",
    "data.sources.table",
    "data.sources.tickets",
    "data.dataset",
    "training.trainer",
    "training.losses",
    "training.metrics",
    "training.models.mlp",
    "training.models.cnn",
    "training.models.transformer_encoder",
    "training.augmentations",
    "training.policy",
    "training.early_stop",
    "training.schedules",
    "training.transforms",
    "stages.train",
    "stages.snapshot",
    "stages.split",
    "stages.tokenize",
    "stages.evaluate",
    "stages.export",
)


def live_index() -> Index:
    """Read from the modules themselves, so a test never sees a stale index."""
    specs = [spec_of_external(key, path) for key, path in EXTERNAL.items()]
    for name in MODULES:
        module = importlib.import_module(f"aidn_pipeline.{name}")
        own = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__]
        specs += [spec_of(target) for target in own if callable(target) and mark_of(target)]
    return Index(specs)


INDEX = live_index()
HARD: dict[str, Any] = {
    "model": {"use": "mlp", "hidden": 16, "dropout": 0.3, "batch_norm": True},
    "augment": {"use": "noise", "std": 0.1},
}
"""Everything that draws numbers or keeps state: dropout, batch norm, augmentation."""


def stage(**description: Any) -> Any:
    return build(INDEX, "stage", complete(INDEX, "stage", description))


def trainer(**more: Any) -> dict[str, Any]:
    plain = {"use": "trainer", "model": {"use": "mlp", "hidden": 16}, "epochs": 2}
    return {**plain, "optimizer": {"use": "adamw", "lr": 3e-3}, "device": "cpu", **more}


def csv_dataset(
    bench: Bench, folder: Path, *, rows: int = 300, task: str = "multiclass"
) -> Dataset:
    """A small table that can be learned, split."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 6, generator=generator)
    y = (x[:, :3].argmax(dim=1) if task == "multiclass" else (x[:, 0] > 0).long()).tolist()
    if task == "regression":
        y = (x @ torch.arange(6.0)).tolist()
    lines = ["a,b,c,d,e,f,label"]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(x.tolist(), y, strict=True)]
    (folder / "small.csv").write_text("\n".join(lines))
    source = {"use": "table", "path": "small.csv", "task": task}
    whole = bench.run(stage(use="snapshot", source=source), NoInputs(), "snapshot").dataset
    return bench.run(stage(use="split"), SplitInputs(whole), "split").dataset


def text_dataset(bench: Bench, *, rows: int = 200) -> Dataset:
    """Texts that can be learned, split and tokenized."""
    source = {"use": "tickets", "rows": rows}
    whole = bench.run(stage(use="snapshot", source=source), NoInputs(), "snapshot").dataset
    split = bench.run(stage(use="split"), SplitInputs(whole), "split").dataset
    return bench.run(stage(use="tokenize"), TokenizeInputs(split), "tokenize").dataset


def train(
    bench: Bench, dataset: Dataset, work: str, settings: Mapping[str, Any] = {}, **more: Any
) -> TrainOutputs:
    return bench.run(
        stage(use="train", trainer=trainer(**settings)), TrainInputs(dataset), work, **more
    )


def interrupt(
    bench: Bench, dataset: Dataset, work: str, looks: int, settings: Mapping[str, Any]
) -> None:
    with pytest.raises(Interrupted):
        train(bench, dataset, work, settings, stop_after=looks)


def continuing(outputs: TrainOutputs, epochs: int) -> Predecessor:
    found = {"best": outputs.best, "last": outputs.last, "metrics": outputs.metrics}
    return Predecessor({"trainer.epochs": epochs}, found)


def weights(bench: Bench, checkpoint: Checkpoint) -> bytes:
    return bench.store.files(checkpoint)["state.safetensors"].read_bytes()
