"""Artifacts: typed handles to bytes in the store. The list of kinds is closed."""

from dataclasses import dataclass
from typing import ClassVar

from aidn_pipeline.core.fingerprint import JSON


@dataclass(frozen=True, slots=True)
class Artifact:
    """A handle; the bytes live in the store.

    Attributes:
        digest: id of the file's bytes, or of the folder's manifest.
        size: in bytes; for a folder the sum of its files.
        folder: whether `digest` names a folder's manifest.
    """

    kind: ClassVar[str] = "artifact"
    digest: str
    size: int
    folder: bool = False

    def to_json(self) -> dict[str, JSON]:
        """The form kept in records."""
        value: dict[str, JSON] = {"kind": self.kind, "digest": self.digest, "size": self.size}
        if self.folder:
            value["folder"] = True
        return value


class Dataset(Artifact):
    """A table or a view of one: a folder with `dataset.json` and its data files."""

    __slots__ = ()
    kind = "dataset"


class Params(Artifact):
    """Values for dotted paths, one JSON object."""

    __slots__ = ()
    kind = "params"


class Checkpoint(Artifact):
    """Training state: a folder with `checkpoint.json` and `state.safetensors`."""

    __slots__ = ()
    kind = "checkpoint"


class Model(Artifact):
    """Weights ready for inference, with the component that made them."""

    __slots__ = ()
    kind = "model"


class ModelVersion(Artifact):
    """A registered version: one JSON object that names its checkpoint."""

    __slots__ = ()
    kind = "model_version"


class Metrics(Artifact):
    """Names and finite numbers, one JSON object."""

    __slots__ = ()
    kind = "metrics"


class Report(Artifact):
    """A document or a table for people."""

    __slots__ = ()
    kind = "report"


class Bundle(Artifact):
    """A servable folder: weights, `model.json`, preprocessing, class names."""

    __slots__ = ()
    kind = "bundle"


class File(Artifact):
    """Any one file."""

    __slots__ = ()
    kind = "file"


class Folder(Artifact):
    """Any folder."""

    __slots__ = ()
    kind = "folder"


KINDS: dict[str, type[Artifact]] = {
    cls.kind: cls
    for cls in (
        Dataset,
        Params,
        Checkpoint,
        Model,
        ModelVersion,
        Metrics,
        Report,
        Bundle,
        File,
        Folder,
    )
}


def artifact_from_json(value: dict[str, JSON]) -> Artifact:
    """The handle kept in a record.

    Raises:
        KeyError: if the kind is not one of `KINDS`.
    """
    cls = KINDS[str(value["kind"])]
    size = value["size"]
    assert isinstance(size, int)
    return cls(str(value["digest"]), size, bool(value.get("folder", False)))
