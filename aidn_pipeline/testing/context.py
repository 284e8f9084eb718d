"""A `StageContext` over a real store in a folder, to run one stage by itself in a test."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.events import Event
from aidn_pipeline.core.fingerprint import Fingerprint
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.stage import A, Description, Job, Predecessor, Stage
from aidn_pipeline.engine.context import Context, SegmentPoints
from aidn_pipeline.engine.perform import call_stage
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.store.store import Store


class StopAfter(StopFlag):
    """Asks for an end, as SIGTERM does, once a stage has looked `looks` times.

    Attributes:
        looks: how often it was looked at so far.
    """

    def __init__(self, after: int | None) -> None:
        self.looks = 0
        self._after = after
        super().__init__()

    @property
    def signum(self) -> int:
        """SIGTERM once it was looked at often enough, else 0."""
        self.looks += 1
        return signal.SIGTERM if self._after is not None and self.looks > self._after else 0

    @signum.setter
    def signum(self, value: int) -> None:
        self._after = 0 if value else self._after


class Bench:
    """Saves artifacts and runs stages one by one over a store of its own; use it with `with`.

    Attributes:
        store: the store.
        events: everything that stages emitted.
        stop: the last context's stop flag.
    """

    def __init__(self, folder: Path, index: Index) -> None:
        self.store = Store.open(folder / ".aidn", durability="process")
        self.events: list[Event] = []
        self.stop = StopAfter(None)
        self._folder = folder
        self._index = index

    @property
    def folder(self) -> Path:
        """The project's root."""
        return self._folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.close()

    def context(
        self,
        work: str,
        *,
        stop_after: int | None = None,
        predecessor: Predecessor | None = None,
        seed: int = 0,
    ) -> Context:
        """A context for a piece of work; the same name continues what was interrupted.

        Args:
            work: any text that names the work.
            stop_after: how often the stage may ask for the wish to stop before it is there.
            predecessor: a shorter result of the same family.
            seed: of the stage.
        """
        family = Fingerprint.of("test", work)
        opened = self.store.work(family.hex)
        opened.begin(family.digest)
        self.stop = StopAfter(stop_after)
        return Context(
            name=work,
            store=self.store,
            index=self._index,
            work=opened,
            points=SegmentPoints(self.store, opened, work),
            project=self._folder,
            seed=seed,
            predecessor=predecessor,
            stop=self.stop,
            emit=self.events.append,
            run_jobs=_no_jobs,
        )

    def run(self, stage: Stage[Any, Any], inputs: Any, work: str, **more: Any) -> Any:
        """Runs a stage; its outputs.

        Args:
            stage: the stage.
            inputs: its ports.
            work: as in `context`.
            **more: as in `context`.
        """
        return stage.run(inputs, self.context(work, **more))

    def save(self, kind: type[A], content: Any) -> A:
        """Takes a value into the store, as `StageContext.save` does."""
        return self.context("saved").save(kind, content)

    def perform(
        self, description: Description, inputs: Mapping[str, Any] | None = None
    ) -> Mapping[str, Artifact]:
        """Runs a stage of the index.

        Args:
            description: as in a recipe: `{"use": name, field: value, ...}`.
            inputs: artifacts by port.

        Returns:
            Its artifacts by port.
        """
        whole = complete(self._index, "stage", description)
        spec = self._index.find("stage", whole["use"])
        given = {
            port: [a.digest for a in found] if isinstance(found, tuple) else found.digest
            for port, found in (inputs or {}).items()
        }
        work = Fingerprint.of("performed", [whole, given]).hex
        return call_stage(self._index, spec, whole, inputs or {}, self.context(work))

    def forget_work(self) -> None:
        """Removes what stages left in their work folders."""
        folder = self.store.root / "work"
        for work in sorted(folder.iterdir()) if folder.is_dir() else ():
            self.store.scratch.discard(work)


def _no_jobs(jobs: Sequence[Job]) -> Iterator[Mapping[str, Artifact]]:
    raise StageFailed(
        f"a bench runs single stages, not {len(jobs)} nested ones",
        where="aidn_pipeline.testing.context",
        remedy="run the whole pipeline over a store for stages that map",
    )
