"""Runs by id: their record, their stages, and their artifacts opened for reading."""

from collections.abc import Mapping
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.context import load_artifact
from aidn_pipeline.engine.run import StageResult
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.store import Store


def find_run(store: Store, beginning: str) -> dict[str, Any]:
    """The newest run whose id begins like this.

    Raises:
        UsageError: if there is none.
    """
    runs = list(store.records.iterate("run"))
    fitting = [r for r in runs if r["run"].startswith(beginning)]
    if not fitting:
        raise UsageError(
            f"there is no run {beginning!r}" if beginning else "there are no runs here yet",
            where=str(store.root),
            remedy=f"the newest is {runs[-1]['run']}"
            if runs
            else "run one: `aidn-run recipe=digits`",
        )
    return fitting[-1]


def stage_records(record: Mapping[str, Any], store: Store) -> dict[str, StageRecord]:
    """The records of the stages that a run has results of, in the run's order."""
    names = [n for n in record["facts"].get("order", record["stages"]) if n in record["stages"]]
    found = {name: store.records.stage(record["stages"][name]) for name in names}
    return {name: stage for name, stage in found.items() if stage is not None}


def stage_results(record: Mapping[str, Any], store: Store) -> dict[str, StageResult]:
    """What the stages of a run gave; a stage without a result is not among them."""
    actions = record["facts"].get("actions", {})
    return {
        name: StageResult(
            action=actions.get(name, "run"),
            reason="",
            status="done",
            fingerprint=stage.fingerprint,
            seconds=stage.observed.get("seconds", 0.0),
            outputs=stage.outputs,
        )
        for name, stage in stage_records(record, store).items()
    }


def artifact_at(stages: Mapping[str, StageResult], reference: str) -> Artifact:
    """The artifact of `stage.port`.

    Raises:
        UsageError: with the artifacts that there are.
    """
    stage, _, port = reference.partition(".")
    found = stages[stage].outputs.get(port) if stage in stages else None
    if found is None:
        known = [f"{name}.{p}" for name, result in stages.items() for p in result.outputs]
        raise UsageError(
            f"the run has no artifact {reference!r}",
            where=f'artifact("{reference}")',
            remedy=f"it has {', '.join(known) or 'none yet'}",
        )
    return found


def opened(artifact: Artifact, workspace: Workspace, where: str) -> Any:
    """What the kind is: a data set's view, a value for JSON kinds, else paths, read-only.

    Raises:
        UsageError: if it is not in the store of the workspace.
        CorruptObject: if its bytes are damaged.
    """
    if workspace.has_store:
        with workspace.open_store() as store:
            if store.has(artifact):
                return load_artifact(artifact, store, workspace.index)
    raise UsageError(
        f"the {artifact.kind} {artifact.digest[:15]} is not in the store of this project",
        where=where,
        remedy="run the recipe here: what is missing is made again",
    )
