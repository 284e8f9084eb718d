"""What a result knows of itself: the experiment, the data it stands on, the registered model."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aidn_pipeline.core.artifact import (
    Artifact,
    Dataset,
    ModelVersion,
    artifact_from_json,
)
from aidn_pipeline.core.events import Status
from aidn_pipeline.core.installed import installed
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.facade.notebook import html_table
from aidn_pipeline.facade.outputs import newest
from aidn_pipeline.registry.versions import VersionDocument
from aidn_pipeline.store.store import Store

PACKAGES = ("aidn-pipeline", "numpy", "pyarrow", "torch")
"""Distributions whose version is told of every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInfo:
    """The data that a run stands on.

    Attributes:
        name: of the data set.
        id: of the table's values; equal data have equal ids, whatever file they came from.
        digest: of the stored data set, with its splits and what was fitted on it.
        rows: how many.
        splits: rows of each split by name.
    """

    name: str
    id: str
    digest: str
    rows: int
    splits: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The form in a saved result."""
        return {
            "name": self.name,
            "id": self.id,
            "digest": self.digest,
            "rows": self.rows,
            "splits": dict(self.splits),
        }

    def __str__(self) -> str:
        return f"{self.name} {self.id[:11]} ({self.rows} rows)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentInfo:
    """What was run, when, and with what.

    Attributes:
        experiment: name in the recipe; that of its models.
        recipe: as in `recipe=NAME`.
        run: id of the run; `aidn-run show RUN` tells more.
        status: `done`, or what stopped it.
        started: when, in UTC.
        seconds: from start to end.
        overrides: changes of the recipe, in order.
        config: what it came to: `name`, `seed`, `run` and `stages` with every field.
        environment: `python`, `machine`, `packages` by version, and the environment `variables`
            that the recipe reads.
        dataset: the data of the last stage that made any; None if there is none.
    """

    experiment: str
    recipe: str
    run: str | None
    status: Status
    started: datetime | None
    seconds: float
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    dataset: SnapshotInfo | None

    def _repr_html_(self) -> str:
        rows = {
            "run": self.run,
            "status": self.status,
            "started": self.started.isoformat(" ", "seconds") if self.started else None,
            "seconds": self.seconds,
            "overrides": " ".join(self.overrides),
            "data": self.dataset,
        }
        return html_table(f"experiment {self.experiment}", rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryInfo:
    """A registered version, and what it stands on.

    Attributes:
        name: of the model.
        version: its number, from 1; never used again.
        digest: id of the weights; with the name it is the version's identity.
        checkpoint: the weights.
        gate: the bounds it was let through by, as in the recipe.
        metrics: the evidence they were judged on.
        dataset: the data it was trained on.
        lineage: fingerprint of each stage of the run that made it, by stage.
    """

    name: str
    version: int
    digest: str
    checkpoint: Artifact
    gate: Mapping[str, Any]
    metrics: Mapping[str, float]
    dataset: SnapshotInfo | None
    lineage: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The form in a saved result."""
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "checkpoint": self.checkpoint.to_json(),
            "gate": dict(self.gate),
            "metrics": dict(self.metrics),
            "dataset": self.dataset.to_json() if self.dataset else None,
            "lineage": dict(self.lineage),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RegistryInfo":
        """The inverse of `to_json`."""
        data = value["dataset"]
        return cls(
            **{
                **value,
                "checkpoint": artifact_from_json(value["checkpoint"]),
                "dataset": SnapshotInfo(**data) if data else None,
            }
        )

    def _repr_html_(self) -> str:
        rows = {
            "digest": self.digest,
            "gate": self.gate or "none",
            **{name: value for name, value in self.metrics.items() if name in self.gate},
            "data": self.dataset,
        }
        return html_table(f"model {self.name}@{self.version}", rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a result carries beside its figures; survives `save` and `load`.

    Attributes:
        experiment: name in the recipe.
        started: seconds since the epoch; None if it is not known.
        overrides: as in `ExperimentInfo`.
        config: as in `ExperimentInfo`.
        environment: as in `ExperimentInfo`.
        dataset: as in `ExperimentInfo`.
        registered: the version of the last registering stage.
    """

    experiment: str = ""
    started: float | None = None
    overrides: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    dataset: SnapshotInfo | None = None
    registered: RegistryInfo | None = None

    @property
    def start(self) -> datetime | None:
        """When the run started, in UTC."""
        return None if self.started is None else datetime.fromtimestamp(self.started, UTC)

    def to_json(self) -> dict[str, Any]:
        """The form in a saved result."""
        return {
            "experiment": self.experiment,
            "started": self.started,
            "overrides": list(self.overrides),
            "config": dict(self.config),
            "environment": dict(self.environment),
            "dataset": self.dataset.to_json() if self.dataset else None,
            "registered": self.registered.to_json() if self.registered else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Provenance":
        """The inverse of `to_json`."""
        data, registered = value["dataset"], value["registered"]
        return cls(
            **{
                **value,
                "overrides": tuple(value["overrides"]),
                "dataset": SnapshotInfo(**data) if data else None,
                "registered": RegistryInfo.from_json(registered) if registered else None,
            }
        )


def resolved_config(spec: PipelineSpec) -> dict[str, Any]:
    """What a recipe came to, as JSON: every field of every stage."""
    return {
        "name": spec.name,
        "seed": spec.seed,
        "run": dict(spec.run),
        "stages": {
            name: {
                **stage.stage,
                "inputs": {p: [str(r) for r in refs] for p, refs in stage.inputs.items()},
            }
            for name, stage in spec.stages.items()
        },
    }


def provenance_of(
    spec: PipelineSpec,
    run: str,
    stages: Mapping[str, StageResult],
    overrides: tuple[str, ...],
    store: Store,
) -> Provenance:
    """What a run of a pipeline stood on, from the store it was recorded in."""
    dataset = snapshot_of(stages, store)
    record = store.records.get("run", run) or {}
    return Provenance(
        experiment=spec.name,
        started=record.get("started"),
        overrides=overrides,
        config=resolved_config(spec),
        environment={
            "python": platform.python_version(),
            "machine": platform.machine(),
            "packages": {name: installed(name) for name in PACKAGES},
            "variables": dict(spec.environment),
        },
        dataset=dataset,
        registered=registry_of(stages, dataset, store),
    )


def snapshot_of(stages: Mapping[str, StageResult], store: Store) -> SnapshotInfo | None:
    """The data set of the last stage that made one."""
    artifact = newest(stages, Dataset)
    if artifact is None:
        return None
    file = store.refs(artifact).get("dataset.json")
    if file is None:
        # A stage of the user's may save a data set in a form of its own.
        return None
    description = json.loads(store.objects.read(file.digest))
    return SnapshotInfo(
        name=description["name"],
        id=description["identity"],
        digest=artifact.digest,
        rows=description["rows"],
        splits=dict(description["splits"]),
    )


def registry_of(
    stages: Mapping[str, StageResult], dataset: SnapshotInfo | None, store: Store
) -> RegistryInfo | None:
    """The version of the last registering stage, and what it stands on."""
    artifact = newest(stages, ModelVersion)
    if artifact is None:
        return None
    document = VersionDocument.from_json(store.read_json(artifact))
    return RegistryInfo(
        name=document.name,
        version=document.version,
        digest=document.checkpoint.digest,
        checkpoint=document.checkpoint,
        gate=document.gate,
        metrics=document.metrics,
        dataset=dataset,
        lineage={name: stage.fingerprint for name, stage in stages.items() if stage.fingerprint},
    )
