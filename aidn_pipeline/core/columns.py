"""Columns of raw rows: how one raw value becomes a number.

Whatever reads raw values, a table of a million rows or one row of a request, reads them by these
functions, so that they mean the same everywhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeAlias

EPOCH = date(1970, 1, 1).toordinal()
DAY_S = 86_400.0
LARGEST = 3.4028234663852886e38
"""Of single precision."""
WORDS = {"true": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "0": 0.0}
MAX_PIXELS = 50_000_000
"""Of an image: a small file may unpack to gigabytes."""
MOST_PIXELS = 178_956_970
"""What the decoder refuses to go beyond, whatever is asked."""
IMAGE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
Resize: TypeAlias = Literal["exact", "crop", "pad", "stretch"]
Kind: TypeAlias = Literal["numeric", "boolean", "date", "categorical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of raw rows and how it becomes numbers, as fitted on the training split.

    Attributes:
        name: of the column.
        kind: what its values are; a date counts days since 1970-01-01.
        categories: values with a code of their own, from 1; every other one is 0.
        fill: takes the place of a missing number, date or truth value.
        indicator: whether a second number says 1 where the value is missing.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    fill: float = 0.0
    indicator: bool = False

    @property
    def width(self) -> int:
        """Numbers it becomes."""
        return 2 if self.indicator else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A column of texts and how one becomes token ids, as fitted on the training split.

    Attributes:
        name: of the column.
        words: what has an id of its own, from 2 on. Id 0 is padding, 1 any other word.
        length: ids of a text: a longer one is cut, a shorter one is padded on its right.
        lowercase: whether upper and lower case are the same.
        unicode: version of Unicode by which the words were told apart.
    """

    name: str
    words: tuple[str, ...]
    length: int
    lowercase: bool = True
    unicode: str = ""

    @property
    def vocabulary(self) -> int:
        """Number of ids, padding and unknown words included."""
        return len(self.words) + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A column of images and how one becomes pixels.

    Attributes:
        name: of the column.
        channels: 1 for grey, 3 for red, green, blue.
        height: in pixels.
        width: in pixels.
        resize: what is done to an image of another size; `exact` refuses it.
        max_pixels: an image of more is refused before it is decoded.
    """

    name: str
    channels: int
    height: int
    width: int
    resize: Resize = "exact"
    # Says what is refused, not what an image becomes.
    max_pixels: int = field(default=MAX_PIXELS, compare=False)


class Cell(str):
    """A cell of a text file; whether it is a number is for its column to say."""

    __slots__ = ()


def reader(column: Column) -> Callable[[Any], float]:
    """From one raw value to its number: NaN for a missing one, a code for a category."""
    if column.kind == "categorical":
        codes = {name: float(code) for code, name in enumerate(column.categories, start=1)}
        return lambda value: codes.get(text_of(value) or "", 0.0)
    return READERS[column.kind]


def text_of(value: Any) -> str | None:
    """A category's name; None for a missing value; 3.0 and 3 are the same category."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def number_of(value: Any) -> float:
    """A number as it is, NaN for a missing one.

    Raises:
        ValueError: if it is neither, or infinite; says what it is instead.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("no number") from None
    if math.isinf(number) or abs(number) > LARGEST:
        raise ValueError("too large for a number here")
    return number


def truth_of(value: Any) -> float:
    """1 for true, 0 for false, NaN for a missing value.

    Raises:
        ValueError: if it is neither.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return math.nan
    word = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if word.lower() not in WORDS:
        raise ValueError("neither true nor false")
    return WORDS[word.lower()]


def days_of(value: Any) -> float:
    """Days since 1970-01-01, with a fraction for the time of day; NaN for a missing date.

    Raises:
        ValueError: if it is no date in ISO 8601.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("no date such as 2026-03-01") from None
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.timestamp() / DAY_S
    if isinstance(value, date):
        return float(value.toordinal() - EPOCH)
    raise ValueError("no date such as 2026-03-01")


READERS: dict[Kind, Callable[[Any], float]] = {
    "numeric": number_of,
    "boolean": truth_of,
    "date": days_of,
}
