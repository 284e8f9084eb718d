"""Image files into pixels: sizes, modes, and files that are not what they seem."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from aidn_pipeline.core.columns import Image
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.images import read_header, read_pixels, stack_pixels

GREY = Image(name="image", channels=1, height=2, width=3)
COLOUR = Image(name="image", channels=3, height=2, width=3)
LEVELS = np.array([[0, 50, 100], [150, 200, 250]], dtype=np.uint8)


def saved(image: Pillow.Image, ending: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, ending, **more)
    return out.getvalue()


def read(data: bytes | Path, image: Image) -> np.ndarray:
    return read_pixels(data, image, where="a test")


def test_a_grey_image_gives_its_levels():
    assert read(saved(Pillow.fromarray(LEVELS)), GREY)[..., 0].tolist() == LEVELS.tolist()


def test_a_grey_image_in_colour_has_three_equal_channels():
    found = read(saved(Pillow.fromarray(LEVELS)), COLOUR)
    assert found.shape == (2, 3, 3)
    assert (found == LEVELS[..., None]).all()


def test_sixteen_bits_are_scaled_and_not_cut_off():
    deep = Pillow.fromarray(LEVELS.astype(np.uint16) * 257)
    assert read(saved(deep), GREY)[..., 0].tolist() == LEVELS.tolist()


@pytest.mark.parametrize(
    "levels",
    [LEVELS.astype(np.float32) / 255, LEVELS.astype(np.int32), LEVELS.astype(np.int32) * 257],
    ids=["float", "levels of 8 bits", "levels of 16 bits"],
)
def test_a_file_of_32_bits_a_pixel_is_refused_rather_than_read_as_black(levels, tmp_path):
    (tmp_path / "a.tif").write_bytes(saved(Pillow.fromarray(levels), "TIFF"))
    with pytest.raises(DataError, match="32 bits a pixel") as caught:
        read(tmp_path / "a.tif", GREY)
    assert "8 or 16 bits" in caught.value.remedy
    with pytest.raises(DataError, match="32 bits a pixel"):
        read_header(tmp_path / "a.tif", max_pixels=100, where="a test")


def test_a_tiff_of_sixteen_bits_is_scaled():
    deep = Pillow.fromarray(LEVELS.astype(np.uint16) * 257)
    assert read(saved(deep, "TIFF"), GREY)[..., 0].tolist() == LEVELS.tolist()


def test_a_transparent_pixel_is_white_whatever_colour_hides_in_it():
    image = Pillow.new("RGBA", (3, 2), (255, 0, 0, 0))
    assert (read(saved(image), COLOUR) == 255).all()


def test_a_palette_is_resolved():
    image = Pillow.new("RGB", (3, 2), (10, 200, 30)).quantize(4)
    assert read(saved(image), COLOUR)[0, 0].tolist() == [10, 200, 30]


def test_an_image_is_turned_as_its_exif_data_says(tmp_path):
    turned = Pillow.fromarray(LEVELS.T.copy())
    exif = turned.getexif()
    exif[0x0112] = 5  # transposed
    (tmp_path / "a.png").write_bytes(saved(turned, exif=exif))
    header = read_header(tmp_path / "a.png", max_pixels=100, where="a test")
    assert (header.height, header.width, header.grey) == (2, 3, True)
    assert read(tmp_path / "a.png", GREY)[..., 0].tolist() == LEVELS.tolist()


@pytest.mark.parametrize(
    ("resize", "corner"), [("stretch", 255), ("pad", 0), ("crop", 255)], ids=str
)
def test_another_size_is_stretched_padded_or_cropped(resize, corner):
    wide = saved(Pillow.new("L", (40, 10), 255))
    found = read(wide, Image(name="image", channels=1, height=8, width=8, resize=resize))
    assert found.shape == (8, 8, 1)
    assert found[0, 0, 0] == corner
    assert found[4, 4, 0] == 255


def test_another_size_is_refused_where_it_must_be_exact():
    with pytest.raises(DataError, match="has 10x40 pixels"):
        read(saved(Pillow.new("L", (40, 10))), GREY)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes of PNG whose header promises a huge image."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))]
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks.append(struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(8_000, 8_000), (100_000, 100_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size):
    with pytest.raises(DataError) as caught:
        read(png_that_claims(*size), GREY)
    assert "pixels" in caught.value.problem


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", saved(Pillow.fromarray(LEVELS))[:-30], b"%!PS-Adobe-3.0 EPSF-3.0\n"],
    ids=["empty", "text", "cut off", "postscript"],
)
def test_what_is_no_whole_image_is_named(data):
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_pixels(data, GREY, where="photos/a.png")
    assert caught.value.where == "photos/a.png"


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_gives_an_image_or_an_error_of_ours(data):
    whole = bytearray(
        saved(Pillow.fromarray(LEVELS), data.draw(st.sampled_from(["PNG", "GIF", "BMP"])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DataError):
        assert read(bytes(whole), GREY).shape == (2, 3, 1)


def test_an_error_about_bytes_names_no_object_of_python():
    with pytest.raises(DataError) as caught:
        read(b"no image", GREY)
    assert "object at" not in caught.value.problem


def test_an_image_above_the_decoder_s_own_limit_is_not_blamed_on_the_viewer():
    with pytest.raises(DataError, match="pixels") as caught:
        read(png_that_claims(100_000, 100_000), GREY)
    assert "make it smaller" in caught.value.remedy
    assert "max_pixels" not in caught.value.remedy


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "gone.png", GREY)


def test_files_bytes_and_arrays_of_one_image_give_one_answer(tmp_path):
    data = saved(Pillow.fromarray(LEVELS))
    (tmp_path / "a.png").write_bytes(data)
    values = [tmp_path / "a.png", data, LEVELS, LEVELS[..., None], LEVELS.astype(float)]
    found = stack_pixels(values, GREY, place=str)
    assert found.shape == (5, 1, 2, 3)
    assert (found == LEVELS).all()


@pytest.mark.parametrize(
    "value",
    [
        "/etc/passwd",
        5,
        LEVELS.T,
        LEVELS / 255,
        LEVELS.astype(str),
        np.array([[None, 50, 100], [150, 200, 250]]),
        np.ma.masked_array(LEVELS, mask=LEVELS > 100),
    ],
    ids=["text", "number", "shape", "fractions", "texts", "objects", "masked"],
)
def test_what_is_no_array_of_levels_is_no_image(value):
    with pytest.raises(DataError) as caught:
        stack_pixels([value], GREY, place=lambda i: f"row {i + 1}")
    assert caught.value.where == "row 1"
