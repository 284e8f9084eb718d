"""The work of a stage as a task: JSON in, JSON out, in whatever process it is done."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from aidn_pipeline.core.artifact import Artifact, artifact_from_json
from aidn_pipeline.core.events import Event
from aidn_pipeline.core.fingerprint import canonical_json, digest_bytes
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.core.stage import Description
from aidn_pipeline.engine.budget import VISIBLE
from aidn_pipeline.engine.fingerprint import Inputs, components
from aidn_pipeline.engine.perform import Performer
from aidn_pipeline.engine.sources import Imported, refuse_changed, sources_of
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.errors import StageDied
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.store import Store

OURS = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Opened:
    """A store and an index that are open in this process.

    Attributes:
        imported: the project's code in this process, where it is there for more than one stage.
    """

    store: Store
    index: Index
    imported: Imported | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """What has to be known of a stage to do its work.

    Attributes:
        name: of the stage in the run.
        configured: its description as the recipe says it.
        effective: the same with params written into it.
        inputs: artifacts by port.
        run: id of the run.
        seed: of the pipeline.
        project: the project's root.
        force: run it although a result exists.
        fresh: reuse nothing inside it either that an earlier run made, such as trials.
        tries: how many times it has been tried in this run, this time included.
        patience_s: how long another process that does the same work is waited for; None for as
            long as it takes.
        devices: names of the GPUs that it has for itself, for CUDA_VISIBLE_DEVICES; none leaves
            those that the run sees.
        place: of the store and the index, as `place_of` gives it; empty where they are open.
    """

    name: str
    configured: Description
    effective: Description
    inputs: Inputs
    run: str
    seed: int
    project: Path
    force: bool = False
    fresh: bool = False
    tries: int = 1
    patience_s: float | None = None
    devices: tuple[str, ...] = ()
    place: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The payload of its task."""
        value = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            **value,
            "project": str(self.project),
            "devices": list(self.devices),
            "inputs": {
                port: [a.to_json() for a in found] if isinstance(found, tuple) else found.to_json()
                for port, found in self.inputs.items()
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StageWork":
        """The inverse of `to_json`."""
        inputs: dict[str, Artifact | tuple[Artifact, ...]] = {
            port: tuple(map(artifact_from_json, found))
            if isinstance(found, list)
            else artifact_from_json(found)
            for port, found in value["inputs"].items()
        }
        return cls(
            **{
                **value,
                "project": Path(value["project"]),
                "inputs": inputs,
                "devices": tuple(value["devices"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAnswer:
    """What came of it: the record itself is in the store.

    Attributes:
        action: `reuse`, `resume` or `run`.
        fingerprint: of the record.
        outputs: artifacts by port.
        seconds: that it took.
    """

    action: Any
    fingerprint: str
    outputs: Mapping[str, Artifact]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The answer of its task."""
        return {
            "action": self.action,
            "fingerprint": self.fingerprint,
            "outputs": {port: artifact.to_json() for port, artifact in self.outputs.items()},
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StageAnswer":
        """The inverse of `to_json`.

        Raises:
            StageDied: if it is no such answer: a stage can write into every pipe it has.
        """
        try:
            outputs = {port: artifact_from_json(a) for port, a in value["outputs"].items()}
            return cls(**{**value, "outputs": outputs})
        except (KeyError, TypeError, AttributeError, AssertionError) as error:
            raise StageDied(
                f"the process of the stage gave an answer that is none: {error}",
                remedy="a stage returns its outputs and leaves descriptors that are not its own",
            ) from error


def perform_task(
    payload: Mapping[str, Any],
    emit: Callable[[Event], None],
    stop: StopFlag,
    opened: Opened | None = None,
) -> dict[str, Any]:
    """Reuses, resumes or runs one stage, with its own lock and its own commit.

    Args:
        payload: as `StageWork.to_json` writes it.
        emit: told what happens inside, in the name of this stage.
        stop: asks for an end.
        opened: the store and the index, where they are open in this process.

    Raises:
        AidnError: as in `aidn_pipeline.engine.perform.Performer.perform`.
    """
    work = StageWork.from_json(payload)
    if opened is not None:
        if opened.imported is not None:
            opened.imported.bring(work.name, work.effective)
        return _perform(work, emit, stop, opened).to_json()
    place = work.place
    index = prepare(place)
    refuse_changed(place["sources"], work.name, work.effective, index, work.project)
    if work.devices:
        # This process has not used a device yet: what is imported here reads it before it does.
        os.environ[VISIBLE] = ",".join(work.devices)
    with Store.open(Path(place["store"]), durability=place["durability"]) as store:
        return _perform(work, emit, stop, Opened(store, index)).to_json()


def _perform(
    work: StageWork, emit: Callable[[Event], None], stop: StopFlag, opened: Opened
) -> StageAnswer:
    def tell(event: Event) -> None:
        # What nested work tells, such as a trial, is told of the stage that does it.
        emit(event if event.stage == work.name else replace(event, stage=work.name))

    performer = Performer(
        store=opened.store,
        index=opened.index,
        project=work.project,
        run=work.run,
        seed=work.seed,
        stop=stop,
        emit=tell,
        patience_s=work.patience_s,
        fresh=work.fresh,
    )
    done = performer.perform(
        work.name,
        work.configured,
        work.effective,
        work.inputs,
        force=work.force,
        tries=work.tries,
    )
    record = done.record
    return StageAnswer(
        action=done.action,
        fingerprint=record.fingerprint,
        outputs=record.outputs,
        seconds=done.seconds,
    )


def place_of(store: Store, index: Index, project: Path) -> dict[str, Any]:
    """Where another process finds the store, the index and the modules of this one.

    The project's code is noted as it is now: another one is refused later.

    The index is written to this process's temporary folder, and goes with it.

    Raises:
        StorageFull: if there is no space for it.
    """
    text = canonical_json([spec.to_json() for spec in index])
    path = store.scratch.folder / f"index-{digest_bytes(text)[3:19]}.json"
    with typed(path, "writing the index"):
        path.write_bytes(text)
    return {
        "store": str(store.root.resolve()),
        "durability": "full" if store.disk.durable else "process",
        "index": str(path),
        "paths": sys.path,
        "sources": sources_of(index, project),
    }


def modules_of(stage: Description, index: Index) -> tuple[str, ...]:
    """Modules of ours that a stage imports, which are the same in every process of this release.

    A project's own modules are not among them: what they do when they are imported, such as to
    start a thread, would be done ahead of every stage's process.
    """
    spec = index.find("stage", stage["use"])
    found = {inner.module for _, inner, _, _ in components(index, spec, stage)}
    return tuple(sorted(name for name in found if name.partition(".")[0] == OURS))


def prepare(place: Mapping[str, Any]) -> Index:
    """Makes this process ready for tasks of a place: its import paths, and its index, read once.

    Args:
        place: as `place_of` gives it.
    """
    # An edit within the second would be taken for what is compiled here.
    sys.dont_write_bytecode = True
    sys.path[:] = place["paths"]
    return _read_index(str(place["index"]))


@lru_cache(maxsize=2)
def _read_index(path: str) -> Index:
    return Index(ComponentSpec.from_json(spec) for spec in json.loads(Path(path).read_bytes()))
