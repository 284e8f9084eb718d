"""Keeps the values of secrets out of what is written: exception texts, notices, captured output.

Whoever reads a secret calls `keep_out` first. From then on `masked` replaces the value, and the
forms in which other texts carry it, by `<secret NAME>`.
"""

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus

from aidn_pipeline.errors import MASKS

LEAST = 4
"""Characters of the shortest value that is masked: a shorter one is part of ordinary words."""
LONGEST_LINE = 16
"""Characters from which a single line of a value is masked by itself."""


class Known:
    """The values that are masked in this process, in every form, with what stands in their place.

    Attributes:
        labels: what stands in the place of each form.
    """

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self._texts: re.Pattern[str] | None = None
        self._lock = Lock()

    def add(self, value: str, label: str) -> None:
        """Adds all forms of a value."""
        forms = {form for form in _forms(value) if len(form) >= LEAST}
        with self._lock:
            if forms <= self.labels.keys():
                return
            self.labels = {**dict.fromkeys(forms, label), **self.labels}
            # A longer form first: it may hold a shorter one.
            texts = sorted(self.labels, key=lambda form: (-len(form), form))
            self._texts = re.compile("|".join(map(re.escape, texts)))

    def masked(self, text: str) -> str:
        """The text without them."""
        if self._texts is None:
            return text
        return self._texts.sub(lambda found: self.labels[found[0]], text)


KNOWN = Known()


def keep_out(value: str, name: str = "") -> None:
    """Masks a value from now on.

    Args:
        value: of the secret.
        name: of the secret; without one the mask says no more than that it was one.
    """
    KNOWN.add(value, f"<secret {name}>" if name else "<secret>")


def masked(text: str) -> str:
    """The text without the values of secrets that were read in this process."""
    return KNOWN.masked(text)


def masked_within(value: Any) -> Any:
    """The same for every text inside of a value of mappings and lists."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked_within(key): masked_within(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(masked_within, value))
    return value


class MaskedStream(io.TextIOWrapper):
    """A text stream that masks what is written to it, one `write` at a time."""

    def write(self, text: str, /) -> int:
        """Writes the text, masked; returns the length that was given."""
        super().write(masked(text))
        return len(text)


def _forms(value: str) -> Iterator[str]:
    for text in dict.fromkeys((value, value.strip(), *_long_lines(value))):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield quote(text, safe="")
        yield quote(text)
        yield quote_plus(text)
    data = value.encode()
    yield data.hex()
    for shift in range(3):
        yield from _base64_forms(data, shift)


def _long_lines(value: str) -> list[str]:
    # A captured log has a key of several lines indented, or line by line.
    lines = [line.strip() for line in value.splitlines()]
    return [line for line in lines if len(line) >= LONGEST_LINE] if len(lines) > 1 else []


def _base64_forms(data: bytes, shift: int) -> Iterator[str]:
    """The value inside a longer base64 text, behind 3 n + `shift` other bytes."""
    text = base64.b64encode(bytes(shift) + data).rstrip(b"=").decode()
    # The first and the last character may also hold bits of what stands beside the value.
    first = -(-shift * 8 // 6)
    last = (shift + len(data)) * 8 // 6
    inside = text[first:last]
    yield inside
    yield inside.translate(str.maketrans("+/", "-_"))


MASKS.masked = masked
