"""Accepting: the user declares that a change makes no difference, and a result stands for it.

Nothing is run: the result is recorded under the new fingerprint as well, with who, when and why.
"""

import getpass
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from aidn_pipeline.config.project import Project
from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.fingerprint import Identity
from aidn_pipeline.engine.perform import UNKNOWN, busy
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.explaining import (
    Explanation,
    cells_of,
    explained,
    in_words,
    parts_of,
)
from aidn_pipeline.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A stage whose result was accepted, or whose acceptance was withdrawn.

    Attributes:
        stage: its name.
        fingerprint: of the work that the result stands for.
        of: of the work that gave it.
        changes: what is declared to make no difference, in words.
        reason: why.
        by: who said so.
    """

    stage: str
    fingerprint: str
    of: str
    changes: tuple[str, ...]
    reason: str
    by: str

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "stage": self.stage,
            "fingerprint": self.fingerprint,
            "of": self.of,
            "changes": list(self.changes),
            "reason": self.reason,
            "by": self.by,
        }


def accept(
    spec: PipelineSpec,
    store: Store,
    index: Index,
    project: Project,
    stages: Sequence[str],
    *,
    reason: str,
) -> list[Accepted]:
    """Records the last results of stages under their new fingerprints: of all or of none.

    Args:
        spec: what would be run.
        store: what has been done.
        index: the components.
        project: where paths in fields are against.
        stages: their names; of a matrix that of a cell, or of all of them.
        reason: why the change makes no difference.

    Raises:
        UsageError: if there is nothing to accept, or it must not be: an input has other bytes, an
            output is missing, the stage was never run or has effects elsewhere.
        CorruptObject: if an output is damaged.
        Busy: if a live process is doing the work.
    """
    names = [name for stage in stages for name in cells_of(spec, stage)]
    waiting: list[Explanation] = []
    standing: dict[str, Mapping[str, Artifact]] = {}
    for one in explained(spec, store, index, project, names, standing):
        if one.row.action != "reuse":
            standing[one.row.name] = _fitting(one, store, index, stages).outputs
            waiting.append(one)
    if not waiting:
        raise UsageError(
            f"{', '.join(stages)} would be reused: there is nothing to accept",
            where=", ".join(f"stages.{stage}" for stage in stages),
            remedy=f"`aidn-run why {stages[0]}` says what the next run would do",
        )
    given = {"reason": reason, "by": whoami(), "at": time.time()}
    with ExitStack() as locks:
        held = set[str]()
        for one in waiting:
            _lock(one, store, locks, held)
        accepted = [_record(one, store, given) for one in waiting]
        # One group of lines: all of them or none, whatever ends this process.
        store.records.flush()
    return accepted


def is_acceptable(one: Explanation, store: Store, index: Index) -> bool:
    """Whether the last result of a stage may stand for it as it is now, if the user says so."""
    try:
        _fitting(one, store, index, ())
    except UsageError:
        return False
    return one.row.action != "reuse"


def _fitting(one: Explanation, store: Store, index: Index, stages: Sequence[str]) -> StageRecord:
    """The last result, if it may stand for the stage as it is now."""
    name, before = one.row.name, one.before
    if one.row.action == "skip":
        raise _refused(name, f"it is skipped: {one.row.reason}", "accept a stage that would run")
    if index.find("stage", one.row.component).effects == "external":
        raise _refused(
            name,
            "what it does is checked in every run, and never done twice",
            "run the recipe: it does no more than what is new",
        )
    if before is None or before.component != f"stage/{one.row.component}":
        raise _refused(name, "it has no earlier result of this recipe", "run it")
    if one.identity is None:
        pending = [upstream.reference.rpartition(".")[0] for upstream in one.pending]
        names = " ".join(dict.fromkeys([*pending, *stages]))
        raise _refused(
            name,
            f"what it needs would run: {', '.join(dict.fromkeys(pending))}",
            f"run the recipe, or accept them together: `aidn-run accept {names} --reason TEXT`",
        )
    if one.record is not None and not one.record.is_withdrawn:
        raise _refused(name, f"{one.row.reason}: it has a result of its own", "run it")
    further = [d for d in one.differences if d.kind == "config" and d.name in one.identity.extends]
    if further:
        raise _refused(
            name,
            f"it goes another way: {', '.join(map(str, further))}",
            "run it: a longer run goes on from the last result",
        )
    if told := list(_other_bytes(one, store, index)):
        raise _refused(
            name,
            f"not only code and configuration changed: {'; '.join(told)}",
            "run it: other inputs give another result",
        )
    return before


def _other_bytes(one: Explanation, store: Store, index: Index) -> Iterator[str]:
    """Inputs and files that are not those that the last result was made from."""
    for found in one.differences:
        if found.kind in ("input", "file"):
            yield str(found)
    component = index.find("stage", one.row.component)
    for port in component.inputs:
        if port.into and port.name in one.params:
            chosen = {f"{port.into}.{path}" for path in store.read_json(one.params[port.name])}
            for found in one.differences:
                if found.kind == "config" and found.name in chosen:
                    yield f"input {port.name}: {found}"


def _refused(stage: str, problem: str, remedy: str) -> UsageError:
    return UsageError(
        f"the last result of {stage} cannot be accepted: {problem}",
        where=f"stages.{stage}",
        remedy=remedy,
    )


def _lock(one: Explanation, store: Store, locks: ExitStack, held: set[str]) -> None:
    """Keeps others from doing the work meanwhile, and gc from taking the result away."""
    identity, before = _sure(one)
    work = identity.family.removeprefix("b3:")
    if work not in held:
        lock = store.locks.acquire(f"work/{work}", wait=False)
        if lock is None:
            raise busy(one.row.name, str(store.holders.of(work) or UNKNOWN), 0)
        locks.callback(store.locks.release, lock)
        held.add(work)
    if not store.hold(before.outputs.values(), before.fingerprint):
        gone = [port for port, artifact in before.outputs.items() if not store.has(artifact)]
        raise _refused(
            one.row.name, f"{', '.join(gone)} of it is missing from the store", "run the stage"
        )
    for artifact in before.outputs.values():
        store.files(artifact)


def _sure(one: Explanation) -> tuple[Identity, StageRecord]:
    assert one.identity is not None
    assert one.before is not None
    return one.identity, one.before


def _record(one: Explanation, store: Store, given: Mapping[str, Any]) -> Accepted:
    identity, before = _sure(one)
    parts = parts_of(one.differences)
    changes = [in_words(difference, parts) for difference in one.differences]
    of = before.accepted["of"] if before.accepted else before.fingerprint
    record = StageRecord(
        fingerprint=identity.fingerprint,
        family=identity.family,
        base=identity.base,
        component=before.component,
        hashed=identity.hashed,
        extends=identity.extends,
        outputs=before.outputs,
        observed={**before.observed, "accepted": {"of": of, "changes": changes, **given}},
    )
    store.records.add("stage", record.fingerprint, record.to_json())
    return _told(one.row.name, record)


def _told(stage: str, record: StageRecord) -> Accepted:
    said = record.accepted or {}
    return Accepted(
        stage=stage,
        fingerprint=record.fingerprint,
        of=said["of"],
        changes=tuple(said["changes"]),
        reason=said["reason"],
        by=said["by"],
    )


def withdraw(
    spec: PipelineSpec, store: Store, index: Index, project: Project, stages: Sequence[str]
) -> list[Accepted]:
    """Takes acceptances back: the stages run again, and the history stays.

    Raises:
        UsageError: if the result that the next run would reuse was not accepted.
    """
    names = [name for stage in stages for name in cells_of(spec, stage)]
    taken = []
    for one in list(explained(spec, store, index, project, names)):
        record = one.record
        if record is None or not record.accepted or record.is_withdrawn:
            continue
        said = {**record.accepted, "withdrawn": {"by": whoami(), "at": time.time()}}
        record = replace(record, observed={**record.observed, "accepted": said})
        store.records.add("stage", record.fingerprint, record.to_json())
        taken.append(_told(one.row.name, record))
    if not taken:
        raise UsageError(
            f"nothing is accepted for {', '.join(stages)} as configured now",
            where=", ".join(f"stages.{stage}" for stage in stages),
            remedy=f"`aidn-run why {stages[0]}` says what the next run would do",
        )
    store.records.flush()
    return taken


def whoami() -> str:
    """Who does something, for a record: `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # Of a user who has no name, as in a container, the number is known.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
