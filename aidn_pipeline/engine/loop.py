"""The loop over the stages of a run: what is ready is reused or started, what ended is settled."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import (
    Event,
    Notice,
    StageFinished,
    StageRetried,
    StageStarted,
    event_from_json,
)
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.core.stage import Description
from aidn_pipeline.core.wiring import needs
from aidn_pipeline.engine.budget import device_names
from aidn_pipeline.engine.executors.base import Ended, Executor, Task, Told
from aidn_pipeline.engine.fingerprint import Inputs
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.engine.perform import reusable
from aidn_pipeline.engine.plan import Planner, PlanRow, resolve_inputs, with_params
from aidn_pipeline.engine.retrying import ENDING, failure_of, pause_before_retry
from aidn_pipeline.engine.schedule import Budget, Candidate, Front, choose, urgencies
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.engine.work import StageAnswer, StageWork, modules_of
from aidn_pipeline.errors import AidnError, GateNotMet, Interrupted, StoreError
from aidn_pipeline.store.logs import log_file

POLL_S = 0.2
"""Seconds after which a signal is noticed at the latest."""
BRIEF_S = 0.02
"""Seconds of a stage that others may wait for before they are durable."""
AHEAD = 64
"""Stages that are looked at before they can start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A stage that could start: everything it needs is there.

    Attributes:
        row: what the plan says of it, now that its inputs are known.
        tries: which try it would be.
        due: on the monotonic clock, before which it does not start.
        failed: what the try before ended with.
    """

    stage: StageSpec
    row: PlanRow
    effective: Description
    inputs: Inputs
    tries: int = 1
    due: float = 0.0
    failed: AidnError | None = None


class StageLoop:
    """The stages of one run; used once.

    Attributes:
        results: how each stage ended, in the order they did.
        observed: what the host had to do with it, by stage.
        error: what the run stopped for.
        late: what it has failed of although it went on.
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        planner: Planner,
        executor: Executor,
        budget: Budget,
        before: Mapping[str, StageRecord],
        forced: frozenset[str],
        run: str,
        place: Mapping[str, Any],
        emit: Callable[[Event], None],
        stop: StopFlag,
    ) -> None:
        self.results: dict[str, StageResult] = {}
        self.observed: dict[str, dict[str, Any]] = {}
        self.error: AidnError | None = None
        self.late: AidnError | None = None
        self._spec = planner.spec
        self._store = planner.store
        self._planner = planner
        self._executor = executor
        self._budget = budget
        self._before = before
        self._forced = forced
        self._run = run
        self._place = place
        self._emit = emit
        self._stop = stop
        self._needs = {name: self._known_needs(self._spec.stages[name]) for name in names}
        self._position = {name: at for at, name in enumerate(names)}
        self._front = Front(self._needs)
        last = {name: record.observed.get("seconds") for name, record in before.items()}
        self._urgency = urgencies(self._needs, {name: last.get(name) for name in names})
        self._candidates: dict[str, Prepared] = {}
        self._flying: dict[str, Prepared] = {}
        self._holding: dict[str, list[str]] = {}
        """Devices by the stage that has them."""
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        self._spared: dict[str, AidnError] = {}
        """Stages that failed, and cells that need one that did, without which the run goes on."""
        self._seconds: dict[str, float] = {}
        """How long the last stage of a component took in this run."""
        self._unsure: set[str] = set()
        """Stages that are done and not yet durable."""
        self._devices = device_names(budget.gpu)
        """Those that no stage has for itself."""
        self._asked = False
        """Whether the running stages have been asked to end."""

    def run(self) -> None:
        """Runs them all, as far as it goes. What stages raise is kept in `error` and `late`."""
        while self._front or self._candidates or self._flying:
            try:
                self._step()
            except AidnError as error:
                self._break_off(error)

    @property
    def _halted(self) -> bool:
        return self.error is not None and not isinstance(self.error, GateNotMet)

    @property
    def _ending(self) -> bool:
        return self._stop.signum != 0 or self._halted

    def _step(self) -> None:
        if self._stop.signum and not self._asked:
            self._asked = True
            self._executor.interrupt(self._stop.signum)
        if self._ending and not self._flying:
            for name in sorted(self._candidates, key=self._position.__getitem__):
                self._drop(name, self._candidates.pop(name))
        while self._front and self._may_look():
            self._look(self._front.take())
        if not self._ending:
            self._start_some()
        if self._flying:
            self._wait()
        elif self._candidates:
            first = min(prepared.due for prepared in self._candidates.values())
            time.sleep(min(POLL_S, max(0.0, first - time.monotonic())))

    def _may_look(self) -> bool:
        if self._ending and self._flying:
            return False
        if self._executor.slots > 1:
            return len(self._candidates) < AHEAD
        # Nothing is won by looking ahead, and stages are told of in their order.
        return not (self._flying or self._due())

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [name for name, prepared in self._candidates.items() if prepared.due <= now]

    def _drop(self, name: str, prepared: Prepared) -> None:
        """A stage that will not start, or not again."""
        if prepared.failed is None or self._stop.signum:
            self._look(name)
        else:
            self._front.settle(name)
            self._failed(prepared.stage, prepared.failed, 0.0, prepared.row.reason)

    def _look(self, name: str) -> None:
        """Skips, reuses or prepares a stage whose needs are all settled."""
        stage = self._gathering(self._spec.stages[name])
        missing = [n for n in self._known_needs(stage) if not self._done(n)]
        started = time.monotonic()
        try:
            if stage.skip or missing or self._halted:
                reason = f"needs {', '.join(missing)}" if missing else "the run stopped before it"
                self._skipped(stage, [] if stage.skip else missing, stage.skip or reason)
                return
            self._stop.check()
            self._prepare(stage)
        except AidnError as error:
            self._failed(stage, error, time.monotonic() - started)
        finally:
            if name not in self._candidates:
                self._front.settle(name)

    def _prepare(self, stage: StageSpec) -> None:
        name, forced = stage.name, stage.name in self._forced
        inputs = resolve_inputs(stage, self._outputs)
        effective = with_params(self._planner.index, stage, inputs, self._store)
        # Planned again, now that everything before it is known: nothing is left to wait for.
        row = self._planner.row(stage, self._outputs, self._before.get(name), forced=forced)
        if row.action == "reuse" and row.fingerprint:
            record = reusable(self._store, row.fingerprint)
            if record is not None:
                self._emit(StageStarted(stage=name, action="reuse", reason=row.reason))
                self._succeeded(name, row.reason, _reused(record))
                return
        self._candidates[name] = Prepared(stage=stage, row=row, effective=effective, inputs=inputs)

    def _start_some(self) -> None:
        found = [
            Candidate(
                name=name,
                claim=self._candidates[name].stage.resources,
                urgency=self._urgency[name] if self._executor.slots > 1 else 0.0,
            )
            for name in sorted(self._due(), key=self._position.__getitem__)
        ]
        running = [prepared.stage.resources for prepared in self._flying.values()]
        for name in choose(found, running, self._budget, self._executor.slots):
            self._start(name, self._candidates.pop(name))

    def _start(self, name: str, prepared: Prepared) -> None:
        self._flying[name] = prepared
        row, claim = prepared.row, prepared.stage.resources
        devices, self._devices = self._devices[: claim.gpu], self._devices[claim.gpu :]
        self._holding[name] = devices
        known = row.estimate_s
        if (self._seconds.get(row.component, BRIEF_S) if known is None else known) >= BRIEF_S:
            # What is done is not kept waiting by what may take long.
            self._store.group.flush()
        if prepared.tries == 1:
            self._emit(StageStarted(stage=name, action=row.action, reason=row.reason))
        if self._place and row.fingerprint:
            # Another process makes it; no `gc` may remove it before this one has read of it.
            self._store.pins.add([row.fingerprint])
        work = StageWork(
            name=name,
            configured=prepared.stage.stage,
            effective=prepared.effective,
            inputs=prepared.inputs,
            run=self._run,
            seed=self._spec.seed,
            project=self._planner.project,
            force=name in self._forced,
            fresh=name in self._forced and bool(self._spec.run.get("no_cache")),
            tries=prepared.tries,
            patience_s=patience_of(self._spec),
            devices=tuple(devices),
            place=self._place,
        )
        self._executor.start(
            Task(
                name=name,
                payload=work.to_json(),
                timeout_s=prepared.stage.timeout_s,
                log=log_file(self._store.root, self._run, name) if self._place else None,
                preload=modules_of(prepared.effective, self._planner.index),
            )
        )

    def _wait(self) -> None:
        now = time.monotonic()
        # What is due and waits for resources starts when something ends.
        pauses = [p.due - now for p in self._candidates.values() if p.due > now]
        for told in self._executor.wait(min([POLL_S, *pauses])):
            if isinstance(told, Told):
                self._emit(event_from_json(told.event))
            else:
                self._ended(told)

    def _ended(self, ended: Ended) -> None:
        prepared = self._landed(ended.name)
        self._observe(prepared, ended)
        try:
            if ended.answer is None:
                raise failure_of(ended)
            answer = StageAnswer.from_json(ended.answer)
            if self._place:
                self._store.hold(answer.outputs.values(), answer.fingerprint)
            same = answer.action == "reuse"
            self._succeeded(ended.name, "unchanged" if same else prepared.row.reason, answer)
        except AidnError as error:
            if not self._again(prepared, error):
                self._failed(prepared.stage, error, ended.seconds, prepared.row.reason)
        finally:
            if ended.name not in self._candidates:
                self._front.settle(ended.name)

    def _landed(self, name: str) -> Prepared:
        self._devices += self._holding.pop(name, [])
        return self._flying.pop(name)

    def _again(self, prepared: Prepared, error: AidnError) -> bool:
        retries, tries = prepared.stage.retries, prepared.tries
        pause = None if self._ending else pause_before_retry(retries, tries, error)
        if pause is None:
            return False
        name = prepared.stage.name
        self._candidates[name] = replace(
            prepared, tries=tries + 1, due=time.monotonic() + pause, failed=error
        )
        self._emit(
            StageRetried(
                stage=name, tries=tries, most=retries.times + 1, problem=error.problem, wait_s=pause
            )
        )
        return True

    def _observe(self, prepared: Prepared, ended: Ended) -> None:
        found = {
            "tries": prepared.tries if prepared.tries > 1 else None,
            "peak_memory": ended.peak_memory,
            "exit_code": ended.exit_code or None,
            "log": self._place_of(ended.log),
        }
        if kept := {key: value for key, value in found.items() if value is not None}:
            self.observed[ended.name] = kept

    def _place_of(self, log: Path | None) -> str | None:
        """Within the store, which may be moved."""
        root = self._store.root
        if log is None or not log.is_relative_to(root):
            return None if log is None else str(log)
        return log.relative_to(root).as_posix()

    def _succeeded(self, name: str, reason: str, answer: StageAnswer) -> None:
        self.results[name] = StageResult(
            action=answer.action,
            reason=reason,
            status="done",
            fingerprint=answer.fingerprint,
            seconds=round(answer.seconds, 3),
            outputs=answer.outputs,
        )
        self._outputs[name] = answer.outputs
        if answer.action != "reuse":
            self._seconds[self._spec.stages[name].stage["use"]] = answer.seconds
            self._unsure.add(name)
            self._store.group.then(partial(self._unsure.discard, name))
        self._emit(StageFinished(stage=name, action=answer.action, seconds=answer.seconds))

    def forget_lost(self) -> None:
        """Takes back what could not be made durable; call it when nothing waits any more."""
        if self._unsure:
            self.error = self.error or StoreError(
                f"what came of {', '.join(sorted(self._unsure))} could not be kept",
                where=str(self._store.root),
                remedy="run the same command again",
            )
        for name in self._unsure:
            lost = self.results[name]
            self.results[name] = replace(lost, status="failed", fingerprint=None, outputs={})

    def _failed(self, stage: StageSpec, error: AidnError, seconds: float, reason: str = "") -> None:
        name = stage.name
        if stage.on_failure == "continue" and not isinstance(error, ENDING):
            self._spared[name] = error
            self.late = self.late or (None if stage.cell else error)
        else:
            self._stop_for(error)
        status = "gate_not_met" if isinstance(error, GateNotMet) else "failed"
        if isinstance(error, Interrupted):
            status = "interrupted"
        self.results[name] = StageResult(
            action="run", reason=reason, status=status, seconds=round(seconds, 3)
        )
        self._emit(StageFinished(stage=name, action="run", seconds=seconds, problem=error.problem))
        if name in self._spared:
            text = f"{name} failed, the run goes on without it: {error.problem}"
            self._emit(Notice(text=text, level="warning"))

    def _skipped(self, stage: StageSpec, missing: Sequence[str], reason: str) -> None:
        self.results[stage.name] = StageResult(action="skip", reason=reason, status="skipped")
        self._emit(StageFinished(stage=stage.name, action="skip", seconds=0.0, problem=reason))
        spared = [self._spared[name] for name in missing if name in self._spared]
        if spared and stage.cell and len(spared) == len(missing):
            self._spared[stage.name] = spared[0]
        elif spared:
            # Nothing is left to gather, or this very cell was wanted: it was not to be spared.
            self.late = self.late or spared[0]

    def _break_off(self, error: AidnError) -> None:
        """Ends everything at once: a second signal, the end of the grace, a broken executor."""
        self._stop_for(error)
        self._executor.kill()
        for name in list(self._flying):
            prepared = self._landed(name)
            self._front.settle(name)
            self._failed(prepared.stage, error, 0.0, prepared.row.reason)

    def _stop_for(self, error: AidnError) -> None:
        # What does not need a gate goes on, and may fail itself.
        if self.error is None or (not self._halted and not isinstance(error, GateNotMet)):
            self.error = error

    def _gathering(self, stage: StageSpec) -> StageSpec:
        """The stage without references to spared cells among those it gathers, if some are left."""
        inputs = {
            port: tuple(r for r in refs if r.cell is None or r.stage not in self._spared) or refs
            for port, refs in stage.inputs.items()
        }
        return replace(stage, inputs=inputs)

    def _known_needs(self, stage: StageSpec) -> list[str]:
        return [n for n in dict.fromkeys(needs(stage)) if n in self._spec.stages]

    def _done(self, name: str) -> bool:
        return name in self.results and self.results[name].status == "done"


def patience_of(spec: PipelineSpec) -> float | None:
    """Seconds that `run.wait` of a pipeline lets others be waited for; None for no limit."""
    wait = spec.run.get("wait", True)
    return (None if wait else 0.0) if isinstance(wait, bool) else float(wait)


def _reused(record: StageRecord) -> StageAnswer:
    return StageAnswer(
        action="reuse", fingerprint=record.fingerprint, outputs=record.outputs, seconds=0.0
    )
