"""Statistics of a table, kept in `dataset.json`: what a person asks of new data first."""

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aidn_pipeline.core.fingerprint import JSON

DISTINCT_LIMIT = 1_000_000
"""Rows up to which distinct values are counted."""
TOP = 20
"""Most frequent values that are listed for text."""
SHOWN = 80
"""Characters of such a value."""


def statistics(table: pa.Table) -> dict[str, JSON]:
    """For each column: nulls, distinct values, and what its kind has.

    Numbers have range, mean and deviation; text its most frequent values.
    """
    return {
        name: _column(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _column(column: pa.ChunkedArray) -> dict[str, JSON]:
    found: dict[str, JSON] = {"nulls": column.null_count}
    if len(column) <= DISTINCT_LIMIT:
        found["distinct"] = pc.count_distinct(column, mode="only_valid").as_py()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        extremes = pc.min_max(column).as_py()
        numbers = extremes | {
            "mean": pc.mean(column).as_py(),
            "std": pc.stddev(column, ddof=0).as_py(),
        }
        found |= {k: _finite(v) for k, v in numbers.items()}
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        counts = sorted(
            ((e["counts"], e["values"]) for e in pc.value_counts(column.drop_null()).to_pylist()),
            key=lambda pair: (-pair[0], pair[1]),
        )
        found["top"] = [[value[:SHOWN], count] for count, value in counts[:TOP]]
    return found


def _finite(value: Any) -> JSON:
    return value if value is None or math.isfinite(value) else str(value)
