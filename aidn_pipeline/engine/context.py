"""The `StageContext` of a running stage: services over the store, for one piece of work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from aidn_pipeline.core.artifact import Artifact, Dataset
from aidn_pipeline.core.describe import build
from aidn_pipeline.core.events import Event
from aidn_pipeline.core.fingerprint import JSON, canonical_json, derive_seed
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.stage import A, Checkpoints, Content, FileRef, Job, Journal, Predecessor
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.store import Store
from aidn_pipeline.store.work import Work
from aidn_pipeline.tracking.segment import SegmentWriter

FOLDERS = frozenset({"dataset", "checkpoint", "model", "bundle", "folder"})
"""Kinds whose artifacts are folders."""


class SegmentPoints:
    """Metric points in a segment of this attempt, opened by the first one."""

    def __init__(self, store: Store, work: Work, run: str) -> None:
        self._store = store
        self._work = work
        self._run = run
        self._writer: SegmentWriter | None = None
        self._placed = False
        work.before_checkpoint.append(self.flush)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Writes one point for each name, before it returns."""
        if self._writer is None:
            self._writer = SegmentWriter(
                self._work.points_folder / f"{self._work.attempt}.seg",
                attempt=self._work.attempt,
                run=blake3(self._run.encode()).digest()[:16],
                resumed_at=step - 1,
                io=self._store.disk,
            )
        self._writer.log(values, step)

    def flush(self) -> None:
        """Makes what was logged survive a power cut: work goes on behind its checkpoint."""
        if self._writer is not None:
            self._writer.sync()
            if not self._placed:
                with typed(self._writer.path, "writing metric points"):
                    self._store.disk.sync_folder(self._writer.path.parent)
                self._placed = True

    def close(self) -> None:
        """Flushes what was written."""
        if self._writer is not None:
            self._writer.close()


class Context:
    """One stage's view of the runner; see `core.stage.StageContext` for the verbs."""

    def __init__(
        self,
        *,
        name: str,
        store: Store,
        index: Index,
        work: Work,
        points: SegmentPoints,
        project: Path,
        seed: int,
        predecessor: Predecessor | None,
        stop: StopFlag,
        emit: Callable[[Event], None],
        run_jobs: Callable[[Sequence[Job]], Iterator[Mapping[str, Artifact]]],
    ) -> None:
        self.index = index
        self.project = project
        self.predecessor = predecessor
        self.points = points
        self._name = name
        self._store = store
        self._work = work
        self._seed = seed
        self._stop = stop
        self._emit = emit
        self._run_jobs = run_jobs

    @property
    def workdir(self) -> Path:
        """A private folder that survives kills."""
        return self._work.files_folder

    @property
    def checkpoints(self) -> Checkpoints:
        """Progress that survives kills."""
        return self._work

    @property
    def journal(self) -> Journal:
        """The append-only log of this work."""
        return self._work

    @property
    def stop_requested(self) -> bool:
        """Whether an end was asked for."""
        return self._stop.signum != 0

    def stop(self) -> None:
        """Raises Interrupted."""
        self._stop.check()

    def derive_seed(self, *purpose: str | int) -> int:
        """A seed for one purpose."""
        return derive_seed(self._seed, *purpose)

    def files(self, artifact: Artifact) -> Mapping[str, Path]:
        """Verified read-only paths."""
        return self._store.files(artifact)

    def refs(self, artifact: Artifact) -> Mapping[str, FileRef]:
        """The files of a folder artifact."""
        return self._store.refs(artifact)

    def load(self, artifact: Artifact) -> Any:
        """What the kind is: a view for a data set, a value for JSON kinds, else paths."""
        return load_artifact(artifact, self._store, self.index)

    def save(self, kind: type[A], content: Content | JSON | Mapping[str, Content]) -> A:
        """Takes a value into the store."""
        if kind.kind in FOLDERS:
            if isinstance(content, Path):
                content = {
                    p.relative_to(content).as_posix(): p
                    for p in sorted(content.rglob("*"))
                    if p.is_file()
                }
            if not isinstance(content, Mapping):
                raise StageFailed(
                    f"a {kind.kind} is saved from a folder or a mapping of file names to contents",
                    where=f"stages.{self._name}",
                    remedy=f"call ctx.save({kind.__name__}, {{'name': content}})",
                )
            ref, size = self._store.objects.put_tree(content)  # type: ignore[arg-type]
            return kind(ref.digest, size, folder=True)
        if not isinstance(content, (bytes, Path, FileRef)):
            content = canonical_json(content)  # type: ignore[arg-type]
        ref = self._store.objects.put(content)
        return kind(ref.digest, ref.size)

    def emit(self, event: Event) -> None:
        """Tells the listeners."""
        self._emit(event)

    def mint(self, noun: str, name: str, digest: str, facts: JSON) -> int:
        """The version number of (noun, name, digest)."""
        return self._store.mint(noun, name, digest, facts)

    def map(self, jobs: Sequence[Job]) -> Iterator[Mapping[str, Artifact]]:
        """Runs, resumes or reuses nested stages."""
        return self._run_jobs(jobs)


def load_artifact(artifact: Artifact, store: Store, index: Index) -> Any:
    """What the kind is: a view for a data set, a value for JSON kinds, else paths.

    Raises:
        CorruptObject: if a byte is wrong or missing.
    """
    if artifact.kind in ("params", "metrics", "model_version"):
        return store.read_json(artifact)
    files = store.files(artifact)
    if isinstance(artifact, Dataset) and index.get("loader", "dataset"):
        return build(index, "loader", {"use": "dataset"})(files)
    return files if artifact.folder else files[""]


def seal_points(store: Store, work: Work) -> list[dict[str, Any]]:
    """Takes the segments of all attempts into the store."""
    folder = work.folder / "points"
    files = sorted(folder.iterdir(), key=lambda p: int(p.stem)) if folder.is_dir() else []
    refs = [store.objects.put(file) for file in files]
    return [{"digest": ref.digest, "size": ref.size} for ref in refs]
