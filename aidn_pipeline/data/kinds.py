"""What the columns of a table are: numbers, truth values, dates, categories, or of no use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from aidn_pipeline.core.columns import WORDS, Kind, days_of
from aidn_pipeline.data.encoding import is_number

SAMPLE = 1000
"""Distinct texts that are looked at to tell dates from names."""
MANY = 0.5
"""A text column with more distinct values than this share of its rows names rows, not kinds."""
FEW_ROWS = 20
"""Distinct values up to which no share is asked for."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What was told of a table's feature columns.

    Attributes:
        known: kind by column, in the order of the features.
        left_out: why a column is of no use, by column.
    """

    known: Mapping[str, Kind] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def infer_kinds(table: pa.Table, features: Sequence[str], given: Mapping[str, Kind]) -> Kinds:
    """Tells each column's kind from its values.

    Args:
        table: the rows to look at; of a split data set, those of training.
        features: the columns, in order.
        given: kinds that were said, which no value changes.
    """
    known: dict[str, Kind] = {}
    left_out: dict[str, str] = {}
    for name in features:
        if name in given:
            known[name] = given[name]
        elif reason := useless(table[name], alone=len(features) == 1):
            left_out[name] = reason
        else:
            known[name] = kind_of(table[name])
    return Kinds(known, left_out)


def kind_of(column: pa.ChunkedArray) -> Kind:
    """The kind of a column that has values."""
    if pa.types.is_boolean(column.type):
        return "boolean"
    if is_number(column.type) or pa.types.is_decimal(column.type):
        return "numeric"
    if pa.types.is_temporal(column.type):
        return "date"
    texts = [t for t in map(str, column.drop_null().unique().to_pylist()) if t]
    if len(texts) == len({"yes", "no"}) and all(t.lower() in WORDS for t in texts):
        return "boolean"
    if texts and all(_is_date(t) for t in texts[:SAMPLE]):
        return "date"
    return "categorical"


def useless(column: pa.ChunkedArray, *, alone: bool = False) -> str:
    """Why a model can learn nothing from a column; empty if it can.

    Args:
        column: of the training rows.
        alone: whether it is the only feature.
    """
    present = column.drop_null()
    if len(present) == 0:
        return "it has no values"
    distinct = pc.count_distinct(present).as_py()
    if distinct == 1 and len(present) == len(column):
        return f"every row has {present[0].as_py()!r}"
    names_rows = distinct > FEW_ROWS and distinct > MANY * len(present)
    if names_rows and kind_of(column) == "categorical":
        said = f"{distinct} different texts in {len(present)} rows name the rows"
        return said + ("; a column of texts alone is learned by `pipeline=text`" if alone else "")
    return ""


def _is_date(text: str) -> bool:
    if "-" not in text:
        # ISO 8601 also has a short form that any number of eight digits follows.
        return False
    try:
        days_of(text)
    except ValueError:
        return False
    return True
