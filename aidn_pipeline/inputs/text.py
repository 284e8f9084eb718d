"""Texts into token ids: words, numbers and signs, each with an id of its own.

A word is what stands between blanks and signs; in scripts that are written without blanks every
character is one.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from aidn_pipeline.core.columns import Text

PADDING = 0
UNKNOWN = 1
FIRST = 2
"""Id of the first known word."""

# Kana, Han and Hangul have no blanks between words that a reader could count on.
SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
TOKEN = re.compile(rf"[{SINGLE}]|[^\W{SINGLE}]+(?:['\u2019][^\W{SINGLE}]+)*|[^\w\s]")


def words_of(text: str, *, lowercase: bool) -> list[str]:
    """Words and signs of a text in their order.

    Args:
        text: any; compatible characters count as one (Unicode NFKC).
        lowercase: whether upper and lower case are the same.
    """
    plain = unicodedata.normalize("NFKC", text)
    return TOKEN.findall(plain.lower() if lowercase else plain)


def text_of(value: Any) -> str:
    """The text of a raw value; a missing one is empty.

    Raises:
        ValueError: if it is none; says what it is instead.
    """
    if value is None:
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
