"""Components for the tests of `config`: the shape of the shipped ones, without their libraries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import (
    Bundle,
    Checkpoint,
    Dataset,
    Metrics,
    ModelVersion,
    Params,
    Report,
)
from aidn_pipeline.core.component import Factory, component, setting
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.secret import Secret
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import NoInputs, Stage, StageContext, port


@component("source", "numbers")
@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Whole numbers.

    Attributes:
        rows: how many.
        revision: name of the commit they come from.
    """

    rows: int = 10
    revision: str = "main"


@component("source", "vault")
@dataclass(frozen=True, kw_only=True)
class Vault:
    """Rows behind a lock.

    Attributes:
        token: opens it.
        headers: sent along.
        url: where it is.
        extra: anything.
    """

    token: Secret
    headers: Mapping[str, Secret] = field(default_factory=dict)
    url: str = "https://vault"
    extra: Any = None


@component("model", "line")
class Line:
    """A line."""

    def __init__(self, signature: Signature, *, hidden: int = 8, bias: bool = True) -> None:
        self.shape = (signature, hidden, bias)


@component("model", "curve")
class Curve:
    """A curve."""

    def __init__(self, signature: Signature, *, degree: int = 2) -> None:
        self.shape = (signature, degree)


@component("optimizer", "walk")
class Walk:
    """A walk."""

    def __init__(
        self, params: Any, *, lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.99)
    ) -> None:
        self.settings = (params, lr, betas)


@component("lr_scheduler", "wave")
class Cosine:
    """A cosine."""

    def __init__(self, optimizer: Any, *, warmup: int = 0) -> None:
        self.settings = (optimizer, warmup)


@component("metric", "hits")
def accuracy(outputs: Any, targets: Any, *, top: int = 1) -> float:
    """Share of right answers."""
    return float(outputs[:top] == targets[:top])


@component("trainer", "default")
@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Trains.

    Attributes:
        epochs: passes over the data.
    """

    model: Factory = setting(group="model")
    optimizer: Factory = setting(group="optimizer")
    lr_scheduler: Factory | None = setting(None, group="lr_scheduler")
    metrics: Mapping[str, Factory] = setting(default_factory=dict, group="metric")
    epochs: int = setting(5, extends=True)
    clip: float | None = None
    device: Literal["auto", "cpu"] = "auto"
    monitor: Mapping[str, str] = field(
        default_factory=lambda: {"metric": "val_loss", "mode": "min"}
    )
    seed: int = 0


@component("sampler", "dice")
@dataclass(frozen=True, kw_only=True)
class RandomSampler:
    """Draws at random."""


@component("sampler", "densities")
@dataclass(frozen=True, kw_only=True)
class TPESampler:
    """Two densities."""

    num_startup: int = 10


@dataclass(frozen=True)
class OneDataset:
    """A data set."""

    dataset: Dataset


@dataclass(frozen=True)
class TrainInputs:
    """What training takes."""

    dataset: Dataset
    params: Params | None = port(into="trainer")


@dataclass(frozen=True)
class TrainOutputs:
    """What training gives."""

    best: Checkpoint
    metrics: Metrics


@dataclass(frozen=True)
class SweepOutputs:
    """What a sweep gives."""

    params: Params
    trials: Report


@dataclass(frozen=True)
class ExportInputs:
    """What an export takes."""

    version: ModelVersion
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True)
class OneBundle:
    """A bundle."""

    bundle: Bundle


@component("stage", "snapshot")
@dataclass(frozen=True, kw_only=True)
class Snapshot(Stage[NoInputs, OneDataset]):
    """Takes data in."""

    seeded: ClassVar[bool] = False
    source: Any = setting(group="source")

    def run(self, inputs: NoInputs, ctx: StageContext) -> OneDataset:
        """Not run in these tests."""
        raise NotImplementedError


@component("stage", "sweep")
@dataclass(frozen=True, kw_only=True)
class Sweep(Stage[OneDataset, SweepOutputs]):
    """Searches."""

    trial: Trainer = setting(group="trainer", fixed=True)
    sampler: Any = setting(TPESampler(), group="sampler")
    space: Mapping[str, Any] = setting(masks="trial")
    num_trials: int = setting(20, extends=True)
    objective: Mapping[str, str] = field(default_factory=dict)

    def run(self, inputs: OneDataset, ctx: StageContext) -> SweepOutputs:
        """Not run in these tests."""
        raise NotImplementedError


@component("stage", "train")
@dataclass(frozen=True, kw_only=True)
class Train(Stage[TrainInputs, TrainOutputs]):
    """Trains."""

    trainer: Trainer = setting(group="trainer")

    def run(self, inputs: TrainInputs, ctx: StageContext) -> TrainOutputs:
        """Not run in these tests."""
        raise NotImplementedError


@component("stage", "register")
def register(
    checkpoint: Checkpoint,
    metrics: Metrics,
    ctx: StageContext,
    *,
    name: str,
    gate: Mapping[str, Any] = {},
) -> ModelVersion:
    """Registers."""
    raise NotImplementedError


@component("stage", "export")
@dataclass(frozen=True, kw_only=True)
class Export(Stage[ExportInputs, OneBundle]):
    """Exports."""

    effects: ClassVar[Literal["pure", "external"]] = "external"

    def run(self, inputs: ExportInputs, ctx: StageContext) -> OneBundle:
        """Not run in these tests."""
        raise NotImplementedError


ALL = (
    *(Numbers, Line, Curve, Walk, Cosine, accuracy, Trainer, RandomSampler, TPESampler),
    *(Snapshot, Sweep, Train, register, Export),
)


def toy_index() -> Index:
    """The index of all toys."""
    return Index(spec_of(item) for item in ALL)
