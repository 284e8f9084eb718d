"""The run loop: stage after stage, each reused, resumed or run, each committed by itself."""

import os
import secrets
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import (
    Action,
    Listener,
    Notice,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    Status,
)
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.core.record import RunRecord, StageRecord
from aidn_pipeline.core.wiring import needs, order
from aidn_pipeline.engine.executors.inline import InlineExecutor
from aidn_pipeline.engine.perform import Performer
from aidn_pipeline.engine.plan import Planner, last_records, resolve_inputs, with_params
from aidn_pipeline.engine.stopping import StopFlag, listening
from aidn_pipeline.engine.telling import Telling
from aidn_pipeline.errors import AidnError, GateNotMet, Interrupted, StoreError
from aidn_pipeline.store.store import Store

ENDING = (GateNotMet, Interrupted, StoreError)
"""Errors that no `on_failure: continue` lets a run go on after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """How a stage of a run ended."""

    action: Action
    reason: str
    status: str
    fingerprint: str | None = None
    seconds: float = 0.0
    outputs: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended; `error` is what stopped it."""

    run: str
    status: Status
    seconds: float
    stages: Mapping[str, StageResult]
    error: AidnError | None = None


def run_pipeline(
    spec: PipelineSpec,
    store: Store,
    index: Index,
    project: Path,
    *,
    listeners: Sequence[Listener] = (),
    facts: Mapping[str, Any] | None = None,
    force: Collection[str] = (),
) -> RunResult:
    """Runs a pipeline. Errors of stages and interruptions end in the result, not in an exception.

    Args:
        spec: what to run.
        store: where results are kept.
        index: the components.
        project: the project's root, which relative paths are against.
        listeners: told what happens, in order; one that raises is a warning.
        facts: kept in the run's record: overrides, configuration.
        force: names of stages to run although nothing changed.

    Raises:
        WiringError: if the stages need each other in a circle.
        StoreError: if the store cannot be used at all.
    """
    loop = RunLoop(spec, store, index, project, listeners, dict(facts or {}), frozenset(force))
    return loop.run()


class RunLoop:
    """One run; used once."""

    def __init__(
        self,
        spec: PipelineSpec,
        store: Store,
        index: Index,
        project: Path,
        listeners: Sequence[Listener],
        facts: dict[str, Any],
        force: frozenset[str],
    ) -> None:
        self._spec = spec
        self._store = store
        self._index = index
        self._recipe = spec.recipe or spec.name
        self._planner = Planner(spec, store, index, project)
        self._before: Mapping[str, StageRecord] = {}
        self._reasons: dict[str, str] = {}
        self._emit = Telling(listeners).tell
        self._facts = facts
        self._force = force
        self._stop = StopFlag()
        self._results: dict[str, StageResult] = {}
        self._error: AidnError | None = None
        self._spared: dict[str, AidnError] = {}
        """Stages that failed, and cells that need one that did, without which the run goes on."""
        self._late: AidnError | None = None
        """What the run has failed of although it went on."""
        self._started = time.time()
        self.run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)
        self._performer = Performer(
            store=store,
            index=index,
            project=project,
            run=self.run_id,
            seed=spec.seed,
            stop=self._stop,
            emit=self._emit,
            executor=InlineExecutor(),
        )

    def run(self) -> RunResult:
        """Runs it."""
        names = order(self._spec.stages)
        self._store.recover()
        with self._store.locks.hold(f"run/{self.run_id}"):
            self._facts["order"] = names
            self._before = last_records(self._recipe, self._store)
            self._facts.setdefault("host", socket.gethostname())
            self._facts.setdefault("pid", os.getpid())
            self._record("running")
            self._emit(RunStarted(run=self.run_id, recipe=self._recipe, stages=tuple(names)))
            with listening(self._stop, lambda text: self._emit(Notice(text=text, level="warning"))):
                self._run_stages(names)
            return self._finish(names)

    def _run_stages(self, names: Sequence[str]) -> None:
        for name in names:
            stage = self._gathering(self._spec.stages[name])
            known = dict.fromkeys(n for n in needs(stage) if n in self._spec.stages)
            missing = [n for n in known if not self._done(n)] if not stage.skip else []
            stopped = self._error is not None and not isinstance(self._error, GateNotMet)
            if stage.skip or missing or stopped:
                reason = f"needs {', '.join(missing)}" if missing else "the run stopped before it"
                self._skipped(stage, missing, stage.skip or reason)
                continue
            started = time.monotonic()
            try:
                self._stop.check()
                self._run_stage(stage)
            except AidnError as error:
                self._failed(name, error, time.monotonic() - started)
                if stage.on_failure == "continue" and not isinstance(error, ENDING):
                    self._spared[name] = error
                    self._late = self._late or (None if stage.cell else error)
                    text = f"{name} failed, the run goes on without it: {error.problem}"
                    self._emit(Notice(text=text, level="warning"))
                else:
                    self._error = error

    def _gathering(self, stage: StageSpec) -> StageSpec:
        """The stage without references to spared cells among those it gathers, if some are left."""
        inputs = {
            port: tuple(r for r in refs if r.cell is None or r.stage not in self._spared) or refs
            for port, refs in stage.inputs.items()
        }
        return replace(stage, inputs=inputs)

    def _skipped(self, stage: StageSpec, missing: Sequence[str], reason: str) -> None:
        self._results[stage.name] = StageResult(action="skip", reason=reason, status="skipped")
        self._emit(StageFinished(stage=stage.name, action="skip", seconds=0.0, problem=reason))
        spared = [self._spared[name] for name in missing if name in self._spared]
        if spared and stage.cell and len(spared) == len(missing):
            self._spared[stage.name] = spared[0]
        elif spared:
            # Nothing is left to gather, or this very cell was wanted: it was not to be spared.
            self._late = self._late or spared[0]

    def _done(self, name: str) -> bool:
        return name in self._results and self._results[name].status == "done"

    def _run_stage(self, stage: StageSpec) -> None:
        name, forced = stage.name, stage.name in self._force
        outputs = {done: result.outputs for done, result in self._results.items()}
        inputs = resolve_inputs(stage, outputs)
        effective = with_params(self._index, stage, inputs, self._store)
        # Planned again, now that everything before it is known: nothing is left to wait for.
        row = self._planner.row(stage, outputs, self._before.get(name), forced=forced)
        self._reasons[name] = row.reason
        self._emit(StageStarted(stage=name, action=row.action, reason=row.reason))
        done = self._performer.perform(name, stage.stage, effective, inputs, force=forced)
        self._results[name] = StageResult(
            action=done.action,
            reason="unchanged" if done.action == "reuse" else row.reason,
            status="done",
            fingerprint=done.record.fingerprint,
            seconds=round(done.seconds, 3),
            outputs=done.record.outputs,
        )
        self._emit(StageFinished(stage=name, action=done.action, seconds=done.seconds))

    def _failed(self, name: str, error: AidnError, seconds: float) -> None:
        reason = self._reasons.get(name, "")
        status = "gate_not_met" if isinstance(error, GateNotMet) else "failed"
        if isinstance(error, Interrupted):
            status = "interrupted"
        self._results[name] = StageResult(
            action="run", reason=reason, status=status, seconds=round(seconds, 3)
        )
        self._emit(StageFinished(stage=name, action="run", seconds=seconds, problem=error.problem))

    def _finish(self, names: Sequence[str]) -> RunResult:
        status: Status = "done"
        self._error = self._error or self._late
        if isinstance(self._error, Interrupted):
            status = "interrupted"
        elif isinstance(self._error, GateNotMet):
            status = "gate_not_met"
        elif self._error is not None:
            status = "failed"
        try:
            self._record(status)
        except AidnError as error:
            # The disk may be what failed; a run without its last line shows as interrupted.
            self._error = self._error or error
            status = "failed" if status == "done" else status
        seconds = time.time() - self._started
        self._emit(RunFinished(run=self.run_id, status=status, seconds=seconds))
        ordered = {name: self._results[name] for name in names if name in self._results}
        return RunResult(
            run=self.run_id,
            status=status,
            seconds=round(seconds, 3),
            stages=ordered,
            error=self._error,
        )

    def _record(self, status: str) -> None:
        done = {n: r.fingerprint for n, r in self._results.items() if r.fingerprint}
        record = RunRecord(
            run=self.run_id,
            recipe=self._recipe,
            status=status,
            started=self._started,
            stages=done,
            facts={
                **self._facts,
                "seconds": round(time.time() - self._started, 3),
                "actions": {name: result.action for name, result in self._results.items()},
                "error": self._error.to_json() if self._error else None,
            },
        )
        self._store.records.append("run", self.run_id, record.to_json())


def run_status(store: Store, record: Mapping[str, Any]) -> str:
    """A run's status for a reader: `running` only while its owner lives."""
    if record["status"] == "running" and not store.locks.held(f"run/{record['run']}"):
        return "interrupted"
    return str(record["status"])
