"""One stage performed as a run performs it: locked, resumed, committed, over a store of its own."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Event
from aidn_pipeline.core.stage import Description
from aidn_pipeline.engine.fingerprint import Inputs
from aidn_pipeline.engine.perform import Done, Performer
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.context import Bench
from aidn_pipeline.testing.subject import Subject

STORE = ".aidn"
NAME = "tested"
"""Of the stage, in its own messages."""


@dataclass(frozen=True, slots=True)
class Place:
    """A project with a store that holds a stage's inputs.

    Attributes:
        folder: the project's root.
        inputs: artifacts by port.
    """

    folder: Path
    inputs: Inputs

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.folder / STORE

    def copy(self, folder: Path) -> "Place":
        """The same in another folder, which must not be there yet."""
        shutil.copytree(self.folder, folder)
        return Place(folder, self.inputs)

    def open(self, disk: Disk | None = None) -> Store:
        """The store."""
        return Store.open(self.store, durability="process", disk=disk)

    def left_over(self) -> list[str]:
        """What only a live or an interrupted piece of work has in a store."""
        parts = [self.store / part for part in ("work", "tmp", "quarantine")]
        return sorted(str(p.relative_to(self.store)) for part in parts for p in part.glob("*"))


def prepare_place(
    subject: Subject,
    project: Callable[[Path], None],
    inputs: Callable[[Bench], Inputs],
) -> Place:
    """A place that can be copied; it goes when this process ends.

    Args:
        subject: the stage.
        project: writes the project's files.
        inputs: makes the stage's inputs.
    """
    folder = Path(tempfile.mkdtemp(prefix="aidn-suite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = folder / "project"
    root.mkdir()
    project(root)
    with Bench(root, subject.index) as bench:
        made = dict(inputs(bench))
        bench.forget_work()
    return Place(root, made)


def perform(
    subject: Subject,
    place: Place,
    *,
    description: Description | None = None,
    disk: Disk | None = None,
    stop: StopFlag | None = None,
    tell: Callable[[Event], None] = lambda _: None,
    seed: int = 0,
) -> Done:
    """Reuses, resumes or runs the stage.

    Args:
        subject: the stage.
        place: where.
        description: another one than the subject's.
        disk: of the store.
        stop: asks for an end.
        tell: called with every event.
        seed: the pipeline's.

    Raises:
        AidnError: as in `aidn_pipeline.engine.perform.Performer.perform`.
    """
    effective = description or subject.description
    with place.open(disk) as store:
        store.recover()
        performer = Performer(
            store=store,
            index=subject.index,
            project=place.folder,
            run="conformance",
            seed=seed,
            stop=stop or StopFlag(),
            emit=tell,
        )
        return performer.perform(NAME, effective, effective, place.inputs)


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage gave: the ids of its files, by port and name."""

    files: Mapping[str, str]

    @classmethod
    def of(cls, place: Place, outputs: Mapping[str, Artifact]) -> "Result":
        """The result with these outputs; files that are not there have no id."""
        with place.open() as store:
            found: dict[str, str] = {}
            for port, artifact in outputs.items():
                refs = store.refs(artifact) if store.has(artifact) else {"": artifact}
                found |= {f"{port}/{n}" if n else port: ref.digest for n, ref in refs.items()}
            return cls(found)

    def differing(self, other: "Result") -> list[str]:
        """Ports, and files in them, that differ."""
        names = sorted({*self.files, *other.files})
        return [n for n in names if self.files.get(n) != other.files.get(n)]
