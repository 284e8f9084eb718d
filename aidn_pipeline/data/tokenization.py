"""Preparation of texts: the words that get an id, told from the training rows alone."""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from aidn_pipeline.core.columns import Text
from aidn_pipeline.core.stage import Content, FileRef
from aidn_pipeline.data.dataset import TRAIN, DatasetView, redescribed
from aidn_pipeline.errors import DataError
from aidn_pipeline.inputs.text import words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a vocabulary may hold.

    Attributes:
        max_words: words with an id of their own, the most frequent ones.
        min_count: times a word must occur in training for one.
        max_tokens: words of a text that are read.
        lowercase: whether upper and lower case are the same.
    """

    max_words: int
    min_count: int
    max_tokens: int
    lowercase: bool


@dataclass(frozen=True, slots=True)
class Tokenized:
    """A view of texts as token ids.

    Attributes:
        files: of the data set.
        text: as fitted.
        words: different ones in the training split.
        unknown: share of the training split's words that have no id.
        cut: training texts that are longer than what is read of them.
        empty: training texts without a word.
    """

    files: Mapping[str, Content]
    text: Text
    words: int
    unknown: float
    cut: int
    empty: int


def tokenize(view: DatasetView, refs: Mapping[str, FileRef], limits: Limits) -> Tokenized:
    """Fits the vocabulary on the training split; the table is named again, not copied.

    Args:
        view: a split data set whose one feature is a column of texts.
        refs: its files.
        limits: of the vocabulary.

    Raises:
        DataError: if it is not split, prepared already, or holds no texts.
    """
    signature = view.signature
    name = _text_column(view)
    texts = view.table(TRAIN)[name].to_pylist()
    split = [words_of(text or "", lowercase=limits.lowercase) for text in texts]
    counts = Counter(chain.from_iterable(split))
    # Of equal counts the first in the alphabet: the order of the rows must not matter.
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    known = [word for word in ranked if counts[word] >= limits.min_count][: limits.max_words]
    if not known:
        raise DataError(
            f"no word of the {len(texts)} training texts is found {limits.min_count} times",
            where=f"data set {view.name}, column {name}",
            remedy="lower `stages.prepare.min_count`, or bring more texts",
        )
    longest = max(map(len, split))
    text = Text(
        name=name,
        words=tuple(known),
        length=min(longest, limits.max_tokens),
        lowercase=limits.lowercase,
        unicode=unicodedata.unidata_version,
    )
    fitted = replace(
        signature,
        shape=(text.length,),
        dtype="int64",
        text=text,
        ignored=tuple(
            column for column in view.table().column_names if column not in (name, signature.label)
        ),
    )
    return Tokenized(
        redescribed(view, refs, {"signature": fitted.to_json()}),
        text,
        len(counts),
        1 - sum(counts[word] for word in known) / sum(counts.values()),
        sum(len(words) > text.length for words in split),
        sum(not words for words in split),
    )


def _text_column(view: DatasetView) -> str:
    signature, where = view.signature, f"data set {view.name}"
    if signature.text or signature.columns:
        raise DataError(
            "the data set is prepared already",
            where=where,
            remedy="remove the second `prepare` stage",
        )
    if len(signature.features) != 1:
        raise DataError(
            f"texts stand in one column, this data set has {len(signature.features)} features",
            where=where,
            remedy="take `source=text` and name its column: `source.text=...`; "
            "a table of several columns is prepared by `pipeline=tabular`",
        )
    name = signature.features[0]
    kind = view.table().schema.field(name).type
    if not is_text(kind):
        raise DataError(
            f"column {name!r} holds {kind}, not texts",
            where=f"{where}, column {name}",
            remedy="name the column of the texts: `source.text=...`",
        )
    return name


def is_text(kind: Any) -> bool:
    """Whether values of an Arrow type are texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
