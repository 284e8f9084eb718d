"""Folders of images by class."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import pictures

from aidn_pipeline.core.columns import Image as ImageColumn
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import FileRef
from aidn_pipeline.data.dataset import DatasetView, snapshot_files, split_files
from aidn_pipeline.data.sources.digits import DigitsSource
from aidn_pipeline.data.sources.image_folder import ImageFolderSource
from aidn_pipeline.data.table import identity
from aidn_pipeline.errors import DataError, WrongType


@pytest.fixture
def project(tmp_path: Path) -> Path:
    pictures.digits(tmp_path / "photos", 60)
    return tmp_path


def source(**fields: object) -> ImageFolderSource:
    return ImageFolderSource(path="photos", **fields)


def view_of(project: Path, **fields: object) -> DatasetView:
    folder = project / "set"
    folder.mkdir(exist_ok=True)
    for name, data in snapshot_files(source(**fields).read(project)).items():
        (folder / name).write_bytes(data)
    return DatasetView({p.name: p for p in folder.iterdir()})


def test_the_pixels_and_classes_are_those_of_the_files(project):
    view = view_of(project)
    pixels, classes = view.arrays("all")
    table = DigitsSource().read(project).table.slice(0, 60)
    wanted = np.stack([table[name].to_numpy() for name in table.column_names[:-1]], axis=1)
    rows = [int(Path(file).stem) for file in view.table()["file"].to_pylist()]

    assert pixels.dtype == np.uint8
    assert (pixels.reshape(60, 64) == wanted[rows] * pictures.LEVEL).all()
    assert classes.tolist() == table["label"].to_numpy()[rows].tolist()
    assert view.signature.classes == tuple(f"digit{i}" for i in range(10))


def test_the_signature_says_how_an_image_is_read_and_survives_json(project):
    signature = view_of(project, size=(12, 10), resize="pad", mode="rgb").signature
    assert signature.shape == signature.raw_shape == (3, 12, 10)
    assert signature.raw_dtype == "uint8"
    assert signature.image == ImageColumn(
        name="image", channels=3, height=12, width=10, resize="pad"
    )
    assert Signature.from_json(signature.to_json()) == signature


def test_a_link_s_target_gives_no_byte_of_the_data_set(project):
    plain = snapshot_files(source().read(project))
    (project / "photos").rename(project / "elsewhere")
    (project / "photos").symlink_to(project / "elsewhere")
    assert snapshot_files(source().read(project)) == plain


@pytest.mark.parametrize("path", [".", "./", "..", "photos/", "./photos"])
def test_the_name_is_of_the_path_as_written_and_never_of_the_machine(project, path):
    name = "photos" if "photos" in path else "images"
    assert ImageFolderSource(path=path).name == name


def test_more_pixels_than_the_decoder_ever_takes_are_refused_as_a_setting():
    with pytest.raises(WrongType, match="max_pixels"):
        source(max_pixels=400_000_000)


def test_the_order_in_which_files_were_made_changes_nothing(project):
    first = source().read(project).table
    files = sorted((project / "photos").rglob("*.png"), reverse=True)
    for file in files:
        file.rename(project / file.name)
    shutil.rmtree(project / "photos")
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        (project / file.name).rename(file)
    assert identity(source().read(project).table) == identity(first)


def test_copies_of_an_image_stay_in_one_split(project):
    for file in sorted((project / "photos").rglob("*.png")):
        shutil.copy(file, file.with_stem(f"copy-{file.stem}"))
    view = view_of(project)
    files = split_files(view, FileRef("t", 1), {"train": 0.5, "test": 0.5}, seed=0, key=None)
    codes = files["split.bin"]
    names = view.table()["file"].to_pylist()
    place = {name: codes[i] for i, name in enumerate(names)}
    assert set(codes) == {0, 1}
    assert all(place[n] == place[n.replace("/", "/copy-")] for n in names if "copy-" not in n)


def test_deeper_folders_belong_to_their_class_and_other_files_are_passed_over(project):
    deep = project / "photos" / "digit0" / "more" / "1.PNG"
    deep.parent.mkdir()
    shutil.copy(next((project / "photos" / "digit0").glob("*.png")), deep)
    (project / "photos" / "digit0" / "notes.txt").write_text("no image")
    (project / "photos" / "digit0" / ".thumb.png").write_text("hidden")
    (project / "photos" / ".cache").mkdir()
    table = source().read(project).table
    assert table.num_rows == 61
    assert "digit0/more/1.PNG" in table["file"].to_pylist()


def test_two_classes_are_a_binary_task(project):
    for other in range(2, 10):
        shutil.rmtree(project / "photos" / f"digit{other}")
    assert source().read(project).task == "binary"
    assert source(task="multiclass").read(project).task == "multiclass"


def test_one_image_with_colours_makes_all_of_them_colour(project):
    Image.new("RGB", (8, 8), "red").save(project / "photos" / "digit3" / "red.png")
    assert source().read(project).shape == (3, 8, 8)
    assert source(mode="grey").read(project).shape == (1, 8, 8)


def test_a_link_out_of_the_folder_is_refused(project):
    (project / "secret.png").write_bytes(b"x")
    (project / "photos" / "digit1" / "link.png").symlink_to(project / "secret.png")
    with pytest.raises(DataError, match="a link leads out of it") as caught:
        source().read(project)
    assert caught.value.where == "photos/digit1/link.png"


def test_a_link_to_a_folder_is_refused(project):
    (project / "photos" / "digit1" / "more").symlink_to(project / "photos" / "digit2")
    with pytest.raises(DataError, match="a link leads to a folder"):
        source().read(project)


def test_a_link_within_the_folder_is_an_image_like_others(project):
    target = next((project / "photos" / "digit0").glob("*.png"))
    (project / "photos" / "digit0" / "same.png").symlink_to(target)
    assert source().read(project).table.num_rows == 61


def cut_off(ending: str) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((8, 8), 50).convert("RGB").save(out, ending, exif=Image.Exif())
    return out.getvalue()[:-40]


@pytest.mark.parametrize(
    "content", [b"", b"no image", cut_off("PNG"), cut_off("JPEG"), cut_off("WEBP")]
)
def test_an_unreadable_image_is_named(content, project):
    (project / "photos" / "digit1" / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        source().read(project)
    assert caught.value.where == "photos/digit1/broken.png"


def test_images_of_several_sizes_want_a_size(project):
    Image.new("L", (9, 8)).save(project / "photos" / "digit1" / "wide.png")
    with pytest.raises(DataError, match=r"digit1/wide\.png has 8x9") as caught:
        source().read(project)
    assert "source.size=[64,64]" in caught.value.remedy
    assert source(size=(8, 8)).read(project).table.num_rows == 61


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (shutil.rmtree, "does not exist"),
        (lambda photos: [shutil.rmtree(p) for p in photos.iterdir()], "holds no folder"),
        (lambda photos: (photos / "empty").mkdir(), "'empty' holds no image"),
        (lambda photos: Image.new("L", (8, 8)).save(photos / "a.png"), "a.png stands in no class"),
    ],
)
def test_a_folder_of_another_layout_says_what_is_wrong(make, said, project):
    make(project / "photos")
    with pytest.raises(DataError, match=said):
        source().read(project)


@pytest.mark.parametrize("size", [(8,), (0, 8), (8, 8, 3)])
def test_a_size_is_a_height_and_a_width(size):
    with pytest.raises(WrongType, match="not a height and a width"):
        source(size=size)
