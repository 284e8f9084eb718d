"""The stage that searches hyperparameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.core.artifact import Checkpoint, Dataset, Params, Report, artifact_from_json
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.describe import describe
from aidn_pipeline.core.events import TrialFinished
from aidn_pipeline.core.objective import check_objective
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.sweep.loop import Driver, Sweep, errors_of
from aidn_pipeline.sweep.parse import read_space
from aidn_pipeline.sweep.protocols import Sampler, TrialScheduler
from aidn_pipeline.sweep.records import SweepState
from aidn_pipeline.sweep.runner import NestedRunner
from aidn_pipeline.sweep.samplers.grid import GridSampler
from aidn_pipeline.sweep.samplers.random import RandomSampler
from aidn_pipeline.sweep.schedulers.none import NoScheduler
from aidn_pipeline.sweep.table import trial_table
from aidn_pipeline.sweep.trial import Mode, Trial, best_of, loss_of


@dataclass(frozen=True)
class SweepInputs:
    """What every trial trains on."""

    dataset: Dataset


@dataclass(frozen=True)
class SweepOutputs:
    """What was found.

    Attributes:
        params: of the best trial, by dotted path inside the trainer.
        checkpoint: the best trial's best weights.
        trials: the trial table.
    """

    params: Params
    checkpoint: Checkpoint
    trials: Report


@component("stage", "sweep")
@dataclass(frozen=True, kw_only=True)
class SweepStage(Stage[SweepInputs, SweepOutputs]):
    """Searches the trainer's fields; every trial is a nested `train` stage.

    The table, the best params and the best checkpoint are the same for any number of workers and
    after any number of kills. A trial with equal effective fields is never trained twice, so a
    `train` stage with the best params finds the best trial's work.

    Attributes:
        trial: the trainer of every trial; searched fields are written into it.
        objective: `metric`, one of the trainer's, and `mode`, `min` or `max`.
        num_trials: trials in all; more later continue from what is there.
        sampler: proposes params.
        scheduler: decides how far trials go.
        space: domains by dotted path inside the trainer; without any there is one trial.
        lanes: trials in flight; trial k knows the results of the trials 0 ... k - lanes.
        seed: of the proposals; the pipeline's where null.
        max_failures: failed trials that are put up with before the sweep fails.
    """

    trial: Any = setting(group="trainer", fixed=True)
    objective: Mapping[str, str]
    num_trials: int = setting(20, extends=True, least=1, smoke=1)
    sampler: Sampler = setting(default_factory=RandomSampler, group="sampler")
    scheduler: TrialScheduler = setting(default_factory=NoScheduler, group="trial_scheduler")
    space: Mapping[str, Any] = setting(default_factory=dict, masks="trial")
    lanes: int = setting(3, least=1)
    seed: int | None = None
    max_failures: int = setting(5, semantic=False, least=0)

    def __post_init__(self) -> None:
        check_ranges(self)
        check_objective(self.objective)

    def run(self, inputs: SweepInputs, ctx: StageContext) -> SweepOutputs:
        """Runs the trials that are missing and picks the best.

        Raises:
            StageFailed: if too many trials failed, or none was completed.
            DataError: if the objective is none of the trainer's metrics.
            WrongType: if the space does not fit the trainer.
        """
        trial = describe(self.trial)
        metric = self.objective["metric"]
        mode: Mode = "min" if self.objective["mode"] == "min" else "max"
        sweep = Sweep(
            space=read_space(self.space, trial),
            sampler=self.sampler,
            scheduler=self.scheduler,
            mode=mode,
            num_trials=self.num_trials,
            lanes=self.lanes,
            max_failures=self.max_failures,
        )
        if isinstance(self.sampler, GridSampler):
            self.sampler.check(sweep.space, self.num_trials)
        runner = NestedRunner(trial, {"dataset": inputs.dataset}, metric, ctx)
        driver = Driver(
            sweep,
            journal=ctx.journal,
            runner=runner,
            derive_seed=ctx.derive_seed,
            tell=lambda ended, state: self._tell(ctx, ended, state, reused=False),
        )
        for earlier in driver.state.trials:
            if earlier.ended:
                self._tell(ctx, earlier, driver.state, reused=True)
        state = driver.run()
        best = best_of(state.trials, mode)
        if best is None:
            failure = runner.failure
            raise StageFailed(
                f"none of {len(state.trials)} trials was completed: {errors_of(state.trials)}",
                where=failure.where if failure else "space",
                remedy="narrow the space, or correct the cause of the errors",
            ) from (failure.error if failure else None)
        checkpoint = artifact_from_json(dict(best.segments[-1].outputs["best"]))
        assert isinstance(checkpoint, Checkpoint)
        table = trial_table(state, metric=metric, mode=mode, space=sweep.space)
        return SweepOutputs(
            params=ctx.save(Params, dict(best.params)),
            checkpoint=checkpoint,
            trials=ctx.save(Report, table),
        )

    def _tell(self, ctx: StageContext, trial: Trial, state: SweepState, *, reused: bool) -> None:
        mode: Mode = "min" if self.objective["mode"] == "min" else "max"
        # A trial that has used up its budget counts, though it may not be decided on yet.
        used_up = (t for t in state.trials if t.value is not None and t.epochs >= t.budget)
        best = min(used_up, key=lambda t: (loss_of(t.value, mode), t.number), default=None)
        ctx.emit(
            TrialFinished(
                number=trial.number,
                total=self.num_trials,
                params=trial.params,
                value=trial.value,
                best=best is not None and trial.number == best.number,
                reused=reused,
                problem=trial.error,
            )
        )
