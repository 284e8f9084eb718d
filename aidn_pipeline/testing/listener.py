"""What a listener keeps to: tracker, monitor, notifier, or one of your own."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.events import (
    CheckpointSaved,
    Event,
    Notice,
    Progress,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    StageWaiting,
    TrialFinished,
)
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import UsageError
from aidn_pipeline.store.store import Store
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.subject import shipped

RUN = "20260101-000000-abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard(Event):
    """A kind of event that a later release may send."""

    what: str


EVENTS: Sequence[Event] = (
    RunStarted(run=RUN, recipe="example", stages=("tune", "train", "export")),
    StageStarted(stage="tune", action="run", reason="not run before"),
    StageWaiting(stage="tune", holder="process 5 on host, since 12:00:00"),
    Progress(stage="tune", done=1, total=3, unit="epoch", values={"val_loss": 0.5}),
    Progress(stage="trial 0", done=1, total=0, unit="epoch", values={}),
    CheckpointSaved(stage="tune", step=10, epoch=1),
    TrialFinished(
        stage="tune",
        number=0,
        total=2,
        params={"optimizer.lr": 0.1},
        value=0.5,
        best=True,
        reused=False,
    ),
    TrialFinished(stage="tune", number=1, total=2, params={}, value=None, best=False, reused=True),
    StageFinished(stage="tune", action="run", seconds=2.0),
    Notice(text="be careful", level="warning"),
    Notice(text="well"),
    StageStarted(stage="train", action="reuse", reason="unchanged"),
    StageFinished(stage="train", action="reuse", seconds=0.0),
    StageFinished(stage="export", action="skip", seconds=0.0, problem="needs register"),
    Unheard(what="something new"),
    RunFinished(run=RUN, status="failed", seconds=2.0),
)
"""A run with an event of every kind, in an order that a run has."""


class ListenerSuite:
    """A listener hears; it changes nothing and stops nothing.

    class TestMyNotifier(ListenerSuite):
        make = staticmethod(lambda: MyNotifier(url="http://127.0.0.1:9"))

    What it raises would be a warning in a run; a good listener raises nothing.
    """

    def make(self) -> Any:
        """A listener that has heard nothing yet: override it."""
        raise UsageError(
            "the suite is not told what to test",
            where=type(self).__qualname__,
            remedy="write `make = staticmethod(lambda: MyListener(...))` in it",
        )

    def test_it_takes_every_kind_of_event(self) -> None:
        """One at a time and in the order of a run; a kind it does not know is passed over."""
        for order in (EVENTS, *((event,) for event in EVENTS)):
            listener = self.make()
            for event in order:
                try:
                    listener.on_event(event)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is the listener's
                    hold(
                        False,
                        f"it raises {type(error).__name__} at {type(event).__name__}: {error}",
                        where=type(listener).__qualname__,
                        remedy="look at the event's type, and pass over what is not for you",
                    )

    def test_it_changes_no_event(self) -> None:
        """The next listener gets the same object."""
        listener = self.make()
        for event in EVENTS:
            given = copy.deepcopy(event)
            self._tell(listener, given)
            hold(
                given == event,
                f"it changes {type(event).__name__}",
                where=type(listener).__qualname__,
                remedy="copy a mapping before changing it: `dict(event.values)`",
            )

    def test_a_run_ends_the_same_with_it(self, tmp_path: Path) -> None:
        """One that goes through, and one that fails: same outputs, same fingerprints, same end."""
        for name, train in (("done", 0.7), ("failed", 1.0)):
            alone = _run(tmp_path / name / "alone", train)
            heard = _run(tmp_path / name / "heard", train, self.make())
            hold(
                alone == heard,
                f"a run that should be {name} is {heard[0]} with it"
                + (", with other results" if heard[0] == alone[0] else ""),
                where=type(self.make()).__qualname__,
                remedy="leave files of the project, global state and the process alone",
            )

    def test_it_hears_a_run_again_from_its_first_event(self, tmp_path: Path) -> None:
        """One listener may hear several runs, one after the other."""
        listener = self.make()
        for number in range(2):
            heard: list[str] = []
            told = _Watched(listener, heard)
            _run(tmp_path / str(number), 0.7, told)
            hold(
                not heard,
                f"in run {number + 1} it raises {', '.join(heard)}",
                where=type(listener).__qualname__,
                remedy="start anew at RunStarted",
            )

    def _tell(self, listener: Any, event: Event) -> None:
        try:
            listener.on_event(event)
        except Exception:  # noqa: BLE001 - another clause is about what it raises
            return


class _Watched:
    """Passes events on, and keeps what is raised."""

    def __init__(self, listener: Any, heard: list[str]) -> None:
        self._listener = listener
        self._heard = heard

    def on_event(self, event: Event) -> None:
        try:
            self._listener.on_event(event)
        except Exception as error:  # noqa: BLE001 - it is told by the suite
            self._heard.append(f"{type(error).__name__} at {type(event).__name__}")


def _run(folder: Path, train: float, *listeners: Any) -> tuple[str, dict[str, Any]]:
    """How a small pipeline ended, and what it made; a training share of 1 leaves no test rows."""
    folder.mkdir(parents=True)
    with Store.open(folder / ".aidn", durability="process") as store:
        result: RunResult = run_pipeline(
            _pipeline(train), store, shipped(), folder, listeners=listeners
        )
    stages = {
        name: (stage.action, stage.status, stage.fingerprint, dict(stage.outputs))
        for name, stage in result.stages.items()
    }
    return result.status, stages


def _pipeline(train: float) -> PipelineSpec:
    rest = (1 - train) / 2 or 1e-9
    given: Mapping[str, dict[str, Any]] = {
        "snapshot": {"use": "snapshot", "source": {"use": "diabetes"}},
        "split": {"use": "split", "train": train, "validation": rest, "test": rest},
    }
    inputs = {"split": {"dataset": (PortRef.parse("snapshot.dataset"),)}}
    return PipelineSpec(
        name="example",
        stages={
            name: StageSpec(
                name=name, stage=complete(shipped(), "stage", stage), inputs=inputs.get(name, {})
            )
            for name, stage in given.items()
        },
    )
