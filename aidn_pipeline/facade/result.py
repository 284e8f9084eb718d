"""The result of a run: what was made, what it measured, and the door to inference."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from aidn_pipeline.core.artifact import (
    Artifact,
    Checkpoint,
    Dataset,
    Metrics,
    artifact_from_json,
)
from aidn_pipeline.core.events import Status
from aidn_pipeline.engine.plan import Plan
from aidn_pipeline.engine.run import StageResult, run_status
from aidn_pipeline.errors import (
    AidnError,
    DataError,
    GateNotMet,
    ModelNotFound,
    NewerFormat,
    StageFailed,
    StoreError,
    UsageError,
)
from aidn_pipeline.facade.models import ModelReference, model_of_run
from aidn_pipeline.facade.predictor import Predictor, answers, open_folder
from aidn_pipeline.facade.runs import artifact_at, find_run, opened, stage_results
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.store import Store

FORMAT = 1
BUNDLES = "bundles"
"""Folder of the project that servable bundles are checked out to."""
ENDINGS = {kind.__name__: kind for kind in (StageFailed, DataError, GateNotMet, StoreError)}
"""What may have ended a run that is told of later."""
A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True, kw_only=True)
class AiModelResult:
    """How a run ended. The only public door to inference.

    Attributes:
        run: id of the run; `aidn-run show RUN` tells more.
        recipe: the recipe's name.
        status: `done`, or what stopped it.
        seconds: from start to end.
        stages: by name, in the order they were looked at, with their artifacts.
        metrics: every metric of the run's stages; of equal names the later stage's.
        model: the registered version; None if there was none.
        bundle: folder of the servable model; None if nothing was exported.
        project: the project's root.
        smoke: whether it was a smoke run, of which nothing is kept.
        error: what stopped the run.
    """

    run: str | None
    recipe: str
    status: Status
    seconds: float
    stages: Mapping[str, StageResult]
    metrics: Mapping[str, float]
    model: ModelReference | None
    project: Path
    bundle: Path | None = None
    smoke: bool = False
    error: AidnError | None = field(default=None, compare=False)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The weights of the registered version, else those of the last training."""
        if self.model is not None and isinstance(self.model.checkpoint, Checkpoint):
            return self.model.checkpoint
        return newest(self.stages, Checkpoint)

    @property
    def dataset(self) -> Dataset | None:
        """The data set that the stages after it worked on."""
        return newest(self.stages, Dataset)

    @classmethod
    def of_run(cls, run: str, project: Path | None = None) -> "AiModelResult":
        """The result of an earlier run, as far as it got.

            run = AiModelResult.of_run("20260102-151600-3f9c2a")
            dataset = run.artifact("split.dataset")

        Args:
            run: its id, or the beginning of one; the newest run for "".
            project: a folder of the project; the working folder by default.

        Raises:
            UsageError: if there is no such run.
        """
        workspace = Workspace.around(project)
        with workspace.open_store() as store:
            record = find_run(store, run)
            stages, facts = stage_results(record, store), record["facts"]
            model = model_of_run(stages, store)
            status = run_status(store, record)
            root = workspace.project.root
            bundle = root / BUNDLES / model.name / str(model.version) if model else None
            return cls(
                run=record["run"],
                recipe=record["recipe"],
                status="interrupted" if status == "running" else cast("Status", status),
                seconds=facts.get("seconds", 0.0),
                stages=stages,
                metrics=metrics_of(stages, store),
                model=model,
                project=root,
                bundle=bundle if bundle and bundle.is_dir() else None,
                error=_recorded_error(facts.get("error")),
            )

    def artifact(self, reference: str) -> Any:
        """An artifact of the run, opened for reading.

        Args:
            reference: `stage.port`, as under `inputs:` in a recipe.

        Returns:
            A `DatasetView` for a data set (`.table("train")`, `.arrays("train")`), a dict for
            params, metrics and a model version, read-only paths by name for a folder, a read-only
            path for a file.

        Raises:
            UsageError: if the run has no such artifact, or the store no longer.
        """
        where = f'artifact("{reference}")'
        return opened(artifact_at(self.stages, reference), Workspace.around(self.project), where)

    def check(self) -> "AiModelResult":
        """The result itself, if the run went through.

        Raises:
            AidnError: what stopped it.
        """
        if self.error is not None:
            raise self.error
        return self

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Predictions of the exported model, one for each row.

        Args:
            rows: mappings of column names to raw values, or plain lists in the order of the
                features.

        Raises:
            ModelNotFound: if the run exported nothing.
            DataError: if a row does not fit the model.
        """
        return answers(self._predictor, rows)

    @cached_property
    def _predictor(self) -> Predictor:
        return open_folder(self._exported(), Workspace.around(self.project))

    def _exported(self) -> Path:
        if self.bundle is None:
            raise ModelNotFound(
                f"the run of {self.recipe!r} exported no model: it is {self.status}",
                where=self.run or self.recipe,
                remedy="finish the run, with an `export` stage in its pipeline",
            )
        return self.bundle

    def save(self, path: Path | str) -> Path:
        """Writes the result and its bundle to a new folder, whole or not at all.

        Raises:
            UsageError: if the path exists.
            ModelNotFound: if the run exported nothing.
        """
        target = Path(path)
        if target.exists():
            raise UsageError(
                "the folder exists already", where=str(target), remedy="name one that does not"
            )
        source = self._exported()
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            shutil.copytree(source, fresh / "bundle")
            value = {**self.to_json(), "recipe": self.recipe}
            (fresh / "result.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return target

    @classmethod
    def load(cls, path: Path | str) -> "AiModelResult":
        """Reads what `save` wrote.

        Raises:
            ModelNotFound: if there is no saved result.
            NewerFormat: if a later release wrote it.
        """
        folder = Path(path).absolute()
        try:
            value = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise ModelNotFound(
                f"there is no saved result: {problem}",
                where=str(folder / "result.json"),
                remedy="name a folder that `AiModelResult.save` wrote",
            ) from problem
        if value["format"] != FORMAT:
            raise NewerFormat(
                f"a saved result of format {value['format']}, this release reads {FORMAT}",
                where=str(folder / "result.json"),
                remedy="use the release that wrote it",
            )
        return cls(
            run=value["run"],
            recipe=value["recipe"],
            status=value["status"],
            seconds=value["seconds"],
            stages={name: _stage_from_json(item) for name, item in value["stages"].items()},
            metrics=value["metrics"],
            model=ModelReference.from_json(value["model"]) if value["model"] else None,
            project=Path.cwd(),
            bundle=folder / "bundle",
        )

    def to_json(self) -> dict[str, Any]:
        """The object of `--json`, as `schemas/run.schema.json` describes it."""
        return run_json(
            run=self.run,
            status=self.status,
            seconds=self.seconds,
            stages={name: _stage_to_json(stage) for name, stage in self.stages.items()},
            metrics=self.metrics,
            model=self.model.to_json() if self.model else None,
            bundle=shown(self.bundle, self.project) if self.bundle else None,
            error=self.error,
        )


def run_json(
    *,
    status: Status,
    seconds: float,
    run: str | None = None,
    stages: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    model: Mapping[str, Any] | None = None,
    bundle: str | None = None,
    error: AidnError | None = None,
) -> dict[str, Any]:
    """The object of `--json`; every key is always there."""
    return {
        "format": FORMAT,
        "run": run,
        "status": status,
        "seconds": round(seconds, 3),
        "stages": dict(stages or {}),
        "metrics": dict(metrics or {}),
        "model": dict(model) if model else None,
        "bundle": bundle,
        "error": error.to_json() if error else None,
    }


def planned_json(plan: Plan, seconds: float) -> dict[str, Any]:
    """The object of `--json` for a plan; outputs stand for the stages that are reused."""
    stages = {
        row.name: {
            "action": row.action,
            "reason": row.reason,
            "status": "planned",
            "fingerprint": row.fingerprint,
            "seconds": 0.0,
            "outputs": outputs_json(row.outputs or {}),
        }
        for row in plan.rows
    }
    return run_json(status="planned", seconds=seconds, stages=stages)


def outputs_json(outputs: Mapping[str, Artifact]) -> dict[str, Any]:
    """Artifacts by port as programs see them."""
    return {
        port: {"kind": item.kind, "digest": item.digest, "size": item.size}
        for port, item in outputs.items()
    }


def shown(path: Path, project: Path) -> str:
    """A path as people and programs see it: relative inside the project."""
    return str(path.relative_to(project) if path.is_relative_to(project) else path)


def metrics_of(stages: Mapping[str, StageResult], store: Store) -> dict[str, float]:
    """Metrics of all stages, the later stage's where names are equal."""
    found: dict[str, float] = {}
    for stage in stages.values():
        for artifact in stage.outputs.values():
            if isinstance(artifact, Metrics):
                found.update(store.read_json(artifact))
    return found


def newest(stages: Mapping[str, StageResult], kind: type[A]) -> A | None:
    """The first artifact of a kind of the last stage that has one."""
    for stage in reversed(list(stages.values())):
        for artifact in stage.outputs.values():
            if isinstance(artifact, kind):
                return artifact
    return None


def _recorded_error(value: Mapping[str, str] | None) -> AidnError | None:
    if value is None:
        return None
    kind = ENDINGS.get(value["type"], AidnError)
    return kind(value["problem"], where=value["where"], remedy=value["remedy"])


def _stage_to_json(stage: StageResult) -> dict[str, Any]:
    return {
        "action": stage.action,
        "reason": stage.reason,
        "status": stage.status,
        "fingerprint": stage.fingerprint,
        "seconds": stage.seconds,
        "outputs": outputs_json(stage.outputs),
    }


def _stage_from_json(value: Mapping[str, Any]) -> StageResult:
    folders = {"dataset", "checkpoint", "model", "bundle", "folder"}
    return StageResult(
        action=value["action"],
        reason=value["reason"],
        status=value["status"],
        fingerprint=value["fingerprint"],
        seconds=value["seconds"],
        outputs={
            port: artifact_from_json({**item, "folder": item["kind"] in folders})
            for port, item in value["outputs"].items()
        },
    )
