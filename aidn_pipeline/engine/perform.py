"""One piece of work: reuse it, or lock it, run or resume it, and commit it as one record."""

import inspect
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_args

from aidn_pipeline.core.artifact import KINDS, Artifact
from aidn_pipeline.core.component import Factory
from aidn_pipeline.core.describe import build, load_target
from aidn_pipeline.core.events import Action, Event, StageWaiting
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.core.stage import Description, Job, Predecessor, Stage
from aidn_pipeline.engine.context import Context, SegmentPoints, seal_points
from aidn_pipeline.engine.fingerprint import Identity, Inputs, identify
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.errors import (
    AidnError,
    Busy,
    FoundBeforeStart,
    Interrupted,
    StageFailed,
    StoreError,
)
from aidn_pipeline.store.store import Store
from aidn_pipeline.store.work import Work

POLL_S = 0.05
"""Seconds between two looks whether another process is done."""
UNKNOWN = "another process, which does not say who it is"
UNSAID_S = 0.5
"""Seconds after which a process that holds a lock has said so, if it ever does."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a piece of work came to be done."""

    action: Action
    record: StageRecord
    seconds: float


class Performer:
    """Does pieces of work for one run. Nested ones, such as trials, are done in the same way."""

    def __init__(
        self,
        *,
        store: Store,
        index: Index,
        project: Path,
        run: str,
        seed: int,
        stop: StopFlag,
        emit: Callable[[Event], None],
        patience_s: float | None = None,
        fresh: bool = False,
    ) -> None:
        """Prepares for the work of one run.

        Args:
            store: where results are kept.
            index: the components.
            project: the root that relative paths are against.
            run: its id.
            seed: of the pipeline.
            stop: asks for an end.
            emit: told what happens.
            patience_s: how long another process that does the same work is waited for; None for as
                long as it takes.
            fresh: nothing that an earlier run made is reused or continued.
        """
        self._patience_s = patience_s
        self._fresh = fresh
        self._begun = set[str]()
        """Families that were worked on."""
        self._reused: dict[str, dict[str, None]] = {}
        """Nested work that another run did, by the stage whose it is."""
        self._store = store
        self._index = index
        self._project = project
        self._run = run
        self._seed = seed
        self._stop = stop
        self._emit = emit

    def perform(
        self,
        name: str,
        configured: Description,
        effective: Description,
        inputs: Inputs,
        *,
        force: bool = False,
        parent: str = "",
        tries: int = 1,
    ) -> Done:
        """Reuses, resumes or runs one stage.

        Args:
            name: of the stage, for messages and the record.
            configured: its description as the recipe says it.
            effective: the same with params written into it.
            inputs: artifacts by port.
            force: run it although a result exists.
            parent: the stage whose nested work it is.
            tries: how many times it has been tried in this run, this time included.

        Raises:
            StageFailed: if the stage raised anything that is not ours.
            AidnError: what the stage or the store says.
        """
        started = time.monotonic()
        given = (self._index, configured, effective, inputs)
        identified = partial(identify, *given, seed=self._seed, project=self._project)
        identity = identified()
        if not force and (record := self._reusable(identity)):
            return Done("reuse", record, 0.0)
        lock = self._lock(name, identity)
        try:
            if not force and (record := self._reusable(identity)):
                return Done("reuse", record, time.monotonic() - started)
            _still(identity, identified, name)
            anew = self._fresh and identity.family not in self._begun
            work = self._open_work(identity, force=(force or anew) and tries == 1)
            self._begun.add(identity.family)
            before = None if force else self._continued(identity)
            action: Action = "resume" if work.progress or before else "run"
            work.begin(identity.fingerprint, self._run)
            try:
                outputs, observed = self._run_stage(name, effective, inputs, work, before)
                _still(identity, identified, name)
            except (StoreError, Interrupted):
                raise
            except AidnError:
                if not work.progress:
                    self._store.scratch.discard(work.folder)
                raise
            # What other runs did for it stays as long as this one does.
            if earlier := sorted(work.runs - {self._run}):
                observed["continues"] = earlier
            if reused := self._reused.pop(name, None):
                observed["reused"] = [*reused]
            if parent:
                observed["parent"] = parent
            if tries > 1:
                observed["tries"] = tries
            observed["seconds"] = round(time.monotonic() - started, 3)
            record = self._commit(name, identity, outputs, work, observed)
            return Done(action, record, time.monotonic() - started)
        finally:
            self._store.group.release(lock)

    def _reusable(self, identity: Identity) -> StageRecord | None:
        record = reusable(self._store, identity.fingerprint)
        earlier = record is not None and record.observed.get("run") != self._run
        return None if self._fresh and earlier else record

    def _continued(self, identity: Identity) -> Predecessor | None:
        run = self._run if self._fresh else ""
        while before := predecessor(self._store, identity, run=run):
            # A `gc` may have been faster; then the next longest is tried.
            if self._store.hold(before.outputs.values()):
                return before
        return None

    def _lock(self, name: str, identity: Identity) -> int:
        work = identity.family.removeprefix("b3:")
        take = partial(self._store.locks.acquire, f"work/{work}", wait=False)
        lock = take()
        if lock is None:
            # It may be held for work of this very run that waits to be durable.
            self._store.group.flush()
            lock = take()
        if lock is None:
            lock = self._wait_for(take, name, work)
        try:
            self._store.holders.say(work, self._run)
        except BaseException:
            self._store.locks.release(lock)
            raise
        return lock

    def _wait_for(self, take: Callable[[], int | None], name: str, work: str) -> int:
        started, told = time.monotonic(), False
        while (lock := take()) is None:
            self._stop.check()
            waited = time.monotonic() - started
            holder = self._store.holders.of(work)
            # It says so right after it took the lock.
            known = str(holder) if holder else UNKNOWN if waited > UNSAID_S else ""
            if known and self._patience_s is not None and waited >= self._patience_s:
                raise busy(name, known, self._patience_s)
            if known and not told:
                told = True
                self._emit(StageWaiting(stage=name, holder=known))
            time.sleep(POLL_S)
        return lock

    def _open_work(self, identity: Identity, *, force: bool = False) -> Work:
        family = identity.family.removeprefix("b3:")
        work = self._store.work(family)
        if force and work.folder.exists():
            self._store.scratch.discard(work.folder)
            work = self._store.work(family)
        return work

    def _run_stage(
        self,
        name: str,
        description: Description,
        inputs: Inputs,
        work: Work,
        before: Predecessor | None,
    ) -> tuple[Mapping[str, Artifact], dict[str, Any]]:
        points = SegmentPoints(self._store, work, self._run)
        seed = description.get("seed")
        context = Context(
            name=name,
            store=self._store,
            index=self._index,
            work=work,
            points=points,
            project=self._project,
            seed=seed if isinstance(seed, int) else self._seed,
            predecessor=before,
            stop=self._stop,
            emit=self._emit,
            run_jobs=partial(self._run_jobs, name),
        )
        spec = self._index.find("stage", description["use"])
        try:
            outputs = call_stage(self._index, spec, description, inputs, context)
        except FoundBeforeStart as error:
            raise StageFailed(error.problem, where=error.where, remedy=error.remedy) from error
        except AidnError:
            raise
        except SystemExit as error:
            raise StageFailed(
                f"stage {name!r} exits with code {error.code}",
                where=f"stages.{name} ({spec.module}:{spec.attribute})",
                remedy="a stage returns its outputs or raises; it does not exit",
            ) from error
        except Exception as error:
            raise StageFailed(
                f"stage {name!r} failed: {type(error).__name__}: {error}",
                where=f"stages.{name} ({spec.module}:{spec.attribute})",
                remedy="fix the cause and run the same command again; finished stages are reused",
            ) from error
        finally:
            points.close()
        return outputs, {"points": seal_points(self._store, work), "attempt": work.attempt}

    def _run_jobs(self, parent: str, jobs: Sequence[Job]) -> Iterator[Mapping[str, Artifact]]:
        for job in jobs:
            self._stop.check()
            done = self.perform(job.label, job.stage, job.stage, job.inputs, parent=parent)
            if done.record.observed.get("run") != self._run:
                self._reused.setdefault(parent, {})[done.record.fingerprint] = None
            yield done.record.outputs

    def _commit(
        self,
        name: str,
        identity: Identity,
        outputs: Mapping[str, Artifact],
        work: Work,
        observed: dict[str, Any],
    ) -> StageRecord:
        record = StageRecord(
            fingerprint=identity.fingerprint,
            family=identity.family,
            base=identity.base,
            component=str(identity.hashed["component"]),
            hashed=identity.hashed,
            extends=identity.extends,
            outputs=outputs,
            observed={
                **observed,
                "stage": name,
                "run": self._run,
                "started": time.time(),
                "host": socket.gethostname(),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "pid": os.getpid(),
            },
        )
        self._store.group.commit(record)
        self._store.group.then(partial(self._store.scratch.discard, work.folder))
        return record


def busy(name: str, holder: str, waited_s: float) -> Busy:
    """The error for a stage that somebody else works on."""
    after = f" for more than {waited_s:g} s" if waited_s else ""
    return Busy(
        f"the work of stage {name!r} is being done{after} by {holder}",
        where=f"stages.{name}",
        remedy="wait for it with `run.wait=true`, or end that process: its lock goes with it",
    )


def reusable(store: Store, fingerprint: str) -> StageRecord | None:
    """The committed record, if its outputs are present with their sizes; they stay so."""
    record = store.records.stage(fingerprint)
    if record and record.is_withdrawn:
        return None
    held = record and store.hold(record.outputs.values(), fingerprint)
    return record if held else None


def _still(identity: Identity, identified: Callable[[], Identity], name: str) -> None:
    # A file outside the store may change while it is waited for or read: what was made of it must
    # not be kept under the fingerprint of its earlier bytes. Nothing else can change meanwhile.
    named = identity.hashed["files"]
    if named and identified().fingerprint != identity.fingerprint:
        raise StageFailed(
            f"a file that stage {name!r} reads changed while it ran",
            where=", ".join(named),
            remedy="run the same command again",
        )


def predecessor(store: Store, identity: Identity, *, run: str = "") -> Predecessor | None:
    """The longest shorter result of the same family whose outputs are present; of a run, if any."""
    if not identity.extends:
        return None
    shorter = [
        record
        for record in store.records.stages_of_family(identity.family)
        if record.fingerprint != identity.fingerprint
        and run in ("", record.observed.get("run"))
        and not record.is_withdrawn
        and record.extends.keys() == identity.extends.keys()
        and all(record.extends[path] <= value for path, value in identity.extends.items())
        and all(map(store.has, record.outputs.values()))
    ]
    if not shorter:
        return None
    longest = max(
        shorter, key=lambda record: [record.extends[path] for path in sorted(record.extends)]
    )
    return Predecessor(longest.extends, longest.outputs)


def call_stage(
    index: Index, spec: ComponentSpec, description: Description, inputs: Inputs, context: Context
) -> Mapping[str, Artifact]:
    """Builds the stage and runs it; returns its artifacts by port.

    Raises:
        StageFailed: if it gave something else than its ports promise.
    """
    component = build(index, "stage", description)
    many = {port.name for port in spec.inputs if port.many}
    handed_over = {
        port: (found,) if port in many and not isinstance(found, tuple) else found
        for port, found in inputs.items()
    }
    if isinstance(component, Stage):
        ports = _inputs_class(load_target(spec))
        answer = component.run(ports(**handed_over), context)
    elif isinstance(component, Factory):
        handed = {"ctx": context} if _takes_context(component.target) else {}
        answer = component.target(**handed_over, **handed, **component.arguments)
    else:
        raise StageFailed(f"{spec.key} is neither a Stage nor a function", where=spec.module)
    return _outputs(spec, answer)


@lru_cache
def _takes_context(stage: Callable[..., Any]) -> bool:
    return "ctx" in inspect.signature(stage).parameters


def _inputs_class(stage: type) -> Any:
    for base in getattr(stage, "__orig_bases__", ()):
        arguments = get_args(base)
        if arguments:
            return arguments[0]
    raise StageFailed(f"{stage.__name__} must derive from Stage[In, Out]", where=stage.__module__)


def _outputs(spec: ComponentSpec, answer: Any) -> Mapping[str, Artifact]:
    if isinstance(answer, Artifact):
        found: dict[str, Any] = {answer.kind: answer}
    elif is_dataclass(answer):
        found = {f.name: getattr(answer, f.name) for f in fields(answer)}
    else:
        found = {}
    outputs = {}
    for port in spec.outputs:
        artifact = found.get(port.name)
        if artifact is None and port.optional:
            continue
        if not isinstance(artifact, KINDS[port.kind]):
            raise StageFailed(
                f"{spec.key} promised a {port.kind} on its port {port.name!r} and gave "
                f"{type(artifact).__name__}",
                where=f"{spec.module}:{spec.attribute}",
                remedy=f"return what ctx.save({KINDS[port.kind].__name__}, ...) gave",
            )
        outputs[port.name] = artifact
    return outputs
