"""The executor that works in the runner's own process, one item after the other."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class InlineExecutor:
    """Does the work when it is submitted; knows nothing of stages."""

    def submit(self, job: Callable[[T], R], item: T) -> "Future[R]":
        """Calls `job(item)`; the future is finished when this returns."""
        future: Future[R] = Future()
        try:
            future.set_result(job(item))
        except Exception as error:  # noqa: BLE001 - the future hands it to whoever asks for the result
            future.set_exception(error)
        return future
