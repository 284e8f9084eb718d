"""Tiny inputs for suites: data sets of every task, signatures, a trained model and its version."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import pyarrow as pa

from aidn_pipeline.core.artifact import Artifact, Dataset
from aidn_pipeline.core.columns import Text
from aidn_pipeline.core.signature import Signature, Task
from aidn_pipeline.data.dataset import DatasetView, snapshot_files, split_files
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.testing.context import Bench

ROWS = 48
SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}
WORDS = ("good", "bad", "late", "early", "red", "blue", "who", "what")
CLASSES: Mapping[Task, Sequence[str]] = {"multiclass": ("a", "b", "c"), "binary": ("no", "yes")}


def example_table(
    task: Task = "multiclass", *, rows: int = ROWS, shape: Sequence[int] = (4,)
) -> SourceTable:
    """A table that can be learned: the label follows from the first features.

    Args:
        task: of the label.
        rows: how many.
        shape: of one example.
    """
    dice = random.Random(rows)
    names = [f"x{i}" for i in range(prod(shape))]
    x = [[dice.uniform(-1, 1) for _ in names] for _ in range(rows)]
    if task == "regression":
        label: list[Any] = [2 * row[0] - row[1] + 5 for row in x]
    else:
        classes = CLASSES[task]
        label = [classes[int((row[0] + 1) / 2 * len(classes)) % len(classes)] for row in x]
    columns = {name: [row[i] for row in x] for i, name in enumerate(names)}
    return SourceTable(
        name="example",
        table=pa.table({**columns, "label": label}),
        label="label",
        task=task,
        features=tuple(names),
        shape=tuple(shape),
        where="aidn_pipeline.testing.examples",
    )


def example_signature(task: Task = "multiclass", *, shape: Sequence[int] = (4,)) -> Signature:
    """What a model is handed for `example_table`."""
    found = example_table(task, shape=shape).signature()
    return replace(found, target_center=5.0, target_scale=1.2) if task == "regression" else found


def example_text_signature(task: Task = "multiclass") -> Signature:
    """What a model of texts is handed: a small vocabulary, texts of six words at most."""
    text = Text(name="text", words=tuple(WORDS), length=6)
    return replace(
        example_signature(task), features=("text",), shape=(6,), dtype="int64", text=text
    )


def example_texts(bench: Bench, *, rows: int = ROWS) -> Dataset:
    """Texts that say what they are about, split, not tokenized yet; the label is binary.

    Args:
        bench: its store takes the data set.
        rows: how many.
    """
    dice = random.Random(rows)
    label = [CLASSES["binary"][i % 2] for i in range(rows)]
    texts = [" ".join([name, *dice.choices(WORDS, k=dice.randint(1, 5))]) for name in label]
    source = SourceTable(
        name="texts",
        table=pa.table({"text": texts, "label": label}),
        label="label",
        task="binary",
        features=("text",),
        shape=(1,),
        where="aidn_pipeline.testing.examples",
    )
    return _split(bench, bench.save(Dataset, snapshot_files(source)))


def example_dataset(
    bench: Bench,
    task: Task = "multiclass",
    *,
    rows: int = ROWS,
    shape: Sequence[int] = (4,),
    split: bool = True,
) -> Dataset:
    """`example_table` as a data set.

    Args:
        bench: its store takes the data set.
        task: of the label.
        rows: how many.
        shape: of one example.
        split: into `train`, `validation` and `test`.
    """
    whole = bench.save(Dataset, snapshot_files(example_table(task, rows=rows, shape=shape)))
    return _split(bench, whole) if split else whole


def _split(bench: Bench, whole: Dataset) -> Dataset:
    view = DatasetView(bench.store.files(whole))
    table = bench.store.refs(whole)["table.parquet"]
    return bench.save(Dataset, split_files(view, table, SHARES, seed=0, key=None))


def example_trainer(**fields: Any) -> dict[str, Any]:
    """A trainer as a recipe says it: a tiny network, one epoch on the CPU."""
    return {
        "use": "trainer",
        "model": {"use": "mlp", "hidden": 4},
        "optimizer": {"use": "adamw", "lr": 0.01},
        "epochs": 1,
        "batch_size": 8,
        "device": "cpu",
        **fields,
    }


def example_training(
    bench: Bench, dataset: Dataset, trainer: Mapping[str, Any] | None = None
) -> Mapping[str, Artifact]:
    """What a `train` stage gives: `best`, `last`, `metrics`.

    Args:
        bench: its store holds the data set.
        dataset: split.
        trainer: as a recipe says it; `example_trainer()` by default.
    """
    description = {"use": "train", "trainer": dict(trainer or example_trainer())}
    return bench.perform(description, {"dataset": dataset})


def example_version(bench: Bench, dataset: Dataset) -> Artifact:
    """A registered model trained on the data set."""
    trained = example_training(bench, dataset)
    inputs = {"checkpoint": trained["best"], "metrics": trained["metrics"]}
    return bench.perform({"use": "register", "name": "example"}, inputs)["version"]
