"""What a trial raised is kept for whoever looks, and does not hold the memory of the next one."""

import gc
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from support.sweeps import MemoryContext

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.stage import Job
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.sweep.runner import NestedRunner
from aidn_pipeline.sweep.trial import Trial


class Weights:
    """What fills the memory of a training."""


@dataclass
class FailingContext(MemoryContext):
    """Every training fails, with its weights in a frame."""

    held: list[Any] = field(default_factory=list)
    alive: list[int] = field(default_factory=list)

    def _train(self, job: Job) -> Mapping[str, Artifact]:
        gc.collect()
        self.alive.append(sum(ref() is not None for ref in self.held))
        weights = Weights()
        self.held.append(weakref.ref(weights))
        try:
            step(weights)
        except ValueError as error:
            raise StageFailed("a stage failed") from error
        raise AssertionError


def step(weights: Weights) -> None:
    error = ValueError("no such layer\nand more")
    error.add_note("raised in epoch 2, batch 3, step 9")
    raise error


def trial(number: int) -> Trial:
    return Trial(
        number=number, params={"layers": number}, lane=0, start=0, budget=4, to=4, segments=()
    )


def runner(ctx: FailingContext) -> NestedRunner:
    return NestedRunner({"use": "toy", "layers": 3, "epochs": 4}, {}, "val_loss", ctx)


def test_a_failure_has_the_error_with_its_frames_and_its_trial() -> None:
    found = runner(FailingContext())
    list(found.run([trial(0), trial(1)]))

    assert found.failure is not None
    assert found.failure.where == "trial 2"
    assert found.failure.error.__notes__[-1] == "in trial 2: layers=1"
    traceback = found.failure.error.__traceback__
    assert traceback is not None
    assert traceback.tb_next is not None
    assert traceback.tb_next.tb_frame.f_code.co_name == "step"


def test_what_is_written_down_is_the_error_and_its_place() -> None:
    (segment,) = runner(FailingContext()).run([trial(0)])

    assert segment.value is None
    assert segment.error == (
        "ValueError: no such layer\nand more\nraised in epoch 2, batch 3, step 9"
    )


def test_the_frames_of_a_failure_let_go_of_its_model_when_the_next_trial_starts() -> None:
    ctx = FailingContext()
    found = runner(ctx)
    list(found.run([trial(0), trial(1), trial(2)]))

    assert ctx.alive == [0, 0, 0]
    # Of the last one a debugger may still look at everything.
    assert ctx.held[2]() is not None
    assert found.failure is not None
