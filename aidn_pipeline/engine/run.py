"""A run: its record, its executor, its listeners, and how it ends."""

import os
import secrets
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aidn_pipeline.core.events import Event, Listener, Notice, RunFinished, RunStarted, Status
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.record import RunRecord
from aidn_pipeline.core.wiring import order
from aidn_pipeline.engine.budget import run_budget
from aidn_pipeline.engine.executors.base import Executor
from aidn_pipeline.engine.executors.choice import INLINE, open_executor, refuse_unfit
from aidn_pipeline.engine.loop import StageLoop
from aidn_pipeline.engine.outcome import RunResult, StageResult
from aidn_pipeline.engine.plan import Planner, last_records
from aidn_pipeline.engine.sources import Imported
from aidn_pipeline.engine.stopping import StopFlag, listening
from aidn_pipeline.engine.telling import Telling
from aidn_pipeline.engine.work import Opened, perform_task, place_of
from aidn_pipeline.errors import AidnError, GateNotMet, Interrupted
from aidn_pipeline.store.store import Store


def run_pipeline(
    spec: PipelineSpec,
    store: Store,
    index: Index,
    project: Path,
    *,
    listeners: Sequence[Listener] = (),
    facts: Mapping[str, Any] | None = None,
    force: Collection[str] = (),
    executor: Executor | None = None,
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
        executor: where stages run, instead of what `run.executor` says; it is closed at the end.

    Raises:
        WiringError: if the stages need each other in a circle.
        ConfigError: if a stage claims more than there is, or the executor cannot run one.
        StoreError: if the store cannot be used at all.
    """
    run = Run(spec, store, index, project, listeners, dict(facts or {}), frozenset(force))
    return run.run(executor)


class Run:
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
        self._project = project
        self._recipe = spec.recipe or spec.name
        self._kind = str(spec.run.get("executor", INLINE))
        self._tell = Telling(listeners).tell
        self._facts = facts
        self._force = force
        self._stop = StopFlag()
        self._results: Mapping[str, StageResult] = {}
        self._error: AidnError | None = None
        self._started = time.time()
        self.run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)

    def run(self, given: Executor | None) -> RunResult:
        """Runs it, on an executor that is given or on that of the recipe."""
        names = order(self._spec.stages)
        budget = run_budget(self._spec)
        inside = given is None and self._kind == INLINE
        refuse_unfit(self._spec, self._index, inside=inside)
        self._store.recover()
        with self._store.locks.hold(f"run/{self.run_id}"):
            self._facts["order"] = names
            self._facts["executor"] = self._kind
            before = last_records(self._recipe, self._store)
            self._facts.setdefault("host", socket.gethostname())
            self._facts.setdefault("pid", os.getpid())
            self._record("running")
            self._emit(RunStarted(run=self.run_id, recipe=self._recipe, stages=tuple(names)))
            executor = given or self._open(budget.cpu)
            loop = StageLoop(
                names=names,
                planner=Planner(self._spec, self._store, self._index, self._project),
                executor=executor,
                budget=budget,
                before=before,
                forced=self._force,
                run=self.run_id,
                place={} if inside else place_of(self._store, self._index, self._project),
                emit=self._emit,
                stop=self._stop,
            )
            self._results = loop.results
            try:
                with listening(self._stop, self._warn), self._store.group.gathering():
                    loop.run()
            except AidnError as error:
                loop.error = loop.error or error
            finally:
                executor.close()
            loop.forget_lost()
            self._error = loop.error or loop.late
            if loop.observed:
                self._facts["observed"] = loop.observed
            return self._finish(names)

    def _emit(self, event: Event) -> None:
        # Nobody is told of work that waits to be durable, nor of what came after it.
        self._store.group.then(partial(self._tell, event))

    def _warn(self, text: str) -> None:
        self._emit(Notice(text=text, level="warning"))

    def _open(self, cores: float) -> Executor:
        imported = Imported(self._index, self._project) if self._kind == INLINE else None
        opened = Opened(self._store, self._index, imported)
        work = partial(perform_task, emit=self._emit, stop=self._stop, opened=opened)
        return open_executor(self._kind, work=work, stop=self._stop, cores=cores)

    def _finish(self, names: Sequence[str]) -> RunResult:
        status: Status = "done"
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
        # In declared order, whichever ended first.
        results = {n: self._results[n] for n in self._facts["order"] if n in self._results}
        done = {n: r.fingerprint for n, r in results.items() if r.fingerprint}
        record = RunRecord(
            run=self.run_id,
            recipe=self._recipe,
            status=status,
            started=self._started,
            stages=done,
            facts={
                **self._facts,
                "seconds": round(time.time() - self._started, 3),
                "actions": {name: result.action for name, result in results.items()},
                "error": self._error.to_json() if self._error else None,
            },
        )
        self._store.records.append("run", self.run_id, record.to_json())
