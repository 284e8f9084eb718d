"""Runs by id: their record, their stages, and their artifacts opened for reading."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Status
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.context import load_artifact
from aidn_pipeline.engine.outcome import StageResult, run_status
from aidn_pipeline.errors import (
    AidnError,
    DataError,
    GateNotMet,
    StageFailed,
    StoreError,
    UsageError,
)
from aidn_pipeline.facade.information import Provenance, registry_of, snapshot_of
from aidn_pipeline.facade.models import ModelReference
from aidn_pipeline.facade.workspace import BUNDLES, Workspace
from aidn_pipeline.store.store import Store

ENDINGS = {kind.__name__: kind for kind in (StageFailed, DataError, GateNotMet, StoreError)}
"""What may have ended a run that is told of later."""


LAST = re.compile(r"last(?:~(?P<back>\d{1,9}))?")
"""The newest run, `last`, and those before it: `last~1`."""


def find_run(store: Store, beginning: str) -> dict[str, Any]:
    """The newest run whose id begins like this; `last` is the newest, `last~1` the one before.

    Raises:
        UsageError: if there is none.
    """
    named = LAST.fullmatch(beginning)
    if named:
        back = int(named["back"] or 0)
        fitting = store.records.runs(min(back + 1, store.records.count_runs()))[back:]
    else:
        fitting = store.records.runs(1, beginning=beginning)
    if not fitting:
        runs = store.records.runs(1)
        raise UsageError(
            f"there is no run {beginning!r}" if beginning else "there are no runs here yet",
            where=str(store.root),
            remedy=f"the newest is {runs[0]['run']}"
            if runs
            else "run one: `aidn-run recipe=digits`",
        )
    return fitting[0]


def recorded_run(workspace: Workspace, beginning: str) -> dict[str, Any]:
    """The record of a run of a workspace, as `find_run` finds it.

    Raises:
        UsageError: if there is none.
    """
    if not workspace.has_store:
        raise UsageError(
            "nothing was run here yet",
            where=str(workspace.project.root),
            remedy="run a recipe: `aidn-run recipe=digits`",
        )
    with workspace.open_store() as store:
        return find_run(store, beginning)


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


def ended(record: Mapping[str, Any], store: Store) -> Status:
    """How a run ended; one that still runs has not gone through either."""
    status = run_status(store, record)
    return "interrupted" if status == "running" else cast("Status", status)


def error_recorded(record: Mapping[str, Any]) -> AidnError | None:
    """What stopped a run, as it was told then; what it came from is not recorded."""
    value = record["facts"].get("error")
    if value is None:
        return None
    kind = ENDINGS.get(value["type"], AidnError)
    return kind(value["problem"], where=value["where"], remedy=value["remedy"])


def provenance_recorded(
    record: Mapping[str, Any], stages: Mapping[str, StageResult], store: Store
) -> Provenance:
    """What an earlier run stood on."""
    facts, dataset = record["facts"], snapshot_of(stages, store)
    config = facts.get("config", {})
    return Provenance(
        experiment=config.get("name", record["recipe"]),
        started=record["started"],
        overrides=tuple(facts.get("overrides", ())),
        config=config,
        environment={"variables": facts.get("environment", {})},
        dataset=dataset,
        registered=registry_of(stages, dataset, store),
    )


def bundle_of(model: ModelReference | None, workspace: Workspace) -> Path | None:
    """The folder that a version's bundle was written to; None if it is not there."""
    if model is None:
        return None
    folder = workspace.project.root / BUNDLES / model.name / str(model.version)
    return folder if folder.is_dir() else None


def artifact_at(stages: Mapping[str, StageResult], reference: str) -> Artifact:
    """The artifact of `stage.port`.

    Raises:
        UsageError: with the artifacts that there are.
    """
    stage, _, port = reference.rpartition(".")
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
