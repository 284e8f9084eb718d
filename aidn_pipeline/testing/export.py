"""What a stage that exports a model keeps to, beside what every stage does."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from aidn_pipeline.core.artifact import Artifact, Bundle, Checkpoint, artifact_from_json
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.export.bundle import TOLERANCE, load_bundle
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.performing import Place, perform
from aidn_pipeline.testing.stage import StageSuite
from aidn_pipeline.testing.subject import Subject
from aidn_pipeline.training.inference import Trained, open_trained

ROWS = 16
"""Raw rows that are predicted."""


class ExportSuite(StageSuite):
    """What was exported answers like the checkpoint it was made of.

    One input is the checkpoint, or the model version that names it; one output is a bundle.
    """

    def load(self, folder: Path) -> Callable[[Tensor], Tensor]:
        """From a bundle's folder to a function of raw rows; override it for a format of your own.

        Args:
            folder: with the bundle's files, and nothing else.
        """
        return load_bundle(folder, self.subject.index).outputs

    def rows(self, signature: Signature) -> Tensor:
        """Raw rows (n, *signature.raw_shape); override it where noise is no row."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(ROWS, *signature.raw_shape, generator=generator)

    def test_the_bundle_can_be_loaded(self, tmp_path: Path) -> None:
        """From its files alone, twice, with the same answers."""
        subject, trained, folder = self._exported(tmp_path)
        rows = self.rows(trained.signature)
        first = self.load(folder)(rows)
        hold(
            torch.equal(first, self.load(folder)(rows)),
            f"the bundle of {subject.spec.key} answers otherwise when it is loaded again",
            where=subject.where,
        )

    def test_the_bundle_answers_like_the_checkpoint(self, tmp_path: Path) -> None:
        """Outputs for raw rows differ by no more than kernels do."""
        subject, trained, folder = self._exported(tmp_path)
        rows = self.rows(trained.signature)
        wanted, found = trained.outputs(rows), self.load(folder)(rows)
        hold(
            wanted.shape == found.shape,
            f"the bundle gives outputs of shape {tuple(found.shape)}, "
            f"the checkpoint {tuple(wanted.shape)}",
            where=subject.where,
        )
        hold(
            torch.allclose(found, wanted, rtol=TOLERANCE["relative"], atol=TOLERANCE["absolute"]),
            f"the bundle's outputs lie up to {float((found - wanted).abs().max()):.3g} away from "
            "the checkpoint's",
            where=subject.where,
            remedy="export weights and preprocessing of the checkpoint as they are, in eval mode",
        )

    def _exported(self, tmp_path: Path) -> tuple[Subject, Trained, Path]:
        subject, place = self._place(tmp_path)
        outputs = perform(subject, place).record.outputs
        bundle = next((a for a in outputs.values() if isinstance(a, Bundle)), None)
        hold(bundle is not None, f"{subject.spec.key} gives no bundle", where=subject.where)
        assert bundle is not None
        with place.open() as store:
            checkpoint = _checkpoint(place, subject)
            trained = open_trained(store.files(checkpoint), subject.index)
            store.checkout(bundle, tmp_path / "bundle")
        return subject, trained, tmp_path / "bundle"


def _checkpoint(place: Place, subject: Subject) -> Artifact:
    given: Mapping[str, object] = place.inputs
    for artifact in given.values():
        if isinstance(artifact, Checkpoint):
            return artifact
        if isinstance(artifact, Artifact) and artifact.kind == "model_version":
            with place.open() as store:
                return artifact_from_json(store.read_json(artifact)["checkpoint"])
    hold(False, f"no input of {subject.spec.key} is a model", where=subject.where)
    raise AssertionError
