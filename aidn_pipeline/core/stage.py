"""The contract between a stage and whatever runs it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Event
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.index import Index

In = TypeVar("In")
Out = TypeVar("Out")
A = TypeVar("A", bound=Artifact)

Description: TypeAlias = dict[str, Any]
"""A component as JSON: `{"use": name, field: value, ...}`, nested components in the same form."""


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that is already in the store, to be named again without a copy."""

    digest: str
    size: int


Content: TypeAlias = bytes | Path | FileRef
"""One file to be saved: its bytes, a path to it, or a file that is in the store already."""


def port(default: Any = None, *, into: str | None = None, cells: str | None = None) -> Any:
    """A port, optional by default; `into` and `cells` as in `aidn_pipeline.core.index.PortSpec`.

    With `dataclasses.MISSING` for a default it must be wired.
    """
    return field(default=default, metadata={"into": into, "cells": cells})


class Stage(ABC, Generic[In, Out]):
    """One kind of work: typed inputs to typed outputs, whole or absent.

    `In` and `Out` are frozen dataclasses whose fields are the ports, annotated with artifact kinds.
    A port with the default None is optional. Use `NoInputs` where there are none.
    """

    effects: ClassVar[Literal["pure", "external"]] = "pure"
    seeded: ClassVar[bool] = True

    @abstractmethod
    def run(self, inputs: In, ctx: "StageContext") -> Out:
        """Does the work. Called again after a kill, with the same work folder and journal."""


@dataclass(frozen=True)
class NoInputs:
    """The inputs of a stage that has none."""


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """One committed checkpoint of the work at hand.

    Attributes:
        number: position in the work's journal; later is newer.
        info: what the stage said when it saved, such as step and epoch.
        files: digest and size of each file.
    """

    number: int
    info: Mapping[str, Any]
    files: Mapping[str, FileRef]


class Checkpoints(Protocol):
    """Progress that survives a kill; it goes when the work is committed."""

    def save(
        self, files: Mapping[str, bytes | Sequence[bytes | memoryview]], info: JSON
    ) -> CheckpointRecord:
        """Writes the files, then the journal line that makes them a checkpoint."""
        ...

    def records(self) -> Sequence[CheckpointRecord]:
        """All that are kept, oldest first."""
        ...

    def open(self, record: CheckpointRecord) -> Mapping[str, Path]:
        """Paths to the verified files.

        Raises:
            CorruptObject: if a byte differs from what was saved.
        """
        ...

    def retain(self, keep: Sequence[int]) -> None:
        """Deletes the checkpoints whose number is not in `keep`."""
        ...


class Journal(Protocol):
    """The append-only log of the work at hand."""

    def append(self, entry: Mapping[str, JSON]) -> None:
        """Writes one entry; durable when it returns."""
        ...

    def entries(self) -> Sequence[Mapping[str, Any]]:
        """What has been appended so far, by this attempt and earlier ones."""
        ...


class Points(Protocol):
    """Metric points of the work at hand: never part of a compared result."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Writes one point for each name, before it returns."""
        ...


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The longest shorter result of the same family.

    Attributes:
        extends: values of the extendable fields it was made with, by dotted path.
        outputs: its artifacts by port.
    """

    extends: Mapping[str, Any]
    outputs: Mapping[str, Artifact]


class StageContext(Protocol):
    """What a stage may ask of the runner. Attributes are read-only."""

    @property
    def workdir(self) -> Path:
        """A private folder that survives kills and goes when the work is committed."""
        ...

    @property
    def project(self) -> Path:
        """The project's root; relative paths in a recipe are against it."""
        ...

    @property
    def index(self) -> Index:
        """The component index, to build components from their descriptions."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """Progress that survives a kill."""
        ...

    @property
    def journal(self) -> Journal:
        """The append-only log of this work."""
        ...

    @property
    def points(self) -> Points:
        """Metric points of this work."""
        ...

    @property
    def predecessor(self) -> Predecessor | None:
        """A shorter result to continue from, if there is one."""
        ...

    @property
    def stop_requested(self) -> bool:
        """True once a signal asked for an end: save a checkpoint and call `stop`."""
        ...

    def stop(self) -> None:
        """Raises Interrupted."""
        ...

    def derive_seed(self, *purpose: str | int) -> int:
        """A seed for one purpose, from the stage's resolved seed."""
        ...

    def files(self, artifact: Artifact) -> Mapping[str, Path]:
        """Verified read-only paths of an artifact's files; a single file has the name ''."""
        ...

    def load(self, artifact: Artifact) -> Any:
        """What the kind is: a view for a data set, a dict for params and metrics, else a path."""
        ...

    def refs(self, artifact: Artifact) -> Mapping[str, FileRef]:
        """The files of a folder artifact, to be named again in another one."""
        ...

    def save(self, kind: type[A], content: "Content | JSON | Mapping[str, Content]") -> A:
        """Takes a value into the store.

        A mapping of names to `Content` becomes a folder for the kinds that are folders (dataset,
        checkpoint, model, bundle, folder); any other JSON value becomes a canonical JSON file.
        """
        ...

    def emit(self, event: Event) -> None:
        """Tells the listeners."""
        ...

    def mint(self, noun: str, name: str, digest: str, facts: JSON) -> int:
        """The version number of (noun, name, digest): the same one each time, never reused."""
        ...

    def map(self, jobs: Sequence["Job"]) -> Iterator[Mapping[str, Artifact]]:
        """Runs, resumes or reuses nested stages; outputs in the order of `jobs`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A stage as work for the executor.

    Attributes:
        label: shown in progress, such as `trial 7`.
        stage: description of the stage.
        inputs: artifacts by port.
    """

    label: str
    stage: Description
    inputs: Mapping[str, Artifact | tuple[Artifact, ...]]
