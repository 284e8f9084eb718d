"""The stage that gives a model its version number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from aidn_pipeline.core.artifact import Checkpoint, Metrics, ModelVersion, Report
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.registry.gates import check_gate, parse_gate
from aidn_pipeline.registry.versions import NOUN, VersionDocument, check_name


@dataclass(frozen=True)
class RegisterInputs:
    """The model, and the evidence for it."""

    checkpoint: Checkpoint
    metrics: Metrics
    report: Report | None = None


@dataclass(frozen=True)
class RegisterOutputs:
    """The version."""

    version: ModelVersion


@component("stage", "register")
@dataclass(frozen=True, kw_only=True)
class RegisterStage(Stage[RegisterInputs, RegisterOutputs]):
    """Numbers a checkpoint under a name, if the gate is met.

    A version's identity is its name and the checkpoint's bytes: running again, or with another
    gate, gives the same number.

    Attributes:
        name: of the model.
        gate: bounds by metric, such as `{accuracy: {min: 0.95}}`; empty lets everything pass.
    """

    effects: ClassVar[Literal["pure", "external"]] = "external"
    seeded: ClassVar[bool] = False

    name: str
    gate: Mapping[str, Any] = setting(default_factory=dict, smoke={})

    def __post_init__(self) -> None:
        check_name(self.name)
        parse_gate(self.gate)

    def run(self, inputs: RegisterInputs, ctx: StageContext) -> RegisterOutputs:
        """Judges the gate on the stored metrics, verifies the weights, then takes the number.

        Raises:
            GateNotMet: if a clause does not hold; nothing is registered then.
            CorruptObject: if a byte of the metrics or the weights is not what was stored.
        """
        metrics = ctx.load(inputs.metrics)
        source = f"metrics {inputs.metrics.digest[:15]}"
        check_gate(parse_gate(self.gate), metrics, source=source, where="register.gate")
        ctx.files(inputs.checkpoint)
        facts = {"checkpoint": inputs.checkpoint.to_json(), "metrics": dict(metrics)}
        number = ctx.mint(NOUN, self.name, inputs.checkpoint.digest, facts)
        document = VersionDocument(
            name=self.name,
            version=number,
            checkpoint=inputs.checkpoint,
            metrics=metrics,
            gate=self.gate,
            report=inputs.report,
        )
        return RegisterOutputs(version=ctx.save(ModelVersion, document.to_json()))
