"""Telling the listeners: none of them can end a run or change it."""

import logging
from collections.abc import Sequence
from dataclasses import fields, replace

from aidn_pipeline.core.events import Event, Listener, Notice
from aidn_pipeline.core.masking import masked, masked_within
from aidn_pipeline.errors import Interrupted

LOG = logging.getLogger(__name__)


class Telling:
    """The listeners of one run.

    One that raises is named once, to the others, or in the log where there is none that works. It
    is told what follows all the same: a notifier whose first message got lost may send the last.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._failed: set[int] = set()

    def tell(self, event: Event) -> None:
        """Tells every listener, in order; no text of an event has the value of a secret.

        Raises:
            Interrupted: if a signal came in the meantime.
        """
        event = without_secrets(event)
        failed = [said for listener in self._listeners if (said := self._try(listener, event))]
        for text in failed:
            if len(self._failed) == len(self._listeners):
                LOG.warning(text)
            else:
                self.tell(Notice(text=text, level="warning"))

    def _try(self, listener: Listener, event: Event) -> str:
        try:
            listener.on_event(event)
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is not to blame
            return self._first(listener, event, error)
        return ""

    def _first(self, listener: Listener, event: Event, error: Exception) -> str:
        if id(listener) in self._failed:
            return ""
        self._failed.add(id(listener))
        kind = type(listener)
        return (
            f"the listener {kind.__module__}.{kind.__qualname__} failed at {type(event).__name__} "
            f"({type(error).__name__}: {masked(str(error))}); the run goes on"
        )


def without_secrets(event: Event) -> Event:
    """The event with the values of secrets masked in its texts."""
    found = {f.name: getattr(event, f.name) for f in fields(event)}
    changed = {k: new for k, v in found.items() if (new := masked_within(v)) != v}
    return replace(event, **changed) if changed else event
