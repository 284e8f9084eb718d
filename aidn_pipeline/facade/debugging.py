"""One stage by itself: its inputs as in a run, and nothing of what it does is kept.

What it needs is run as usual. The stage then runs in a clone of the store: it may save, take
checkpoints, run trials and give out versions, and continues what an interrupted attempt left; all
of it goes with the clone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Event, Listener, RunFinished, RunStarted
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.wiring import needs
from aidn_pipeline.engine.executors.choice import INLINE
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.engine.plan import LOOKED_BACK, make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import AidnError, UsageError
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.needed_secrets import needed_secrets, refuse_unavailable, to_be_run
from aidn_pipeline.store.clone import clone
from aidn_pipeline.store.store import Store

Outputs = Mapping[str, Mapping[str, Artifact]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debugged:
    """How a stage ran by itself.

    Attributes:
        stage: its name; of what it needs, if that did not go through.
        reached: whether what it needs went through, so that the stage was run.
        inputs: `stage.port` by the stage's own port; several for a port that gathers.
        run: a run that holds the inputs; empty if there are none, or nothing is kept of it.
        seconds: that the stage took.
        error: what stopped it, with what it came from and its frames.
    """

    stage: str
    reached: bool
    inputs: Mapping[str, Sequence[str]]
    run: str
    seconds: float = 0.0
    error: AidnError | None = None


@contextmanager
def debugged(builder: AiModelBuilder, stage: str) -> Iterator[Debugged]:
    """Runs one stage by itself; what it worked with is there until the block ends.

    Raises:
        UsageError: if the recipe has no such stage.
        FoundBeforeStart: if anything in the recipe is wrong, or a secret is missing; nothing was
            run.
        StoreError: if the store cannot be used.
    """
    spec = builder.spec()
    if stage not in spec.stages:
        raise UsageError(
            f"the recipe {builder.recipe!r} has no stage {stage!r}",
            where=f"aidn-run debug {stage}",
            remedy=nearest(stage, list(spec.stages), noun="its stages"),
        )
    above = _above(spec, stage)
    if needed := needed_secrets(_only(spec, {*above, stage}), builder.workspace.index):
        # The stage itself is run whatever the plan says.
        refuse_unavailable(needed, {*to_be_run(builder.plan()), stage})
    with _store(builder, spec) as store:
        error, failed, run, outputs = _upstream(builder, _only(spec, above), store, stage)
        inputs = {
            port: found
            for port, refs in spec.stages[stage].inputs.items()
            if (
                found := [f"{r.stage}.{r.port}" for r in refs if r.port in outputs.get(r.stage, ())]
            )
        }
        if spec.run.get("smoke"):
            run = ""
        if error is not None:
            yield Debugged(stage=failed, reached=False, inputs=inputs, run=run, error=error)
            return
        folder = store.scratch.folder / "debug"
        clone(store, folder, [a for stage in outputs.values() for a in stage.values()])
        with Store.open(folder, durability="process") as twin:
            result, error = _alone(builder, _only(spec, {*above, stage}), stage, twin)
            yield Debugged(
                stage=stage,
                reached=True,
                inputs=inputs,
                run=run,
                seconds=result.seconds,
                error=error,
            )


@contextmanager
def _store(builder: AiModelBuilder, spec: PipelineSpec) -> Iterator[Store]:
    if not spec.run.get("smoke"):
        with builder.workspace.open_store(spec.run.get("durability", "full")) as store:
            yield store
        return
    with TemporaryDirectory(prefix="aidn-") as folder, Store.open(Path(folder)) as store:
        yield store


def _above(spec: PipelineSpec, stage: str) -> set[str]:
    found: set[str] = set()
    rest = [stage]
    while rest:
        new = {n for n in needs(spec.stages[rest.pop()]) if n in spec.stages} - found
        found |= new
        rest += sorted(new)
    return found


def _only(spec: PipelineSpec, names: set[str]) -> PipelineSpec:
    return replace(spec, stages={n: s for n, s in spec.stages.items() if n in names})


def _upstream(
    builder: AiModelBuilder, spec: PipelineSpec, store: Store, stage: str
) -> tuple[AidnError | None, str, str, Outputs]:
    """Runs what a stage needs: the error, the stage it is of, the run, and the outputs."""
    index, root = builder.workspace.index, builder.workspace.project.root
    forced = [name for name in spec.run.get("force", ()) if name in spec.stages]
    if not spec.stages:
        return None, "", "", {}
    plan = make_plan(spec, store, index, root, force=forced)
    if all(row.action == "reuse" for row in plan.rows):
        wanted = {row.name: row.fingerprint for row in plan.rows}
        for record in store.records.runs(LOOKED_BACK):
            if wanted.items() <= record["stages"].items():
                # A run that is there already says it all: none is added.
                return None, "", record["run"], {row.name: row.outputs or {} for row in plan.rows}
    ran = run_pipeline(
        spec,
        store,
        index,
        root,
        listeners=builder.listeners,
        facts={"asked": builder.recipe, "overrides": list(builder.overrides), "debug": stage},
        force=forced,
    )
    failed = next((name for name, result in ran.stages.items() if result.status != "done"), "")
    return ran.error, failed, ran.run, {n: result.outputs for n, result in ran.stages.items()}


def _alone(
    builder: AiModelBuilder, spec: PipelineSpec, stage: str, twin: Store
) -> tuple[StageResult, AidnError | None]:
    index, root = builder.workspace.index, builder.workspace.project.root
    # A debugger needs the stage in this process.
    spec = replace(spec, run={**spec.run, "executor": INLINE})
    done = make_plan(spec, twin, index, root).row(stage).action == "reuse"
    ran = run_pipeline(
        spec,
        twin,
        index,
        root,
        listeners=[Only(stage, listener) for listener in builder.listeners],
        # Not otherwise: to run by force is to begin at the beginning.
        force=[stage] if done else [],
    )
    return ran.stages[stage], ran.error


@dataclass(frozen=True, slots=True)
class Only:
    """A listener that hears of one stage and of what happens inside it."""

    stage: str
    listener: Listener

    def on_event(self, event: Event) -> None:
        """Passes it on, unless it is about the run or about another stage of it."""
        if isinstance(event, (RunStarted, RunFinished)):
            return
        if getattr(event, "action", "") != "reuse" or event.stage == self.stage:
            self.listener.on_event(event)
