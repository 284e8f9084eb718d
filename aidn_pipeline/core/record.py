"""Records: what the store remembers of work and runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aidn_pipeline.core.artifact import Artifact, artifact_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """A piece of work that was done; committing it is what makes its outputs visible.

    Attributes:
        fingerprint: identity of the work.
        family: the same without the values of extendable fields.
        base: identity of the configuration alone, without inputs and params.
        component: `stage/NAME`.
        hashed: everything that was hashed, kept so that "why" is the difference of two records.
        extends: values of the extendable fields, by dotted path.
        outputs: artifacts by port.
        observed: what a clock or a host decides; no comparison reads it. `accepted` says that
            somebody declared these to be the outputs of this work, which other work gave.
    """

    fingerprint: str
    family: str
    base: str
    component: str
    hashed: Mapping[str, Any]
    extends: Mapping[str, Any]
    outputs: Mapping[str, Artifact]
    observed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> Mapping[str, Any] | None:
        """Who accepted it as meaning the same as which other work, when and why; mostly None."""
        found: Mapping[str, Any] | None = self.observed.get("accepted")
        return found

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was accepted and that was taken back: history, and never reused."""
        return bool(self.accepted and self.accepted.get("withdrawn"))

    def to_json(self) -> dict[str, Any]:
        """The form kept in the store's journal."""
        return {
            "fingerprint": self.fingerprint,
            "family": self.family,
            "base": self.base,
            "component": self.component,
            "hashed": dict(self.hashed),
            "extends": dict(self.extends),
            "outputs": {port: a.to_json() for port, a in self.outputs.items()},
            "observed": dict(self.observed),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StageRecord":
        """The inverse of `to_json`."""
        plain = dict(value)
        plain["outputs"] = {port: artifact_from_json(a) for port, a in plain["outputs"].items()}
        return cls(**plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One invocation: a host fact, never compared.

    Attributes:
        run: its id.
        recipe: the recipe's name.
        status: `running` until it ends; a dead owner makes that `interrupted` for a reader.
        started: seconds since the epoch.
        stages: fingerprint by stage name, as far as known.
        facts: everything else: overrides, resolved config, host, metrics, model, bundle.
    """

    run: str
    recipe: str
    status: str
    started: float
    stages: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The form kept in the store's journal."""
        return {
            "run": self.run,
            "recipe": self.recipe,
            "status": self.status,
            "started": self.started,
            "stages": dict(self.stages),
            "facts": dict(self.facts),
        }
