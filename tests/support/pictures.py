"""Images in folders, made from the digits."""

from pathlib import Path

import numpy as np
from PIL import Image

from aidn_pipeline.data.sources.digits import DigitsSource

LEVEL = 15
"""Of the 16 grey levels of the digits to the 255 of a file."""


def digits(folder: Path, count: int) -> Path:
    """The first digits as grey PNG files of 8x8 pixels, a sub-folder for each class."""
    table = DigitsSource().read(folder).table.slice(0, count)
    pixels = np.stack([table[name].to_numpy() for name in table.column_names[:-1]], axis=1)
    images = (pixels.reshape(-1, 8, 8) * LEVEL).astype(np.uint8)
    for number, (image, label) in enumerate(zip(images, table["label"].to_pylist(), strict=True)):
        place = folder / f"digit{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:04}.png")
    return folder
