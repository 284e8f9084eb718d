"""The builder: from a recipe and changes to a result. The command line runs through it too."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aidn_pipeline.config.frozen import recipe_text
from aidn_pipeline.config.library import GivenRecipe
from aidn_pipeline.config.live import changes_of, with_live
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.config.recorded import recorded_spec, wiring_of
from aidn_pipeline.config.selection import forced, selected
from aidn_pipeline.config.smoke import smallest
from aidn_pipeline.core.artifact import Bundle
from aidn_pipeline.core.component import mark_of
from aidn_pipeline.core.events import Listener, Notice
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.signature import Task
from aidn_pipeline.engine.plan import Plan, make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.engine.telling import Telling
from aidn_pipeline.errors import AidnError, StorageUnwritable, UsageError
from aidn_pipeline.facade.alone import refuse_missing
from aidn_pipeline.facade.frozen import refuse_unlocked
from aidn_pipeline.facade.given import SCRATCH, given_recipe
from aidn_pipeline.facade.handed import SOURCE, data_overrides, stored
from aidn_pipeline.facade.information import provenance_of, resolved_config
from aidn_pipeline.facade.judging import judged
from aidn_pipeline.facade.models import model_of_run
from aidn_pipeline.facade.needed_secrets import needed_secrets, refuse_unavailable, to_be_run
from aidn_pipeline.facade.notebook import html_table
from aidn_pipeline.facade.outputs import metrics_of, newest
from aidn_pipeline.facade.overrides import as_overrides, components_in
from aidn_pipeline.facade.predictor import hand_over
from aidn_pipeline.facade.rerun import Rerun, held_to
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.runs import recorded_run
from aidn_pipeline.facade.workspace import BUNDLES, Workspace, empty_store
from aidn_pipeline.store.store import Store

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AiModelBuilder:
    """A recipe with changes, not yet run. Immutable: each call gives a new builder.

        base = AiModelBuilder.from_recipe("digits")
        result = base.configure("stages.tune.num_trials=5", sampler="random").build()

    Without a recipe it is the standard pipeline without a sweep, to be configured:

        result = AiModelBuilder().configure(source="digits", model=MyNet).build()
        result = AiModelBuilder().configure(model=MyNet).build((X, y))
        result = AiModelBuilder().configure(name="churn").build(frame, target="churned")

    Attributes:
        recipe: its name.
        workspace: the project it is run in.
        overrides: changes, in order, as on the command line.
        listeners: told what happens in a run.
        given: the recipe itself, if it stands in no folder of recipes.
        live: component classes and functions of the program that the changes name.
        handed: data of the program that the recipe works on.
        again: the record of the run that is done again, instead of a recipe.
    """

    recipe: str = SCRATCH.name
    workspace: Workspace = field(default_factory=Workspace.around, repr=False)
    overrides: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = field(default=(), repr=False)
    given: GivenRecipe | None = field(default=SCRATCH, repr=False)
    live: tuple[Any, ...] = field(default=(), repr=False)
    handed: Any = field(default=None, repr=False, compare=False)
    again: Mapping[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def from_recipe(cls, recipe: str | Path, project: Path | str | None = None) -> "AiModelBuilder":
        """A builder for a recipe.

        Args:
            recipe: the name of a recipe of the project, or of a shipped one; the path of a file
                (a `Path`, or a text that ends in `.yaml`); or the text of a recipe, as `to_yaml`
                writes it.
            project: a folder of the project; the working folder by default.

        Raises:
            UnknownRecipe: if there is no file at the path.
            NotTrusted: if the project names code of its own and nobody trusted it.
        """
        workspace = Workspace.around(None if project is None else Path(project))
        name, given = given_recipe(recipe, workspace)
        return cls(name, workspace, given=given)

    @classmethod
    def from_scratch(cls, project: Path | str | None = None) -> "AiModelBuilder":
        """As `AiModelBuilder()`, in a project.

        Args:
            project: a folder of the project; the working folder by default.

        Raises:
            NotTrusted: if the project names code of its own and nobody trusted it.
        """
        return cls(workspace=Workspace.around(None if project is None else Path(project)))

    @classmethod
    def from_run(
        cls, run: str = "", project: Path | str | None = None, *, components: Sequence[Any] = ()
    ) -> "AiModelBuilder":
        """A builder that does a run again: with its configuration and its data.

            result = AiModelBuilder.from_run("20260102-151600").build()
            print(result.rerun)        # of 20260102-151600-3f9c2a: the same bytes in all 9 outputs

        Recipes and data files may have been edited since. Code and packages that were are named in
        the plan's notes and in `result.rerun.changed`. Only keys of `run.` can be configured.

        Args:
            run: its id, or the beginning of one; the newest run for "".
            project: a folder of the project; the working folder by default.
            components: classes and functions of the program that the run had, if they stand in no
                package that the project names.

        Raises:
            UsageError: if there is no such run.
            NotTrusted: if the project names code of its own and nobody trusted it.
        """
        workspace = Workspace.around(None if project is None else Path(project))
        record = recorded_run(workspace, run)
        live = tuple(components)
        return cls(record["recipe"], workspace, given=None, live=live, again=record)

    @property
    def index(self) -> Index:
        """Every component that may be named, those of the running program among them.

        Raises:
            ConfigError: if one of the program is named like another, or its source is gone.
        """
        workspace = self.workspace.read_again()
        return with_live(workspace.index, self.live, workspace.project)

    def configure(self, *overrides: str, **values: Any) -> "AiModelBuilder":
        """Changes the recipe.

        Args:
            overrides: as on the command line: `"trainer.epochs=5"`, `"~stages.tune"`.
            values: by key: a component's name or class (`model="cnn"`, `model=MyNet`), the class
                with arguments (`model=partial(MyNet, hidden=3)`), an instance of one
                (`model=MyNet(hidden=3)`, `sampler=TPESampler(num_startup=5)`), or a plain value
                (`seed=3`). A key with dots is given by `**{"trainer.epochs": 5}`.

        A class or function marked with `@component` need not be in a package: one of a script or a
        notebook will do. Of an instance the arguments count, from which it is made anew where it
        runs; one whose weights were changed since is refused.

        Raises:
            UnknownComponent: if a value is neither plain nor a component.
        """
        more = [text for key, value in values.items() for text in as_overrides(key, value)]
        live = {_key(target): target for target in self.live}
        live |= {_key(target): target for target in components_in(values)}
        changed = (*self.overrides, *overrides, *more)
        return replace(self, overrides=changed, live=tuple(live.values()))

    def listening(self, *listeners: Listener) -> "AiModelBuilder":
        """Adds listeners; what one raises is a warning, and the run goes on."""
        return replace(self, listeners=(*self.listeners, *listeners))

    def spec(self) -> PipelineSpec:
        """The pipeline the recipe and the changes compile to.

        Raises:
            FoundBeforeStart: if anything in it is wrong.
        """
        return self._spec(self.index)

    def _spec(self, index: Index) -> PipelineSpec:
        project = self.workspace.project
        if self.again is not None:
            spec = recorded_spec(self.again, self.overrides, index)
        else:
            spec = load_recipe(self.recipe, self.overrides, project, index, given=self.given)
        self.workspace.refuse_stale(spec, index)
        if spec.run.get("frozen"):
            refuse_unlocked(spec, index, project, self.overrides)
        return selected(smallest(spec, index) if spec.run.get("smoke") else spec)

    def to_yaml(self) -> str:
        """The text of a recipe that composes to the same pipeline, with equal fingerprints.

        Save it below `recipes/` to run it by `aidn-run`, or give it to `from_recipe`. Groups stand
        in its defaults list, so that it is changed as before: `model=cnn`, `trainer.epochs=5`.
        Components of a script or notebook are named in it, and must be configured again.

        Raises:
            FoundBeforeStart: if anything in the recipe is wrong.
        """
        if self.again is not None:
            raise UsageError(
                "a run that is done again has no recipe",
                where=f"run {self.again['run']}",
                remedy="`aidn-run show RUN` names the recipe and its changes",
            )
        index, project = self.index, self.workspace.project
        self._spec(index)
        return recipe_text(self.recipe, self.overrides, project, index, given=self.given)

    def plan(self) -> Plan:
        """What `build` would do, stage by stage, and why; runs nothing.

        Raises:
            FoundBeforeStart: if anything in the recipe is wrong.
            StoreError: if the store cannot be read.
        """
        return self.planned()[1]

    def planned(self) -> tuple[PipelineSpec, Plan]:
        """The pipeline and its plan; raises as `plan` does."""
        index = self.index
        return self._planned(self._spec(index), index)

    def _planned(self, spec: PipelineSpec, index: Index) -> tuple[PipelineSpec, Plan]:
        # Planning writes nothing: where there is no store yet, an empty one elsewhere will do.
        with self._store(spec) if self.workspace.has_store else empty_store() as store:
            spec, _ = self._held(spec, index, store)
            plan = make_plan(spec, store, index, self.workspace.project.root, force=forced(spec))
        refuse_missing(spec, plan, self.recipe, self.overrides)
        return spec, plan

    def _held(
        self, spec: PipelineSpec, index: Index, store: Store
    ) -> tuple[PipelineSpec, Rerun | None]:
        if self.again is None:
            return spec, None
        return held_to(spec, self.again, store, index, self.workspace.project.root)

    def with_data(
        self,
        train: Any,
        validation: Any = None,
        test: Any = None,
        *,
        target: str | None = None,
        task: Task | None = None,
        name: str = SOURCE,
    ) -> "AiModelBuilder":
        """A builder whose source is what is handed over.

        Args:
            train: `(X, y)` of numpy arrays, torch tensors or lists; a data frame of pandas, polars
                or Arrow, a mapping of names to columns, or a list of rows with names, each with
                `target`. `X` is a matrix with an example in each row, columns of any kind as a data
                frame, or an array of images or series of shape (examples, ...); images of whole
                numbers from 0 to 255 (`uint8`) are divided by 255.
            validation: rows that pick the best epoch, in the same form. Without any, and without
                `test`, the rows are split by a hash of each; with `test` alone, a share of the
                training rows is taken.
            test: rows that the model is judged on; without any, and with `validation`, it is judged
                on those, which have picked the epoch.
            target: name of the label column.
            task: `binary`, `multiclass` or `regression`; by default the label's values tell: two
                are binary, fractions or more than 20 different whole numbers a regression.
            name: of the data set.

        Raises:
            DataError: if something does not fit: a form, a shape, a length, a column, a label.
            UsageError: if a source was configured as well.
        """
        parts = {"train": train, "validation": validation, "test": test}
        handed = hand_over(parts, target=target, task=task, name=name)
        changes = data_overrides(handed, self.overrides, scratch=self.given is SCRATCH)
        return replace(self, overrides=(*changes, *self.overrides), handed=handed)

    def build(
        self,
        train: Any = None,
        validation: Any = None,
        test: Any = None,
        *,
        target: str | None = None,
        task: Task | None = None,
    ) -> AiModelResult:
        """Runs what has to be run and gives the result.

        What a stage raised, and an interruption, end in `AiModelResult.error`; call `check()` on
        the result to have it raised. Equal data are the same work: a second build with them reuses
        everything.

        Args:
            train: data to work on instead of the recipe's, as in `with_data`.
            validation: as in `with_data`.
            test: as in `with_data`.
            target: as in `with_data`.
            task: as in `with_data`.

        Raises:
            FoundBeforeStart: if anything in the recipe is wrong; nothing was run.
            DataError: if the data that were handed over do not fit.
            StoreError: if the store cannot be used.
        """
        if train is not None:
            given = self.with_data(train, validation, test, target=target, task=task)
            return given.build()
        index = self.index
        spec = self._spec(index)
        needed = needed_secrets(spec, index)
        if needed or spec.run.get("only"):
            refuse_unavailable(needed, to_be_run(self._planned(spec, index)[1]))
        self._begin(spec)
        with self._store(spec) as store:
            spec, rerun = self._held(spec, index, store)
            if rerun is not None:
                self._warn(f"since run {rerun.of}: {text}" for text in rerun.changed)
            ran = run_pipeline(
                self._placed(spec, index, store),
                store,
                index,
                self.workspace.project.root,
                listeners=self.listeners,
                facts=self._facts(spec) | ({"rerun": rerun.to_facts()} if rerun else {}),
                force=forced(spec),
            )
            self._tell_of_changes(spec, index)
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
                rerun=rerun.with_outputs(ran.stages) if rerun else None,
                provenance=replace(provenance, registered=None) if smoke else provenance,
                workspace=replace(self.workspace, index=index),
            )
            return judged(self._with_bundle(result, store), spec, self._tell)

    def _tell_of_changes(self, spec: PipelineSpec, index: Index) -> None:
        # A lazy import looks at files later than the fingerprint, and a program may change itself.
        try:
            self.workspace.refuse_stale(spec, index)
            texts = list(changes_of(index, self.index, self.live))
        except AidnError as error:
            texts = [f"while the pipeline ran: {error}"]
        self._warn(texts)

    def _begin(self, spec: PipelineSpec) -> None:
        self._warn(spec.warnings)
        if not spec.run.get("smoke"):
            self.workspace.refresh_schemas()

    def _warn(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._tell(Notice(text=text, level="warning"))

    def _tell(self, notice: Notice) -> None:
        if self.listeners:
            Telling(self.listeners).tell(notice)
        elif notice.level == "warning":
            LOG.warning(notice.text)

    def _repr_html_(self) -> str:
        rows = {"project": self.workspace.project.root, "changes": " ".join(self.overrides)}
        return html_table(f"recipe {self.recipe}", rows)

    def _placed(self, spec: PipelineSpec, index: Index, store: Store) -> PipelineSpec:
        if self.handed is None:
            return spec
        plan = make_plan(spec, store, index, self.workspace.project.root, force=forced(spec))
        return stored(self.handed, spec, plan, store)

    def _store(self, spec: PipelineSpec) -> AbstractContextManager[Store]:
        if spec.run.get("smoke"):
            return empty_store()
        return self.workspace.open_store(spec.run.get("durability", "full"))

    def _facts(self, spec: PipelineSpec) -> dict[str, Any]:
        return {
            "asked": self.recipe,
            "overrides": list(self.overrides),
            "config": resolved_config(spec),
            "wiring": wiring_of(spec),
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


def _key(target: Any) -> tuple[str, str]:
    mark = mark_of(target)
    assert mark is not None
    return mark.group, mark.name


def _refuse_links(folder: Path, parent: Path) -> None:
    # A project from a stranger must not make us write or delete outside of it.
    for place in (folder, parent, parent.parent):
        if place.is_symlink():
            raise StorageUnwritable(
                "bundles are not written through a symbolic link",
                where=str(place),
                remedy="replace the link by a folder; the bundle itself is kept in the store",
            )
