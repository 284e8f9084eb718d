"""Trials as nested `train` stages: the engine locks, reuses, resumes and commits each of them."""

import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.describe import write_params
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.masking import masked
from aidn_pipeline.core.stage import Description, Job, StageContext
from aidn_pipeline.errors import AidnError, DataError, Interrupted, StageFailed, StoreError
from aidn_pipeline.sweep.trial import Failure, Segment, Trial

BUDGET = "epochs"
"""The field of the trial's component that says how long it trains."""


class NestedRunner:
    """Runs trials through `ctx.map`.

    Attributes:
        failure: of the trial that failed last; None if none did.
    """

    def __init__(
        self, trial: Description, inputs: Mapping[str, Artifact], metric: str, ctx: StageContext
    ) -> None:
        """Keeps what all trials share.

        Args:
            trial: complete description of the trainer.
            inputs: artifacts by port of the train stage.
            metric: name of the objective among the trainer's metrics.
            ctx: of the sweep.
        """
        self._trial = trial
        self._inputs = inputs
        self._metric = metric
        self._ctx = ctx
        self.failure: Failure | None = None

    def budget(self, params: Mapping[str, JSON]) -> int:
        """Epochs of a whole trial; 1 where the trainer does not count in epochs."""
        epochs = write_params(self._trial, params).get(BUDGET)
        return epochs if isinstance(epochs, int) and epochs > 0 else 1

    def run(self, trials: Sequence[Trial]) -> Iterator[Segment]:
        """Runs each trial up to its `to`; a trial that raises gives a segment with its error.

        Raises:
            Interrupted: if the run was asked to end; so does a store that fails.
            DataError: if the objective is none of the trainer's metrics.
        """
        rest = list(trials)
        while rest:
            answers = self._ctx.map([self._job(trial) for trial in rest])
            for trial in tuple(rest):
                if self._ctx.stop_requested:
                    self._ctx.stop()
                rest.remove(trial)
                self._let_go()
                try:
                    outputs = next(answers)
                except (StageFailed, DataError) as error:
                    if isinstance(error.__cause__, (Interrupted, StoreError)):
                        raise
                    yield Segment(trial.to, trial.end, None, error=self._failed(trial, error))
                    # An iterator that raised gives nothing more: the others are asked for again.
                    break
                yield self._segment(trial, outputs)

    def _failed(self, trial: Trial, error: StageFailed | DataError) -> str:
        """What is written down of a failure: the error, then where in the training it was."""
        cause = error.__cause__ or error
        said = cause.problem if isinstance(cause, AidnError) else str(cause)
        places = getattr(cause, "__notes__", ())
        text = masked("\n".join([f"{type(cause).__name__}: {said}", *places]))
        params = "  ".join(f"{name}={value}" for name, value in trial.params.items())
        cause.add_note(f"in trial {trial.number + 1}: {params}".rstrip(": "))
        self.failure = Failure(trial.number, cause)
        return text

    def _let_go(self) -> None:
        # The frames of a failed trial hold its model: the next one may need that memory.
        if self.failure is not None:
            traceback.clear_frames(self.failure.error.__traceback__)

    def _job(self, trial: Trial) -> Job:
        description = write_params(self._trial, trial.params)
        if trial.to < trial.budget:
            description = write_params(description, {BUDGET: trial.to})
        stage = {"use": "train", "trainer": description}
        return Job(label=f"trial {trial.number + 1}", stage=stage, inputs=self._inputs)

    def _segment(self, trial: Trial, outputs: Mapping[str, Artifact]) -> Segment:
        value = self._value(self._ctx.load(outputs["metrics"]))
        found = {port: artifact.to_json() for port, artifact in outputs.items()}
        if not math.isfinite(value):
            return Segment(
                trial.to, trial.end, None, found, f"NotFinite: {self._metric} is {value}"
            )
        return Segment(trial.to, trial.end, value, found)

    def _value(self, metrics: Mapping[str, Any]) -> float:
        value = metrics.get(self._metric)
        if isinstance(value, (int, float)):
            return float(value)
        near = get_close_matches(self._metric, metrics, 1)
        known = f"the trainer gives: {', '.join(sorted(metrics))}"
        raise DataError(
            f"the objective {self._metric!r} is none of the trial's metrics",
            where="objective.metric",
            remedy=f"did you mean `{near[0]}`?" if near else known,
        )
