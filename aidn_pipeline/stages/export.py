"""A registered version as a servable bundle."""

from dataclasses import dataclass

from aidn_pipeline.core.artifact import Bundle, Checkpoint, ModelVersion, artifact_from_json
from aidn_pipeline.core.component import component
from aidn_pipeline.core.stage import Stage, StageContext
from aidn_pipeline.errors import CorruptObject, StageFailed
from aidn_pipeline.export.bundle import (
    DOCUMENT,
    WEIGHTS,
    build_predictor,
    bundle_document,
    check_golden,
    read_weights,
)
from aidn_pipeline.training.inference import read_description


@dataclass(frozen=True)
class ExportInputs:
    """The version to export."""

    version: ModelVersion


@dataclass(frozen=True)
class ExportOutputs:
    """`model.json` and `weights.safetensors`, the latter the checkpoint's own bytes."""

    bundle: Bundle


@component("stage", "export", packages=("torch",))
@dataclass(frozen=True, kw_only=True)
class Export(Stage[ExportInputs, ExportOutputs]):
    """Makes a bundle and proves it: the golden rows must give the outputs of the training."""

    seeded = False

    def run(self, inputs: ExportInputs, ctx: StageContext) -> ExportOutputs:
        """Writes the bundle.

        Raises:
            StageFailed: if the bundle's outputs differ from the checkpoint's.
            CorruptObject: if the checkpoint is damaged.
        """
        version = ctx.load(inputs.version)
        checkpoint = artifact_from_json(version["checkpoint"])
        if not isinstance(checkpoint, Checkpoint):
            raise StageFailed(
                f"the version names a {checkpoint.kind}, not a checkpoint",
                where=f"model {version['name']}@{version['version']}",
                remedy="register a checkpoint of a train stage",
            )
        files = ctx.files(checkpoint)
        description = read_description(files["checkpoint.json"])
        weights = ctx.refs(checkpoint)["state.safetensors"]
        document = bundle_document(
            description, weights, {"name": version["name"], "version": version["version"]}
        )
        tensors = read_weights(files["state.safetensors"])
        try:
            check_golden(build_predictor(description, tensors, ctx.index), "checkpoint.json")
        except CorruptObject as error:
            raise StageFailed(error.problem, where="export", remedy=error.remedy) from error
        return ExportOutputs(ctx.save(Bundle, {DOCUMENT: document, WEIGHTS: weights}))
