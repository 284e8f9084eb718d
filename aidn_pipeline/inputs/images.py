"""Image files into pixels, with suspicion: a file may be anything.

Pillow does the decoding. It is an extra, imported when the first image is opened.
"""

import importlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from aidn_pipeline.core.columns import IMAGE_ENDINGS, MOST_PIXELS, Image
from aidn_pipeline.errors import DataError, MissingPackage
from aidn_pipeline.inputs.arrays import as_array

Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What is decoded; Pillow's other decoders are never offered a byte."""
GREY = {"1", "L", "LA", "La"}
DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes of 16 bits a pixel, grey."""
ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap height and width."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image file says of itself, without decoding it.

    Attributes:
        height: in pixels, upright.
        width: in pixels, upright.
        grey: whether it has no colours.
    """

    height: int
    width: int
    grey: bool


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image."""
    return path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".")


def read_header(file: Path, *, max_pixels: int, where: str) -> Header:
    """Looks at an image file without decoding it; errors name the place `where`.

    Raises:
        DataError: if it is no image, or one of too many pixels.
        MissingPackage: if Pillow is not installed.
    """
    with _opened(file, where, max_pixels) as image:
        width, height = image.size
        if _sideways(image, where):
            width, height = height, width
        return Header(height, width, image.mode in GREY or image.mode in DEEP)


def _sideways(image: Any, where: str) -> bool:
    # Of a PNG without such data at its beginning Pillow would decode all to look for it.
    if image.format == "PNG" and "exif" not in image.info:
        return False
    try:
        return image.getexif().get(ORIENTATION) in SIDEWAYS
    except Exception as problem:
        raise _unreadable(where, problem) from problem


def read_pixels(source: Path | bytes, image: Image, *, where: str) -> Pixels:
    """The pixels of an image file, shape (height, width, channels).

    It is turned upright as its EXIF data says, laid on white where it is transparent, and of a
    film the first picture.

    Args:
        source: a file, or its bytes.
        image: size and channels to bring it to.
        where: the place to name in errors.

    Raises:
        DataError: if it cannot be decoded, has too many pixels, or another size than it must.
        MissingPackage: if Pillow is not installed.
    """
    with _opened(source, where, image.max_pixels) as opened:
        try:
            plain = _converted(_module("ImageOps").exif_transpose(opened), image)
        except Exception as problem:
            # Decoders of a dozen formats raise whatever they stumble over.
            raise _unreadable(where, problem) from problem
    found: Pixels = np.asarray(_sized(plain, image, where), dtype=np.uint8)
    return found.reshape(image.height, image.width, image.channels)


def stack_pixels(values: Iterable[Any], image: Image, *, place: Callable[[int], str]) -> Pixels:
    """Pixels of several images, shape (images, channels, height, width).

    Args:
        values: of each image its file, the bytes of one, or its pixels as an array of whole numbers
            from 0 to 255 and shape (height, width, channels), or (height, width) if it is grey. A
            text is no path: who takes rows from strangers must not read files for them.
        image: size and channels.
        place: from an image's position to where it stands, for errors.

    Raises:
        DataError: if one is no image or has another size.
        MissingPackage: if Pillow is needed and not installed.
    """
    shape = (image.channels, image.height, image.width)
    found = [_pixels(value, image, place(i)) for i, value in enumerate(values)]
    stacked: Pixels = np.empty((len(found), *shape), dtype=np.uint8)
    for i, pixels in enumerate(found):
        stacked[i] = pixels.transpose(2, 0, 1)
    return stacked


def _pixels(value: Any, image: Image, where: str) -> Pixels:
    if isinstance(value, (Path, bytes)):
        return read_pixels(
            value, image, where=f"{where}: {value}" if isinstance(value, Path) else where
        )
    if not hasattr(value, "__array__"):
        raise DataError(
            f"{value!r:.60} is {type(value).__name__}, no image",
            where=where,
            remedy="pass a pathlib.Path, the bytes of an image file, or an array of its pixels",
        )
    return as_levels(value, where).reshape(_shape_of(value, image, where))


def as_levels(value: Any, where: str) -> Pixels:
    """An array of whole numbers from 0 to 255 as uint8.

    Raises:
        DataError: if a number is none of them.
    """
    array = as_array(value)
    try:
        levels: Pixels = np.clip(np.nan_to_num(array), 0, 255).astype(np.uint8, order="C")
    except (TypeError, ValueError):  # texts, and objects that are no numbers
        levels = np.empty(0, np.uint8)
    if array.dtype != np.uint8 and not np.array_equal(levels, array):
        raise DataError(
            "pixels are whole numbers from 0 to 255",
            where=where,
            remedy="pass levels as a file has them: the model's transforms divide them",
        )
    return levels


def _shape_of(value: Any, image: Image, where: str) -> tuple[int, int, int]:
    wanted = (image.height, image.width, image.channels)
    found = tuple(value.shape)
    if found != wanted and not (image.channels == 1 and found == wanted[:2]):
        raise DataError(
            f"pixels of shape {list(found)}, the model takes {list(wanted)}",
            where=where,
            remedy="pass (height, width, channels), or the image's file, which is resized",
        )
    return wanted


def _converted(opened: Any, image: Image) -> Any:
    if opened.mode in DEEP:
        # Pillow would cut 16 bits off at 255 instead of scaling them.
        opened = opened.convert("I").point(lambda level: level * (1 / 257)).convert("L")
    if "transparency" in opened.info or opened.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        front = opened.convert("RGBA")
        back = _module("Image").new("RGBA", front.size, "white")
        opened = _module("Image").alpha_composite(back, front)
    return opened.convert("L" if image.channels == 1 else "RGB")


def _sized(plain: Any, image: Image, where: str) -> Any:
    size = (image.width, image.height)
    if plain.size == size:
        return plain
    smooth = _module("Image").Resampling.BILINEAR
    if image.resize == "stretch":
        return plain.resize(size, smooth)
    if image.resize == "crop":
        return _module("ImageOps").fit(plain, size, smooth)
    if image.resize == "pad":
        return _module("ImageOps").pad(plain, size, smooth)
    raise DataError(
        f"the image has {plain.size[1]}x{plain.size[0]} pixels (height x width), "
        f"not {image.height}x{image.width}",
        where=where,
        remedy="bring all images to one size: `source.size=[64,64]`, as the model is trained",
    )


def _opened(source: Path | bytes, where: str, max_pixels: int) -> Any:
    images = _module("Image")
    try:
        opened = images.open(
            io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS
        )
    except FileNotFoundError as problem:
        raise DataError(
            "the image file does not exist",
            where=where,
            remedy="a relative path is against the folder in which the command runs",
        ) from problem
    except images.UnidentifiedImageError as problem:
        # Of bytes its own words name an object of Python.
        raise _unreadable(where, "it is none of the known formats") from problem
    except images.DecompressionBombError as problem:
        raise DataError(
            f"the image has more than {MOST_PIXELS:,} pixels, which is never decoded",
            where=where,
            remedy="make it smaller",
        ) from problem
    except Exception as problem:
        raise _unreadable(where, problem) from problem
    # Of PNG alone the decoder's 32 bits mean 16.
    if opened.mode == "F" or (opened.mode == "I" and opened.format != "PNG"):
        opened.close()
        raise DataError(
            "the image has 32 bits a pixel, and nothing says which level is white",
            where=where,
            remedy="convert it to 8 or 16 bits",
        )
    width, height = opened.size
    if width * height > max_pixels:
        opened.close()
        raise DataError(
            f"the image has {width * height:,} pixels, more than {max_pixels:,}",
            where=where,
            remedy="make it smaller, or raise `source.max_pixels` if you trust it",
        )
    return opened


def _unreadable(where: str, problem: Exception | str) -> DataError:
    said = f"{problem}" or type(problem).__name__
    return DataError(
        f"the image cannot be read: {said}",
        where=where,
        remedy=f"open it in an image viewer; replace or remove it. Known: {', '.join(FORMATS)}",
    )


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"PIL.{name}")
    except ImportError as problem:
        raise MissingPackage(
            "images need the package Pillow, which is not installed",
            where=f"PIL.{name}",
            remedy="pip install 'aidn-pipeline[images]'",
        ) from problem
