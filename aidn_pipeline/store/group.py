"""The group: work that is committed together, with one flush of the disk for all of it.

A record waits in memory until the objects it names are durable; then all that wait are written with
one append and one flush. Until then this process may use what was made, other processes see none of
it, and nobody is told that it is done.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.objects import Objects
from aidn_pipeline.store.records import Records

MOST = 32
"""Records that wait at most."""
LONGEST_S = 0.05
"""Seconds after which the next commit lets nothing wait any longer."""

LATER = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
"""Signals that ask for an end."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals of this thread wait: none ends a flush half way, or tells of what it flushes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LATER)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Group:
    """What waits to be durable. Outside of `gathering` nothing does."""

    def __init__(self, records: Records, objects: Objects, locks: Locks) -> None:
        self._records = records
        self._objects = objects
        self._locks = locks
        self._since = 0.0
        self._calls: deque[tuple[Callable[[], None], bool]] = deque()
        records.before = objects.flush
        records.lost = self._forget
        objects.settle = self.flush

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Commits of this block may wait for each other; at its end none does."""
        self._objects.gathering = True
        try:
            yield
        finally:
            self._objects.gathering = False
            self.flush()

    def commit(self, record: StageRecord) -> None:
        """Commits a piece of work: known here at once, durable with the group.

        Raises:
            StorageFull: if there is no space; what waited is not committed.
            StorageUnwritable: if the store cannot be written.
        """
        if not self._records.waiting:
            self._since = time.monotonic()
        self._records.add("stage", record.fingerprint, record.to_json())
        full = self._records.waiting >= MOST or self._late()
        if full or not self._objects.gathering:
            self.flush()

    def _late(self) -> bool:
        return time.monotonic() - self._since >= LONGEST_S

    def then(self, call: Callable[[], None]) -> None:
        """Calls it once all that waits now is durable; never if that fails. Calls keep their order.

        Whoever is told of finished work is told so.
        """
        self._add(call, always=False)

    def release(self, lock: int) -> None:
        """Gives a lock back once what was made under it is durable, or lost."""
        self._add(lambda: self._locks.release(lock), always=True)

    def _add(self, call: Callable[[], None], *, always: bool) -> None:
        self._calls.append((call, always))
        if not self._records.waiting:
            self._call()
        elif self._late():
            self.flush()

    def flush(self) -> None:
        """Makes all that waits durable, then makes the calls that waited for it.

        Raises:
            StorageFull: if there is no space; what waited is not committed.
            StorageUnwritable: if it cannot be written.
        """
        try:
            with _undisturbed():
                self._flush()
        finally:
            self._call()

    def _flush(self) -> None:
        try:
            self._records.flush()
            # Of a stage that is still at work, if there are any left.
            self._objects.flush()
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        """Nobody is told of what was lost; locks are given back all the same."""
        self._calls = deque(call for call in self._calls if call[1])

    def _call(self) -> None:
        while self._calls:
            call, _ = self._calls.popleft()
            call()
