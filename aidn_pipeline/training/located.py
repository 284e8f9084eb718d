"""Where in a training run an exception was raised, as a note on the exception itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from aidn_pipeline.errors import AidnError
from aidn_pipeline.training.step import Position

SHOWN = 8
"""The most samples that are listed."""


@contextmanager
def located(place: Callable[[], str]) -> Iterator[None]:
    """Adds the place to what is raised inside; errors of ours say their place themselves.

    Args:
        place: asked only once something was raised, so that a step costs nothing.
    """
    try:
        yield
    except AidnError:
        raise
    except Exception as error:
        error.add_note(f"raised in {place()}")
        raise


def batch_of(position: Position) -> str:
    """The batch that training stands at, with its samples; counted from 1 but for the samples."""
    return (
        f"epoch {position.epoch + 1}, batch {position.batch + 1}, step {position.step + 1}"
        f"{_samples(position.samples)}"
    )


def _samples(samples: Tensor) -> str:
    try:
        rows = samples.tolist()
    except RuntimeError:
        # After an error on the device its memory may not be readable any more.
        return ""
    if not rows:
        return ""
    listed = ", ".join(map(str, rows[:SHOWN]))
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"\nsamples of the training split, from 0: {listed}{more}"
