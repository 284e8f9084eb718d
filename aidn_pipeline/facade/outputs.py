"""What stages gave: their artifacts, and the form of them that programs read."""

from collections.abc import Mapping
from typing import Any, TypeVar

from aidn_pipeline.core.artifact import Artifact, Metrics, artifact_from_json
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.store.store import Store

A = TypeVar("A", bound=Artifact)
FOLDERS = frozenset({"dataset", "checkpoint", "model", "bundle", "folder"})
"""Kinds whose artifacts are folders."""


def newest(stages: Mapping[str, StageResult], kind: type[A]) -> A | None:
    """The first artifact of a kind of the last stage that has one."""
    for stage in reversed(list(stages.values())):
        for artifact in stage.outputs.values():
            if isinstance(artifact, kind):
                return artifact
    return None


def metrics_of(stages: Mapping[str, StageResult], store: Store) -> dict[str, float]:
    """Metrics of all stages, the later stage's where names are equal.

    Those of a cell carry its values: `accuracy[fold=0]`.
    """
    found: dict[str, float] = {}
    for name, stage in stages.items():
        _, bracket, values = name.partition("[")
        for artifact in stage.outputs.values():
            if isinstance(artifact, Metrics):
                read = store.read_json(artifact)
                found.update({f"{key}{bracket}{values}": value for key, value in read.items()})
    return found


def outputs_json(outputs: Mapping[str, Artifact]) -> dict[str, Any]:
    """Artifacts by port as programs see them."""
    return {
        port: {"kind": item.kind, "digest": item.digest, "size": item.size}
        for port, item in outputs.items()
    }


def stage_to_json(stage: StageResult) -> dict[str, Any]:
    """A stage of a run as programs see it."""
    return {
        "action": stage.action,
        "reason": stage.reason,
        "status": stage.status,
        "fingerprint": stage.fingerprint,
        "seconds": stage.seconds,
        "outputs": outputs_json(stage.outputs),
    }


def stage_from_json(value: Mapping[str, Any]) -> StageResult:
    """The inverse of `stage_to_json`."""
    return StageResult(
        action=value["action"],
        reason=value["reason"],
        status=value["status"],
        fingerprint=value["fingerprint"],
        seconds=value["seconds"],
        outputs={
            port: artifact_from_json({**item, "folder": item["kind"] in FOLDERS})
            for port, item in value["outputs"].items()
        },
    )
