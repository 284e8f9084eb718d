"""How stages and runs end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Action, Status
from aidn_pipeline.errors import AidnError
from aidn_pipeline.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """How a stage of a run ended."""

    action: Action
    reason: str
    status: str
    fingerprint: str | None = None
    seconds: float = 0.0
    outputs: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended; `error` is what stopped it."""

    run: str
    status: Status
    seconds: float
    stages: Mapping[str, StageResult]
    error: AidnError | None = None


def run_status(store: Store, record: Mapping[str, Any]) -> str:
    """A run's status for a reader: `running` only while its owner lives."""
    if record["status"] == "running" and not store.locks.held(f"run/{record['run']}"):
        return "interrupted"
    return str(record["status"])
