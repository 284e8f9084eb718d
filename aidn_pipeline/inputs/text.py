"""Texts into token ids: words, numbers and signs, each with an id of its own.

A word is what stands between blanks and signs, with its vowel signs and accents; in scripts that
are written without blanks every character is one. What is a letter or an accent is for the Unicode
version of Python to say, which is recorded beside the words.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import Any

from aidn_pipeline.core.columns import Text

PADDING = 0
UNKNOWN = 1
FIRST = 2
"""Id of the first known word."""

# Thai, Lao, Burmese, Khmer, kana, Han and Hangul have no blanks between words that a reader could
# count on.
SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
ASCII = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
"""What `_token` is for a text without any of these; some times faster."""
JOINERS = "\u200c\u200d"
"""Zero-width; they shape the letters around them."""
MARKED = (range(0x300, 0x20000), range(0xE0100, 0xE01F0))
"""Where Unicode has marks."""


@cache
def _token() -> re.Pattern[str]:
    marks = "".join(
        chr(code) for code in chain(*MARKED) if unicodedata.category(chr(code)) in ("Mn", "Mc")
    )
    letter = rf"[^\W{SINGLE}]"
    joined = rf"[{JOINERS}](?={letter}|[{marks}])"
    word = rf"{letter}+(?:(?:[{marks}]|{joined})+{letter}*)*"
    return re.compile(
        rf"{word}(?:['\u2019]{word})*|[{SINGLE}][{marks}]*|[^\w\s{JOINERS}][{marks}]*"
    )


def words_of(text: str, *, lowercase: bool) -> list[str]:
    """Words and signs of a text in their order.

    Args:
        text: any; compatible characters count as one (Unicode NFKC).
        lowercase: whether upper and lower case are the same.
    """
    plain = unicodedata.normalize("NFKC", text)
    token = ASCII if plain.isascii() else _token()
    return token.findall(plain.lower() if lowercase else plain)


def text_of(value: Any) -> str:
    """The text of a raw value; a missing one is empty.

    Raises:
        ValueError: if it is none; says what it is instead.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    raise ValueError(f"no text but {type(value).__name__}")


def token_reader(column: Text) -> Callable[[Any], list[int]]:
    """From one raw value to its ids, `column.length` of them; raises as `text_of` does."""
    ids = {word: number for number, word in enumerate(column.words, start=FIRST)}

    def read(value: Any) -> list[int]:
        words = words_of(text_of(value), lowercase=column.lowercase)[: column.length]
        found = [ids.get(word, UNKNOWN) for word in words]
        return found + [PADDING] * (column.length - len(found))

    return read
