"""A project of images: how many of which size, and which line of the recipe resizes them."""

from pathlib import Path
from typing import Any

from aidn_pipeline.cli.projects.start import (
    COPIED,
    Given,
    Start,
    heading,
    line_of,
    not_usable,
)
from aidn_pipeline.cli.text import table
from aidn_pipeline.errors import DataError
from aidn_pipeline.facade.tables import look_at_images, sample_images

FILES = 5000
"""Images up to which they are copied into the project."""


class ImageProject:
    """From a folder with a sub-folder of images for each class, or from the shipped digits."""

    layer = "images"
    target = False
    takes = "a folder with a sub-folder of images for each class"

    def start(self, given: Given, package: str, folder: Path) -> Start:
        """Looks at the images.

        Raises:
            UsageError: if the folder is none of images by class.
            MissingPackage: if Pillow is not installed.
        """
        if given.source is None:
            samples = sample_images()
            for name, content in samples.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            files: dict[str, bytes | Path] = {f"data/{package}/{n}": c for n, c in samples.items()}
            return _start(f"data/{package}", look_at_images(folder), files)
        try:
            facts = look_at_images(given.source)
        except DataError as error:
            raise not_usable(error, given.source) from error
        if facts["size"] > COPIED or facts["rows"] > FILES:
            return _start(str(given.source.resolve()), facts, {})
        copies: dict[str, bytes | Path] = {
            f"data/{package}/{name}": given.source / name for name in facts["files"]
        }
        return _start(f"data/{package}", facts, copies)

    def values(self, found: Start, package: str) -> dict[str, str]:
        """The size that images are brought to."""
        height, width = found.facts["proposed"]
        return {"height": str(height), "width": str(width)}

    def report(self, found: Start, recipe: str, text: str) -> str:
        """Sizes and colours of the images, with the line that changes what they are brought to."""
        facts = found.facts
        (low, narrow), (high, wide) = facts["smallest"], facts["largest"]
        same = (low, narrow) == (high, wide)
        height, width = facts["proposed"]
        rows = [
            ["pixels", f"{low}x{narrow}" + ("" if same else f" to {high}x{wide}"), ""],
            ["brought to", f"{height}x{width}", line_of("size:", recipe, text)],
            ["colours", "grey" if facts["grey"] else "red, green, blue", ""],
        ]
        return "\n".join([*heading(found), "", table(rows, header=["images", "", "to change it"])])


def _start(data: str, facts: dict[str, Any], files: dict[str, bytes | Path]) -> Start:
    return Start(data=data, label="", noun="images", facts=facts, files=files)
