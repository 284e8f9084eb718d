"""Images of people's own: from a folder to answers on files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from support import pictures
from support.command import aidn, last_object
from support.source import ROOT

from aidn_pipeline.core.artifact import Dataset, Report
from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.errors import DataError
from aidn_pipeline.export.rows import tensor_of
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.training.inference import open_trained

pytestmark = pytest.mark.e2e
QUICK = ("source.path=photos", "source.size=[10,10]", "trainer.epochs=8", "model.blocks=2")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    pictures.digits(folder / "photos", 400)
    return folder


@pytest.fixture(scope="module")
def trained(project: Path) -> AiModelResult:
    return AiModelBuilder.from_recipe("image_folder", project).configure(*QUICK).build().check()


@pytest.fixture(scope="module")
def held_out(trained: AiModelResult, project: Path) -> tuple[DatasetView, dict, torch.Tensor]:
    """The data set, what evaluate said of its test images, and the outputs it judged."""
    workspace = Workspace.around(project)
    with workspace.open_store() as store:
        prepared, report = (
            trained.stages["prepare"].outputs["dataset"],
            trained.stages["evaluate"].outputs["predictions"],
        )
        assert isinstance(prepared, Dataset)
        assert isinstance(report, Report)
        view = DatasetView(store.files(prepared))
        view.arrays("test")
        best = open_trained(store.files(trained.checkpoint), workspace.index)
        judged = best.outputs(torch.from_numpy(view.arrays("test")[0]))
        return view, store.read_json(report), judged


def files_of(view: DatasetView, project: Path) -> list[Path]:
    return [project / "photos" / name for name in view.table("test")["file"].to_pylist()]


def test_a_folder_of_images_is_learned(trained):
    assert trained.metrics["accuracy"] > 0.8


def test_image_files_give_the_outputs_of_evaluation_bit_for_bit(trained, held_out, project):
    view, _, judged = held_out
    files = files_of(view, project)

    assert torch.equal(
        trained._servable._predictor.outputs(tensor_of(files, view.signature)), judged
    )


def test_paths_rows_bytes_arrays_and_frames_give_one_answer(
    trained, held_out, project, monkeypatch
):
    monkeypatch.chdir(project)
    view, said, _ = held_out
    files = files_of(view, project)
    names = [str(file.relative_to(project)) for file in files]
    forms = [
        names,
        files,
        [{"image": name} for name in names],
        [{"image": file.read_bytes(), "file": "any", "label": None} for file in files],
    ]
    for rows in forms:
        assert [a["label"] for a in trained.predict(rows)] == said["predicted"]
    assert trained.predict(names)[0]["file"] == names[0]
    for batch in (names, pa.table({"image": names}), view.arrays("test")[0]):
        assert trained.predict_batch(batch).labels.tolist() == said["predicted"]


def test_the_command_line_answers_folders_files_and_lists_of_files(trained, held_out, project):
    view, said, _ = held_out
    wanted = dict(zip(files_of(view, project), said["predicted"], strict=True))
    (project / "new" / "deep").mkdir(parents=True)
    for i, file in enumerate(sorted(wanted)[:4]):
        shutil.copy(file, project / "new" / ("deep" if i % 2 else ".") / file.name)
    done = aidn("predict", str(trained.model), "--input", "new", cwd=project)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    found = {Path(a["file"]).name: a["label"] for a in answers}
    assert [a["file"] for a in answers] == sorted(a["file"] for a in answers)
    assert found == {file.name: label for file, label in sorted(wanted.items())[:4]}

    (project / "new" / "notes.txt").write_text("taken in May")
    again = aidn("predict", str(trained.model), "--input", "new", cwd=project)
    assert json.loads(again.stdout) == answers

    (project / "list.csv").write_text("image\n" + "\n".join(a["file"] for a in answers) + "\n")
    for source in ("list.csv", answers[0]["file"]):
        done = aidn(
            "predict", str(trained.model), "--input", source, "--output", "a.csv", cwd=project
        )
        assert done.returncode == 0, done.stderr
        lines = (project / "a.csv").read_text().splitlines()
        assert answers[0]["label"] in lines[1].split(",")


def test_a_broken_image_names_its_row_and_its_file(trained, project):
    (project / "broken").mkdir()
    (project / "broken" / "a.png").write_bytes(b"no image")
    done = aidn("predict", str(trained.model), "--input", "broken", cwd=project)
    assert done.returncode == 3
    assert "the image cannot be read" in done.stderr
    assert "at: broken, row 1, column image: broken/a.png" in done.stderr


def test_a_text_from_elsewhere_opens_no_file(trained, project):
    with pytest.raises(DataError, match="no image"):
        trained._servable._predictor.predict(
            [{"image": str(project / "photos" / "digit0" / "0000.png")}]
        )


def test_normalisation_looks_at_training_images_alone(trained, held_out):
    view, _, _ = held_out
    pixels = view.arrays("train")[0].astype(np.float64) / 255
    fitted = view.preprocess[-1]
    assert fitted["use"] == "normalize"
    assert fitted["mean"] == pytest.approx([pixels.mean()], rel=1e-6)
    assert fitted["std"] == pytest.approx([pixels.std()], rel=1e-6)
    other = np.concatenate([view.arrays(s)[0] for s in ("train", "test")]) / 255
    assert fitted["mean"] != pytest.approx([other.mean()], rel=1e-6)


def test_a_changed_image_is_a_changed_input_and_an_added_other_file_too(project, tmp_path):
    pictures.digits(tmp_path / "photos", 60)
    plan = ("recipe=image_folder", *QUICK, "trainer.epochs=1")
    aidn(*plan, cwd=tmp_path)
    file = next((tmp_path / "photos" / "digit0").glob("*.png"))
    Image.new("L", (8, 8), 77).save(file)
    done = aidn(*plan, "--json", cwd=tmp_path)
    stages = last_object(done.stdout)["stages"]
    assert stages["snapshot"]["action"] == "run"
    assert "photos" in stages["snapshot"]["reason"]


def test_without_pillow_the_line_to_install_it_is_printed(project, tmp_path):
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise ImportError('not installed')\n")
    changes = ("recipe=image_folder", *QUICK, "source.mode=rgb")
    done = aidn(*changes, cwd=project, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 3
    assert "images need the package Pillow" in done.stderr
    assert "fix: pip install 'aidn-pipeline[images]'" in done.stderr
