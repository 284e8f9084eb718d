"""Model versions: a number for the bytes of a checkpoint under a name.

Equal bytes under the same name are the same version for ever, so registering again, or with a
looser gate, never makes a second one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.core.artifact import Artifact, artifact_from_json
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.errors import NewerFormat, WrongType

FORMAT = 1
NOUN = "model"
"""Under which versions are numbered in the store."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDocument:
    """What a `model_version` artifact says.

    Attributes:
        name: of the model.
        version: its number, from 1.
        checkpoint: the weights.
        metrics: the evidence the gate was judged on.
        gate: as written in the recipe.
        report: the evaluation's report, if one was wired.
    """

    name: str
    version: int
    checkpoint: Artifact
    metrics: Mapping[str, float]
    gate: Mapping[str, Any]
    report: Artifact | None = None

    def to_json(self) -> dict[str, JSON]:
        """The artifact's content."""
        value: dict[str, JSON] = {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "checkpoint": self.checkpoint.to_json(),
            "metrics": dict(self.metrics),
            "gate": dict(self.gate),
        }
        if self.report is not None:
            value["report"] = self.report.to_json()
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "VersionDocument":
        """The inverse of `to_json`.

        Raises:
            NewerFormat: if a later release wrote it.
        """
        if value["format"] != FORMAT:
            raise NewerFormat(
                f"model version of format {value['format']!r}, this release reads {FORMAT}",
                where=f"{value.get('name')}@{value.get('version')}",
                remedy="use the release that wrote it",
            )
        report = value.get("report")
        return cls(
            name=value["name"],
            version=value["version"],
            checkpoint=artifact_from_json(value["checkpoint"]),
            metrics=value["metrics"],
            gate=value["gate"],
            report=None if report is None else artifact_from_json(report),
        )


def check_name(name: str, *, where: str = "name") -> None:
    """Refuses a name that could be read as a path or as `name@version`.

    Raises:
        WrongType: if it is not letters, digits, `_`, `.` and `-`, at most 100.
    """
    if not NAME.fullmatch(name):
        raise WrongType(
            f"{name!r} is no name for a model",
            where=where,
            remedy="use letters, digits, `_`, `.` and `-`, beginning with a letter or a digit",
        )
