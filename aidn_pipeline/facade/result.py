"""The result of a run: what was made, what it measured, and the door to inference."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from aidn_pipeline.config.live import with_live
from aidn_pipeline.core.artifact import Checkpoint, Dataset
from aidn_pipeline.core.events import Status
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.engine.plan import Plan
from aidn_pipeline.errors import (
    AidnError,
    ModelNotFound,
    UnknownComponent,
    UsageError,
)
from aidn_pipeline.facade.information import ExperimentInfo, Provenance, RegistryInfo
from aidn_pipeline.facade.models import ModelReference, model_of_run
from aidn_pipeline.facade.notebook import html_table
from aidn_pipeline.facade.outputs import (
    metrics_of,
    newest,
    outputs_json,
    stage_from_json,
    stage_to_json,
)
from aidn_pipeline.facade.predictions import Predictions
from aidn_pipeline.facade.predictor import open_folder
from aidn_pipeline.facade.rerun import Rerun, rerun_recorded
from aidn_pipeline.facade.runs import (
    artifact_at,
    bundle_of,
    ended,
    error_recorded,
    find_run,
    opened,
    provenance_recorded,
    stage_results,
)
from aidn_pipeline.facade.saved import FORMAT, read_saved, saved_text
from aidn_pipeline.facade.servable import BATCH_SIZE, Servable
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.disk import typed

SHOWN = 12
"""Metrics that a notebook shows."""


@dataclass(frozen=True, kw_only=True, repr=False)
class AiModelResult:
    """How a run ended. The only public door to inference.

        result = AiModelBuilder.from_recipe("digits").build().check()
        result.predict([{"months": 2, "calls": 8}])        # JSON in, JSON out
        result.predict_batch(frame).labels                 # arrays, data frames; columns out
        for answer in result.stream(rows): ...             # more rows than memory holds

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
        rerun: of a run that is one again: of which, and whether it came to the same bytes.
        provenance: what it stood on; read it by `experiment_info` and `model_registry_info`.
        workspace: whose components the model may be one of; that around `project` by default.
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
    rerun: Rerun | None = None
    provenance: Provenance = field(default_factory=Provenance)
    workspace: Workspace | None = field(default=None, compare=False)

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

    @property
    def config(self) -> Mapping[str, Any]:
        """What the recipe came to: `name`, `seed`, `run` and `stages` with every field."""
        return self.provenance.config

    @property
    def experiment_info(self) -> ExperimentInfo:
        """The run: what, when, with which configuration, environment and data."""
        return ExperimentInfo(
            experiment=self.provenance.experiment or self.recipe,
            recipe=self.recipe,
            run=self.run,
            status=self.status,
            started=self.provenance.start,
            seconds=self.seconds,
            overrides=self.provenance.overrides,
            config=self.provenance.config,
            environment=self.provenance.environment,
            dataset=self.provenance.dataset,
        )

    @property
    def model_registry_info(self) -> RegistryInfo | None:
        """The registered version with its evidence and lineage; None if there was none."""
        return self.provenance.registered

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
            stages = stage_results(record, store)
            model = model_of_run(stages, store)
            return cls(
                run=record["run"],
                recipe=record["recipe"],
                status=ended(record, store),
                seconds=record["facts"].get("seconds", 0.0),
                stages=stages,
                metrics=metrics_of(stages, store),
                model=model,
                provenance=provenance_recorded(record, stages, store),
                project=workspace.project.root,
                bundle=bundle_of(model, workspace),
                error=error_recorded(record),
                rerun=rerun_recorded(record, stages),
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
        return self._servable.predict(rows)

    def predict_batch(self, xs: Any) -> Predictions:
        """Predictions for many rows at once, in columns of numpy arrays.

        Args:
            xs: a numpy array or torch tensor, a data frame of pandas, polars or Arrow, a mapping of
                names to columns, or rows as `predict` takes them.

        Raises:
            ModelNotFound: if the run exported nothing.
            DataError: if a row does not fit the model.
        """
        return self._servable.predict_batch(xs)

    def stream(self, rows: Iterable[Any], batch_size: int = BATCH_SIZE) -> Iterator[dict[str, Any]]:
        """Predictions one by one, in order, while the rows still come; see `Servable.stream`.

        Args:
            rows: as `predict` takes them, from any iterable.
            batch_size: rows that are answered at once, and all that is held.

        Raises:
            ModelNotFound: if the run exported nothing.
            UsageError: if `batch_size` is not at least 1.
            DataError: when it comes to a row that does not fit the model.
        """
        return self._servable.stream(rows, batch_size)

    def to_servable(self) -> Servable:
        """The exported model, opened and checked: a callable object to keep in a server.

        Raises:
            ModelNotFound: if the run exported nothing.
            CorruptObject: if a byte of the bundle differs from what was exported.
        """
        folder = self._exported()
        workspace = self.workspace or Workspace.around(self.project)
        try:
            return Servable(open_folder(folder, workspace))
        except UnknownComponent as problem:
            raise UnknownComponent(
                problem.problem,
                where=str(folder),
                remedy=f"{problem.remedy}; a class of a script or notebook is handed over: "
                "`AiModelResult.load(path, components=[MyNet])`",
            ) from problem

    @cached_property
    def _servable(self) -> Servable:
        return self.to_servable()

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
            StorageFull: if there is no space; nothing is left behind.
        """
        target = Path(path)
        if target.exists():
            raise UsageError(
                "the folder exists already", where=str(target), remedy="name one that does not"
            )
        source = self._exported()
        value = {**self.to_json(), "recipe": self.recipe, "provenance": self.provenance.to_json()}
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with typed(target, "saving the result"):
                for file in sorted(p for p in source.rglob("*") if p.is_file()):
                    place = fresh / "bundle" / file.relative_to(source)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, place)
                (fresh / "result.json").write_text(saved_text(value), encoding="utf-8")
                fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return target

    @classmethod
    def load(cls, path: Path | str, *, components: Sequence[Any] = ()) -> "AiModelResult":
        """Reads what `save` wrote.

        Args:
            path: the folder.
            components: classes and functions of the program that the model consists of, if they
                stand in no package that the project names.

        Raises:
            ModelNotFound: if there is no saved result.
            NewerFormat: if a later release wrote it.
            CorruptObject: if a bit of it is not as it was written.
        """
        folder = Path(path).absolute()
        value = read_saved(folder / "result.json")
        try:
            loaded = cls._from_json(value, folder)
        except (KeyError, TypeError, AttributeError, ValueError, AssertionError) as problem:
            raise ModelNotFound(
                f"the saved result is damaged: {problem!r}",
                where=str(folder / "result.json"),
                remedy="save it again; its bundle may be whole: `aidn-run predict FOLDER/bundle`",
            ) from problem
        if not components:
            return loaded
        workspace = Workspace.around(loaded.project)
        index = with_live(workspace.index, components, workspace.project)
        return replace(loaded, workspace=replace(workspace, index=index))

    @classmethod
    def _from_json(cls, value: Mapping[str, Any], folder: Path) -> "AiModelResult":
        provenance = Provenance.from_json(value["provenance"])
        model = ModelReference.from_json(value["model"]) if value["model"] else None
        if model is not None and provenance.registered is not None:
            model = replace(model, checkpoint=provenance.registered.checkpoint)
        return cls(
            run=value["run"],
            recipe=value["recipe"],
            status=value["status"],
            seconds=value["seconds"],
            stages={name: stage_from_json(item) for name, item in value["stages"].items()},
            metrics=value["metrics"],
            model=model,
            project=Path.cwd(),
            bundle=folder / "bundle",
            provenance=provenance,
        )

    def to_json(self) -> dict[str, Any]:
        """The object of `--json`, as `schemas/run.schema.json` describes it."""
        return run_json(
            run=self.run,
            status=self.status,
            seconds=self.seconds,
            stages={name: stage_to_json(stage) for name, stage in self.stages.items()},
            metrics=self.metrics,
            model=self.model.to_json() if self.model else None,
            bundle=shown(self.bundle, self.project) if self.bundle else None,
            options=self.config.get("run"),
            rerun=self.rerun.to_json() if self.rerun else None,
            error=self.error,
        )

    def __repr__(self) -> str:
        model = f", model {self.model}" if self.model else ""
        return f"AiModelResult({self.recipe}: {self.status} in {self.seconds:.1f} s{model})"

    def _repr_html_(self) -> str:
        figures = {name: self.metrics[name] for name in sorted(self.metrics)[:SHOWN]}
        rows = {
            "run": self.run,
            "status": self.status,
            "seconds": self.seconds,
            **figures,
            "model": self.model,
            "bundle": shown(self.bundle, self.project) if self.bundle else None,
            "error": self.error.problem if self.error else None,
        }
        return html_table(self.recipe, rows)


def run_json(
    *,
    status: Status,
    seconds: float,
    run: str | None = None,
    stages: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    model: Mapping[str, Any] | None = None,
    bundle: str | None = None,
    options: Mapping[str, Any] | None = None,
    rerun: Mapping[str, Any] | None = None,
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
        "options": dict(options or {}),
        "rerun": dict(rerun) if rerun else None,
        "error": error.to_json() if error else None,
    }


def planned_json(
    plan: Plan,
    seconds: float,
    options: Mapping[str, Any] | None = None,
    rerun: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
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
    return run_json(status="planned", seconds=seconds, stages=stages, options=options, rerun=rerun)


def shown(path: Path, project: Path) -> str:
    """A path as people and programs see it: relative inside the project."""
    return str(path.relative_to(project) if path.is_relative_to(project) else path)
