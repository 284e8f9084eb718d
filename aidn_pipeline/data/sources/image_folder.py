"""Images of the user's in a folder of folders, one for each class."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from aidn_pipeline.core.columns import MAX_PIXELS, MOST_PIXELS, Image, Resize
from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.signature import Task
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.errors import DataError, WrongType
from aidn_pipeline.inputs.images import Header, is_image, read_header, read_pixels

LEVELS = 255.0
LAYOUT = "put images into a sub-folder for each class, such as cats/1.png and dogs/1.png"


@dataclass(frozen=True, slots=True)
class Found:
    """One image file: its path below the folder, and its class."""

    file: str
    label: str


@component("source", "image_folder", version=3, packages=("pillow",))
@dataclass(frozen=True, kw_only=True)
class ImageFolderSource:
    """A folder with a sub-folder of images for each class: `cats/1.png`, `dogs/1.png`.

    Images are decoded once, brought to one size, and stored as pixels; what comes later needs no
    Pillow. Deeper folders belong to the class above them; hidden files and other endings than
    those of images are passed over. The order is that of the paths.

    Attributes:
        path: the folder, relative to the project.
        size: height and width in pixels that every image is brought to, such as [64, 64]; empty
            wants all images to have one size already.
        resize: how: `crop` scales and cuts what stands over, `pad` scales and fills with black,
            `stretch` changes the proportions, `exact` refuses an image of another size.
        mode: `rgb`, `grey`, or `auto`: grey if no image has colours.
        task: `auto` is binary for two classes.
        max_pixels: an image of more is refused before it is decoded.
    """

    path: str = setting(content=True)
    size: tuple[int, ...] = ()
    resize: Resize = "crop"
    mode: Literal["auto", "grey", "rgb"] = "auto"
    task: Literal["auto", "binary", "multiclass"] = "auto"
    max_pixels: int = setting(MAX_PIXELS, least=1, most=MOST_PIXELS)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.size and (len(self.size) != 2 or min(self.size) < 1):
            raise WrongType(
                f"size is {list(self.size)}, not a height and a width",
                where="size",
                remedy="write `source.size=[64,64]`",
            )

    @property
    def name(self) -> str:
        """Of the data set: the folder's as it is written, the same wherever a link leads to."""
        name = Path(self.path).name
        return "images" if name in ("", "..") else name

    def read(self, project: Path) -> SourceTable:
        """Decodes every image.

        Raises:
            DataError: if the folder is not as described, a link leads out of it, or an image
                cannot be read, has too many pixels or another size.
            MissingPackage: if Pillow is not installed.
        """
        folder = project / self.path
        found = self.files(folder)
        headers = [
            read_header(folder / f.file, max_pixels=self.max_pixels, where=f"{self.path}/{f.file}")
            for f in found
        ]
        image = self._image(found, headers)
        pixels = [
            read_pixels(folder / f.file, image, where=f"{self.path}/{f.file}").tobytes()
            for f in found
        ]
        classes = {f.label for f in found}
        inferred: Task = "binary" if len(classes) == 2 else "multiclass"
        return SourceTable(
            name=self.name,
            table=pa.table(
                {
                    "image": pa.array(pixels, pa.large_binary()),
                    "file": [f.file for f in found],
                    "label": [f.label for f in found],
                }
            ),
            label="label",
            task=inferred if self.task == "auto" else self.task,
            features=("image",),
            shape=(image.channels, image.height, image.width),
            image=image,
            # Not the file's name: a copy of an image stays in its split.
            split_key="image",
            preprocess=[{"use": "rescale", "divisor": LEVELS}],
            provenance={"folder": self.name},
            where=self.path,
        )

    def files(self, folder: Path) -> list[Found]:
        """The images, in their order; none is opened.

        Raises:
            DataError: if the folder is not as described, or a link leads out of it.
        """
        return list(self._found(folder))

    def _found(self, folder: Path) -> Iterator[Found]:
        if not folder.is_dir():
            raise DataError(
                "the folder does not exist",
                where=self.path,
                remedy="set `source.path`; a relative path is against the project's root",
            )
        classes = 0
        for place in sorted(folder.iterdir()):
            if place.name.startswith("."):
                continue
            if place.is_dir() or is_image(place):
                _refuse_bytes(place.name, self.path)
            if not place.is_dir():
                if is_image(place):
                    raise DataError(
                        f"the image {place.name} stands in no class's folder",
                        where=self.path,
                        remedy=LAYOUT,
                    )
                continue
            classes += 1
            files = self._files(folder, place)
            if not files:
                raise DataError(
                    f"the folder of class {place.name!r} holds no image",
                    where=f"{self.path}/{place.name}",
                    remedy="put images into it, or remove the folder",
                )
            yield from (Found(file, place.name) for file in files)
        if classes == 0:
            raise DataError("the folder holds no folder", where=self.path, remedy=LAYOUT)

    def _files(self, folder: Path, place: Path) -> list[str]:
        inside = folder.resolve()
        files = []
        for entry in (place, *place.rglob("*")):
            name = entry.relative_to(folder).as_posix()
            linked = entry.is_symlink()
            if linked or is_image(entry):
                _refuse_bytes(name, self.path)
            if linked and (entry.is_dir() or not entry.resolve().is_relative_to(inside)):
                raise DataError(
                    "a link leads to a folder" if entry.is_dir() else "a link leads out of it",
                    where=f"{self.path}/{name}",
                    remedy="copy the images into the folder: what is read must lie in it",
                )
            if entry.is_file() and is_image(entry):
                files.append(name)
        return sorted(files)

    def _image(self, found: Sequence[Found], headers: Sequence[Header]) -> Image:
        first = headers[0]
        height, width = self.size or (first.height, first.width)
        odd = [
            f"{f.file} has {h.height}x{h.width}"
            for f, h in zip(found, headers, strict=True)
            if (h.height, h.width) != (height, width)
        ]
        if odd and not self.size:
            raise DataError(
                f"images have different sizes: {found[0].file} has {height}x{width} pixels, "
                f"{odd[0]}",
                where=self.path,
                remedy="bring them to one: `source.size=[64,64]` (height, width)",
            )
        grey = self.mode == "grey" or (self.mode == "auto" and all(h.grey for h in headers))
        return Image(
            name="image",
            channels=1 if grey else 3,
            height=height,
            width=width,
            resize=self.resize if self.size else "exact",
            max_pixels=self.max_pixels,
        )


def _refuse_bytes(name: str, folder: str) -> None:
    # Names of files and classes end up in tables and documents, which hold UTF-8.
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    if shown != name:
        raise DataError(
            f"the name `{shown}` is not UTF-8", where=f"{folder}/{shown}", remedy="rename it"
        )
