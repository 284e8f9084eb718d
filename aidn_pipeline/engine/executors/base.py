"""What the engine asks of an executor."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Runs a function on an item somewhere; returns a future and calls nobody back."""

    def submit(self, job: Callable[[T], R], item: T) -> "Future[R]":
        """Starts `job(item)`."""
        ...
