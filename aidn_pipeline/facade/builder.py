"""The builder: from a recipe and changes to a result. The command line runs through it too."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.smoke import smallest
from aidn_pipeline.core.artifact import Bundle
from aidn_pipeline.core.component import mark_of
from aidn_pipeline.core.describe import describe
from aidn_pipeline.core.events import Listener
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.plan import Plan, make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import AidnError, StorageUnwritable, UnknownComponent
from aidn_pipeline.facade.information import provenance_of, resolved_config
from aidn_pipeline.facade.models import model_of_run
from aidn_pipeline.facade.outputs import metrics_of, newest
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.workspace import BUNDLES, Workspace
from aidn_pipeline.store.store import Store


@dataclass(frozen=True, slots=True)
class AiModelBuilder:
    """A recipe with changes, not yet run. Immutable: each call gives a new builder.

        base = AiModelBuilder.from_recipe("digits")
        result = base.configure("stages.tune.num_trials=5", sampler="random").build()

    Attributes:
        recipe: its name.
        workspace: the project it is run in.
        overrides: changes, in order, as on the command line.
        listeners: told what happens in a run.
    """

    recipe: str
    workspace: Workspace
    overrides: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = field(default=())

    @classmethod
    def from_recipe(cls, name: str, project: Path | None = None) -> "AiModelBuilder":
        """A builder for a recipe.

        Args:
            name: of a recipe of the project, or of a shipped one.
            project: a folder of the project; the working folder by default.

        Raises:
            NotTrusted: if the project names code of its own and nobody trusted it.
        """
        return cls(name, Workspace.around(project))

    def configure(self, *overrides: str, **values: Any) -> "AiModelBuilder":
        """Changes the recipe.

        Args:
            overrides: as on the command line: `"trainer.epochs=5"`, `"~stages.tune"`.
            values: by key: a component (`sampler=TPESampler(num_startup=5)`), a component's class
                or name (`model=MyNet`, `model="cnn"`), or a plain value (`seed=3`).

        Raises:
            UnknownComponent: if a value is neither plain nor a component.
        """
        more = [text for key, value in values.items() for text in as_overrides(key, value)]
        return replace(self, overrides=(*self.overrides, *overrides, *more))

    def listening(self, *listeners: Listener) -> "AiModelBuilder":
        """Adds listeners."""
        return replace(self, listeners=(*self.listeners, *listeners))

    def spec(self) -> PipelineSpec:
        """The pipeline the recipe and the changes compile to.

        Raises:
            FoundBeforeStart: if anything in it is wrong.
        """
        index = self.workspace.index
        spec = load_recipe(self.recipe, self.overrides, self.workspace.project, index)
        return smallest(spec, index) if spec.run.get("smoke") else spec

    def plan(self) -> Plan:
        """What `build` would do, stage by stage, and why; runs nothing.

        Raises:
            FoundBeforeStart: if anything in the recipe is wrong.
            StoreError: if the store cannot be read.
        """
        return self.planned()[1]

    def planned(self) -> tuple[PipelineSpec, Plan]:
        """The pipeline and its plan; raises as `plan` does."""
        spec = self.spec()
        # Planning writes nothing: where there is no store yet, an empty one elsewhere will do.
        with self._store(spec) if self.workspace.has_store else _empty_store() as store:
            plan = make_plan(
                spec,
                store,
                self.workspace.index,
                self.workspace.project.root,
                force=spec.run.get("force", ()),
            )
        return spec, plan

    def build(self) -> AiModelResult:
        """Runs what has to be run and gives the result.

        What a stage raised, and an interruption, end in `AiModelResult.error`; call `check()` on
        the result to have it raised.

        Raises:
            FoundBeforeStart: if anything in the recipe is wrong; nothing was run.
            StoreError: if the store cannot be used.
        """
        spec = self.spec()
        with self._store(spec) as store:
            ran = run_pipeline(
                spec,
                store,
                self.workspace.index,
                self.workspace.project.root,
                listeners=self.listeners,
                facts=self._facts(spec),
                force=spec.run.get("force", ()),
            )
            smoke = bool(spec.run.get("smoke"))
            provenance = provenance_of(spec, ran.run, ran.stages, self.overrides, store)
            result = AiModelResult(
                run=ran.run,
                recipe=spec.recipe,
                status=ran.status,
                seconds=ran.seconds,
                stages=ran.stages,
                metrics=metrics_of(ran.stages, store),
                # A smoke run has its versions and bundles in a store that goes with it.
                model=None if smoke else model_of_run(ran.stages, store),
                project=self.workspace.project.root,
                smoke=smoke,
                error=ran.error,
                provenance=replace(provenance, registered=None) if smoke else provenance,
            )
            return self._with_bundle(result, store)

    def _store(self, spec: PipelineSpec) -> AbstractContextManager[Store]:
        if spec.run.get("smoke"):
            return _empty_store()
        return self.workspace.open_store(spec.run.get("durability", "full"))

    def _facts(self, spec: PipelineSpec) -> dict[str, Any]:
        return {
            "asked": self.recipe,
            "overrides": list(self.overrides),
            "config": resolved_config(spec),
            "notes": list(spec.notes),
            "environment": dict(spec.environment),
        }

    def _with_bundle(self, result: AiModelResult, store: Store) -> AiModelResult:
        bundle = newest(result.stages, Bundle)
        if bundle is None or result.model is None:
            return result
        folder = result.project / BUNDLES / result.model.name / str(result.model.version)
        try:
            _refuse_links(folder, result.project / BUNDLES / result.model.name)
            store.checkout(bundle, folder)
        except AidnError as error:
            # The run is recorded and its work is kept: only the copy for people is missing.
            return replace(result, status="failed", error=result.error or error)
        return replace(result, bundle=folder)


@contextmanager
def _empty_store() -> Iterator[Store]:
    with TemporaryDirectory(prefix="aidn-") as folder, Store.open(Path(folder)) as store:
        yield store


def _refuse_links(folder: Path, parent: Path) -> None:
    # A project from a stranger must not make us write or delete outside of it.
    for place in (folder, parent, parent.parent):
        if place.is_symlink():
            raise StorageUnwritable(
                "bundles are not written through a symbolic link",
                where=str(place),
                remedy="replace the link by a folder; the bundle itself is kept in the store",
            )


def as_overrides(key: str, value: Any) -> Sequence[str]:
    """A keyword of `configure` as it would stand on the command line.

    Raises:
        UnknownComponent: if the value is neither plain nor a component.
    """
    mark = mark_of(value) if callable(value) else None
    if mark is not None:
        return [f"{key}={mark.name}"]
    try:
        description = describe(value)
    except UnknownComponent as error:
        raise UnknownComponent(
            error.problem, where=f"configure({key}=...)", remedy=error.remedy
        ) from error
    if isinstance(value, str):
        return [f"{key}={value}"]
    if isinstance(description, dict) and "use" in description:
        settings = {k: v for k, v in description.items() if k != "use"}
        return [
            f"{key}={description['use']}",
            *(f"{key}.{name}={json.dumps(item)}" for name, item in settings.items()),
        ]
    return [f"{key}={json.dumps(description)}"]
