"""The register stage: idempotent, gated, verified."""

from typing import Any, cast

import pytest
from support.sweeps import MemoryContext

from aidn_pipeline.core.artifact import Checkpoint, Metrics, Report
from aidn_pipeline.core.stage import StageContext
from aidn_pipeline.errors import GateNotMet, NewerFormat, WrongType
from aidn_pipeline.registry.versions import VersionDocument
from aidn_pipeline.stages.register import RegisterInputs, RegisterStage


def register(ctx: MemoryContext, weights: str = "w", **fields: Any) -> VersionDocument:
    inputs = RegisterInputs(
        cast(Checkpoint, ctx.save(Checkpoint, {"state": weights})),
        cast(Metrics, ctx.save(Metrics, {"accuracy": 0.9})),
        cast(Report, ctx.save(Report, {"rows": 1})),
    )
    outputs = RegisterStage(**({"name": "digits"} | fields)).run(inputs, cast(StageContext, ctx))
    return VersionDocument.from_json(ctx.load(outputs.version))


def test_a_version_names_its_checkpoint_its_metrics_and_its_gate() -> None:
    found = register(MemoryContext(), gate={"accuracy": {"min": 0.9}})
    assert (found.name, found.version, found.metrics) == ("digits", 1, {"accuracy": 0.9})
    assert found.checkpoint.kind == "checkpoint"
    assert found.gate == {"accuracy": {"min": 0.9}}
    assert VersionDocument.from_json(found.to_json()) == found


def test_the_same_weights_are_the_same_version_even_with_a_looser_gate() -> None:
    ctx = MemoryContext()
    first = register(ctx, gate={"accuracy": {"min": 0.9}})
    assert register(ctx, gate={"accuracy": {"min": 0.1}}).version == first.version == 1
    assert register(ctx, "other").version == 2


def test_where_the_gate_is_not_met_no_number_is_taken() -> None:
    ctx = MemoryContext()
    with pytest.raises(GateNotMet, match=r"it is 0\.9 in metrics b3:"):
        register(ctx, gate={"accuracy": {"min": 0.95}})
    assert not any(key.startswith("model/") for key in ctx.objects)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a@1", "a b", "-a", "x" * 101])
def test_a_name_that_could_be_a_path_or_a_reference_is_refused(name: str) -> None:
    with pytest.raises(WrongType):
        RegisterStage(name=name)


def test_a_wrong_gate_is_refused_when_the_stage_is_built() -> None:
    with pytest.raises(WrongType):
        RegisterStage(name="digits", gate={"accuracy": 0.9})


def test_a_newer_document_is_refused() -> None:
    document = register(MemoryContext()).to_json() | {"format": 2}
    with pytest.raises(NewerFormat):
        VersionDocument.from_json(document)
