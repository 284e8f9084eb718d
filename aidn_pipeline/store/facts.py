"""What the journal says as a whole: records, runs, names, and what `gc` took away."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aidn_pipeline.errors import AidnError
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.journal import JournalFile
from aidn_pipeline.store.store import Store

JSON_KINDS = ("model_version",)
"""Kinds whose bytes are JSON that names other artifacts."""
LONGEST_DOCUMENT = 2**20
"""Bytes of the longest document that is looked through for ids."""


class Facts:
    """The newest line of each key, taken in as the journal grows.

    Attributes:
        stages: stage records by fingerprint, the oldest line first.
        runs: run records by id, the oldest line first.
        names: all other lines but those of `gc`, by kind and key: versions, refs.
        collected: fingerprints whose outputs `gc` may have removed since they were committed.
        in_trash: those of them that an undo brings back.
        folders: ids that are known to be a folder's manifest.
    """

    def __init__(self, store: Store) -> None:
        self._journal = JournalFile(store.records.path, Disk())
        self.stages: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.names: dict[tuple[str, str], Any] = {}
        self.collected: set[str] = set()
        self.in_trash: set[str] = set()
        self._purged: set[str] = set()
        self.folders: set[str] = set()
        self.catch_up()

    def catch_up(self) -> None:
        """Takes in what was added.

        Raises:
            CorruptObject: at a damaged line.
        """
        for line in self._journal.new_lines():
            kind, key, value = (line.payload[part] for part in ("kind", "key", "value"))
            if kind == "stage":
                self._take(self.stages, key, value)
                self.collected.discard(key)
                self.in_trash.discard(key)
                self._purged.discard(key)
                outputs = value["outputs"].values()
                self.folders.update(o["digest"] for o in outputs if o.get("folder"))
            elif kind == "run":
                self._take(self.runs, key, value)
            elif kind == "gc":
                self._take_gc(value)
            else:
                self.names[kind, key] = value
                self.folders.update(digest for digest, folder in ids_in(value) if folder)

    @staticmethod
    def _take(known: dict[str, dict[str, Any]], key: str, value: dict[str, Any]) -> None:
        known.pop(key, None)
        known[key] = value

    def _take_gc(self, value: Mapping[str, Any]) -> None:
        if value["verb"] == "remove":
            self.collected.update(value["stages"])
            self.in_trash.update(value["stages"])
        elif value["verb"] == "undo":
            # What an earlier purge took part of does not come back whole.
            self.collected -= self.in_trash - self._purged
            self.in_trash.clear()
        else:
            self._purged |= self.in_trash
            self.in_trash.clear()

    def makers(self) -> dict[str, str]:
        """Fingerprint of the newest work that gave an artifact, by the artifact's id."""
        return {
            output["digest"]: fingerprint
            for fingerprint, record in self.stages.items()
            for output in record["outputs"].values()
        }


class Contents:
    """What objects name in their bytes: the files of a folder, the ids in a document.

    Reads only; a damaged object names nothing and is left where it is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, tuple[str, ...] | None] = {}

    def files(self, manifest: str) -> tuple[str, ...] | None:
        """Ids of a folder's files; None if its manifest is missing or damaged."""
        if self._files.get(manifest) is None:
            try:
                damaged = self._store.objects.damage(manifest)
                tree = {} if damaged else self._store.objects.tree(manifest)
                self._files[manifest] = None if damaged else tuple(r.digest for r in tree.values())
            except AidnError:
                self._files[manifest] = None
        return self._files[manifest]

    def named(self, document: Mapping[str, Any]) -> list[tuple[str, bool]]:
        """Ids that an artifact's document names, each with whether it is known as a folder."""
        if document["kind"] not in JSON_KINDS or document["size"] > LONGEST_DOCUMENT:
            return []
        try:
            if self._store.objects.damage(document["digest"]):
                return []
            return list(ids_in(json.loads(self._store.objects.read(document["digest"]))))
        except (AidnError, ValueError, RecursionError):
            return []


def record_ids(record: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Everything a stage record gave: port, id, whether it is a folder; points have their word."""
    for port, output in record["outputs"].items():
        yield port, output["digest"], bool(output.get("folder"))
    for points in record["observed"].get("points", ()):
        yield "metric points", points["digest"], False


def input_ids(record: Mapping[str, Any]) -> Iterator[str]:
    """Ids of what a stage was given."""
    for value in record["hashed"].get("inputs", {}).values():
        yield from [value] if isinstance(value, str) else value


def stage_name(record: Mapping[str, Any]) -> str:
    """The name that a stage had where it was run."""
    return str(record["observed"].get("stage", record["component"]))


def ids_in(value: Any) -> Iterator[tuple[str, bool]]:
    """Ids anywhere in a JSON value, each with whether it stands there as a folder's."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if part.get("folder") is True and isinstance(part.get("digest"), str):
                yield part["digest"], True
            pending += part.values()
        elif isinstance(part, list):
            pending += part
        elif isinstance(part, str) and part.startswith("b3:"):
            yield part, False
