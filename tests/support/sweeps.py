"""A small trainer, a train stage around it, and a stage context in memory, for sweeps."""

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import Artifact, Checkpoint, Dataset, Metrics, Params
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.describe import build, complete
from aidn_pipeline.core.events import Event, TrialFinished
from aidn_pipeline.core.fingerprint import canonical_json, derive_seed, digest_bytes
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.core.stage import Job, NoInputs, Stage, StageContext, port
from aidn_pipeline.errors import DataError, StageFailed
from aidn_pipeline.stages.register import RegisterStage
from aidn_pipeline.stages.sweep import SweepInputs, SweepOutputs, SweepStage
from aidn_pipeline.sweep.parse import parse_space
from aidn_pipeline.sweep.samplers.grid import GridSampler
from aidn_pipeline.sweep.samplers.random import RandomSampler
from aidn_pipeline.sweep.samplers.tpe import TPESampler
from aidn_pipeline.sweep.schedulers.median import MedianScheduler
from aidn_pipeline.sweep.schedulers.none import NoScheduler


@component("optimizer", "toy")
@dataclass(frozen=True, kw_only=True)
class ToyOptimizer:
    """Attributes:
    lr: best at 0.1.
    """

    lr: float = 0.01
    momentum: float | None = None
    kind: Literal["sgd", "adam"] = "sgd"


@component("trainer", "toy")
@dataclass(frozen=True, kw_only=True)
class ToyTrainer:
    """A loss that falls with the epochs, the faster the nearer lr is to 0.1.

    Attributes:
        fail_above: layers from which on training raises.
    """

    optimizer: ToyOptimizer = setting(default_factory=ToyOptimizer, group="optimizer")
    layers: int = 3
    epochs: int = setting(4, extends=True)
    fail_above: int = 100
    nan_above: int = 100

    def loss(self) -> float:
        """The loss after all epochs.

        Raises:
            DataError: above `fail_above` layers.
        """
        if self.layers > self.fail_above:
            raise DataError(f"{self.layers} layers diverge")
        if self.layers > self.nan_above:
            return math.nan
        off = (math.log10(self.optimizer.lr) + 1) ** 2 + 0.1 * (self.layers - 4) ** 2
        return off + 1 / (1 + self.epochs)


@dataclass(frozen=True)
class TrainIn:
    dataset: Dataset
    params: Params | None = port(into="trainer")


@dataclass(frozen=True)
class TrainOut:
    best: Checkpoint
    metrics: Metrics


@component("stage", "train")
@dataclass(frozen=True, kw_only=True)
class ToyTrain(Stage[TrainIn, TrainOut]):
    """Trains the toy trainer; each real training is noted."""

    trainer: Any = setting(group="trainer")

    def run(self, inputs: TrainIn, ctx: StageContext) -> TrainOut:
        with (ctx.project / "trained.log").open("a") as log:
            log.write(f"{self.trainer.layers}\n")
        loss = self.trainer.loss()
        weights = canonical_json({"lr": self.trainer.optimizer.lr, "layers": self.trainer.layers})
        return TrainOut(
            ctx.save(Checkpoint, {"checkpoint.json": weights}),
            ctx.save(Metrics, {"val_loss": loss, "epoch": self.trainer.epochs}),
        )


@dataclass(frozen=True)
class DatasetOut:
    dataset: Dataset


@component("stage", "rows")
@dataclass(frozen=True, kw_only=True)
class ToyRows(Stage[NoInputs, DatasetOut]):
    """A data set without a row."""

    seeded = False

    def run(self, inputs: NoInputs, ctx: StageContext) -> DatasetOut:
        return DatasetOut(ctx.save(Dataset, {"dataset.json": b"{}"}))


INDEX = Index(
    spec_of(target)
    for target in (
        ToyOptimizer,
        ToyTrainer,
        ToyTrain,
        ToyRows,
        SweepStage,
        RegisterStage,
        RandomSampler,
        TPESampler,
        GridSampler,
        NoScheduler,
        MedianScheduler,
    )
)
DATASET = Dataset("b3:data", 0, folder=True)
SPACE = {
    "optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True},
    "layers": {"low": 1, "high": 6},
}


class Killed(BaseException):
    """The process dies here."""


class MemoryJournal:
    """A journal whose `die_at`-th append kills, before it is written."""

    def __init__(self, entries: Sequence[Mapping[str, Any]] = (), die_at: int = -1) -> None:
        self.lines = [json.loads(json.dumps(e)) for e in entries]
        self.die_at = die_at

    def append(self, entry: Mapping[str, Any]) -> None:
        if len(self.lines) == self.die_at:
            raise Killed
        self.lines.append(json.loads(json.dumps(entry)))

    def entries(self) -> Sequence[Mapping[str, Any]]:
        return tuple(self.lines)


@dataclass
class MemoryContext:
    """What a sweep asks of its context, without a store. `trained` counts real trainings."""

    journal: MemoryJournal = field(default_factory=MemoryJournal)
    seed: int = 7
    trained: list[str] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)
    done: dict[bytes, Mapping[str, Artifact]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    stop_after: int = 10**9
    project: Path = Path()

    @property
    def stop_requested(self) -> bool:
        return len(self.trained) >= self.stop_after

    def stop(self) -> None:
        raise Killed

    def derive_seed(self, *purpose: str | int) -> int:
        return derive_seed(self.seed, *purpose)

    def save(self, kind: type[Artifact], content: Any) -> Artifact:
        data = repr(content).encode()
        artifact = kind(digest_bytes(data), len(data), kind.kind == "checkpoint")
        self.objects[artifact.digest] = copy.deepcopy(content)
        return artifact

    def load(self, artifact: Artifact) -> Any:
        return self.objects[artifact.digest]

    def files(self, artifact: Artifact) -> Mapping[str, Path]:
        assert artifact.digest in self.objects
        return {}

    def mint(self, noun: str, name: str, digest: str, facts: Any) -> int:
        numbers = self.objects.setdefault(f"{noun}/{name}", {})
        return int(numbers.setdefault(digest, len(numbers) + 1))

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def map(self, jobs: Sequence[Job]) -> Iterator[Mapping[str, Artifact]]:
        for job in jobs:
            key = canonical_json(job.stage)
            if key not in self.done:
                self.trained.append(job.label)
                self.done[key] = self._train(job)
            yield self.done[key]

    def _train(self, job: Job) -> Mapping[str, Artifact]:
        trainer = build(INDEX, "trainer", job.stage["trainer"])
        try:
            metrics = {"val_loss": trainer.loss(), "epoch": trainer.epochs}
        except DataError as error:
            raise StageFailed(error.problem) from error
        return {
            "best": self.save(Checkpoint, {"lr": trainer.optimizer.lr, "layers": trainer.layers}),
            "metrics": self.save(Metrics, metrics),
        }

    def told(self) -> list[TrialFinished]:
        return [e for e in self.events if isinstance(e, TrialFinished)]


def sweep(ctx: MemoryContext, **fields: Any) -> SweepOutputs:
    """Runs a sweep stage over the toy trainer."""
    given: dict[str, Any] = {
        "trial": ToyTrainer(),
        "objective": {"metric": "val_loss", "mode": "min"},
        "num_trials": 8,
        "space": SPACE,
    }
    return SweepStage(**(given | fields)).run(SweepInputs(DATASET), cast(StageContext, ctx))


def table(ctx: MemoryContext, outputs: SweepOutputs) -> list[dict[str, Any]]:
    """The rows of the trial table."""
    return cast(list[dict[str, Any]], ctx.load(outputs.trials)["trials"])


def recipe(*, least: float = 0.0, **tune: Any) -> PipelineSpec:
    """Rows, a sweep with a few trials, a training with the best params, a version."""
    trainer = complete(INDEX, "trainer", {"use": "toy", "epochs": 6})
    space = parse_space(SPACE, index=INDEX, group="trainer", trial=trainer).to_json()
    given: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        "rows": ({"use": "rows"}, {}),
        "tune": (
            {
                "use": "sweep",
                "trial": trainer,
                "objective": {"metric": "val_loss", "mode": "min"},
                "num_trials": 6,
                "sampler": {"use": "tpe", "num_startup": 3},
                "space": space,
            }
            | tune,
            {"dataset": "rows.dataset"},
        ),
        "train": (
            {"use": "train", "trainer": trainer},
            {"dataset": "rows.dataset", "params": "tune.params"},
        ),
        "register": (
            {"use": "register", "name": "toy", "gate": {"epoch": {"min": least}}},
            {"checkpoint": "train.best", "metrics": "train.metrics"},
        ),
    }
    stages = {
        name: StageSpec(
            name=name,
            stage=complete(INDEX, "stage", stage),
            inputs={port: (PortRef.parse(ref),) for port, ref in inputs.items()},
        )
        for name, (stage, inputs) in given.items()
    }
    return PipelineSpec(name="toy", stages=stages, seed=3)
