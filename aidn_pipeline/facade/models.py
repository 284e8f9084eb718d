"""Models by name: from `digits`, `digits@3` or a run to a registered version and its bundle."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.core.artifact import Artifact, Bundle, ModelVersion, artifact_from_json
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.errors import ModelNotFound, UsageError
from aidn_pipeline.registry.versions import NOUN, VersionDocument
from aidn_pipeline.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A registered version.

    Attributes:
        name: of the model.
        version: its number, from 1.
        digest: id of its checkpoint; with the name it is the version's identity.
        checkpoint: the weights; None in a result that was loaded from a file.
    """

    name: str
    version: int
    digest: str
    checkpoint: Artifact | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    def to_json(self) -> dict[str, Any]:
        """The `model` of `--json`."""
        return {"name": self.name, "version": self.version, "digest": self.digest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelReference":
        """The inverse of `to_json`."""
        return cls(name=value["name"], version=value["version"], digest=value["digest"])


def model_of_run(stages: Mapping[str, StageResult], store: Store) -> ModelReference | None:
    """The version that the last registering stage of a run gave."""
    for stage in reversed(list(stages.values())):
        for artifact in stage.outputs.values():
            if isinstance(artifact, ModelVersion):
                return _reference(VersionDocument.from_json(store.read_json(artifact)))
    return None


def _reference(document: VersionDocument) -> ModelReference:
    return ModelReference(
        name=document.name,
        version=document.version,
        digest=document.checkpoint.digest,
        checkpoint=document.checkpoint,
    )


def registered(store: Store) -> list[dict[str, Any]]:
    """Facts of all registered versions, oldest first: name, version, digest, facts."""
    return [v for v in store.records.iterate("version") if v["noun"] == NOUN]


def parse_reference(text: str) -> tuple[str, int | None]:
    """Reads `name` or `name@3`.

    Raises:
        UsageError: if what stands after `@` is no number.
    """
    name, at, version = text.partition("@")
    if at and not version.isdigit():
        raise UsageError(
            f"{version!r} is no version number",
            where=text,
            remedy=f"write `{name}` for the newest version, or `{name}@1`",
        )
    return name, int(version) if at else None


def find_version(text: str, store: Store) -> ModelReference:
    """The registered version of a reference; the newest if no number is given.

    Raises:
        ModelNotFound: with the versions there are.
    """
    name, number = parse_reference(text)
    versions = registered(store)
    of_name = [v for v in versions if v["name"] == name]
    fitting = [v for v in of_name if number is None or v["version"] == number]
    if not fitting:
        known = [f"{v['name']}@{v['version']}" for v in (of_name or versions)]
        listed = ", ".join(known[-10:])
        raise ModelNotFound(
            f"there is no model {text!r} in this project",
            where=str(store.root),
            remedy=f"registered here: {listed}" if known else "run a recipe that registers one",
        )
    newest = max(fitting, key=lambda v: int(v["version"]))
    return ModelReference(
        name=newest["name"],
        version=newest["version"],
        digest=newest["digest"],
        checkpoint=artifact_from_json(newest["facts"]["checkpoint"]),
    )


def find_bundle(text: str, store: Store) -> tuple[ModelReference, Artifact]:
    """A registered version and the bundle that was exported from it last.

    Raises:
        ModelNotFound: if there is no such version, or nothing was exported from it.
    """
    model = find_version(text, store)
    documents = {
        artifact.digest
        for record, artifact in _outputs(store, ModelVersion)
        if _names(store, artifact, model)
    }
    found = [
        artifact
        for record, artifact in _outputs(store, Bundle)
        if documents & set(_input_digests(record))
    ]
    if not found:
        raise ModelNotFound(
            f"nothing was exported from {model}",
            where=str(store.root),
            remedy="add an `export` stage to its recipe and run it again",
        )
    return model, found[-1]


def _outputs(store: Store, kind: type[Artifact]) -> Iterator[tuple[StageRecord, Artifact]]:
    for value in store.records.iterate("stage"):
        record = StageRecord.from_json(value)
        for artifact in record.outputs.values():
            if isinstance(artifact, kind) and store.has(artifact):
                yield record, artifact


def _names(store: Store, artifact: Artifact, model: ModelReference) -> bool:
    document = VersionDocument.from_json(store.read_json(artifact))
    return (document.name, document.version) == (model.name, model.version)


def _input_digests(record: StageRecord) -> Iterator[str]:
    for value in record.hashed.get("inputs", {}).values():
        yield from [value] if isinstance(value, str) else value
