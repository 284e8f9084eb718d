"""Which row belongs to which split: a hash of (seed, row), so it is stable when rows are added."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from blake3 import blake3

from aidn_pipeline.core.fingerprint import derive_seed
from aidn_pipeline.data.table import bits, flat
from aidn_pipeline.errors import DataError

U64: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(values: U64) -> U64:
    """A bijective hash of 64-bit words.

    Source: splitmix64, Steele, Lea, Flood, "Fast splittable pseudorandom number generators"
    (OOPSLA 2014).
    """
    with np.errstate(over="ignore"):
        z = values + GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def row_hashes(table: pa.Table) -> U64:
    """A 64-bit hash of each row's values; equal rows have equal hashes."""
    hashes = np.zeros(table.num_rows, dtype=np.uint64)
    for name, column in zip(table.column_names, table.columns, strict=True):
        hashes = mix(hashes ^ _column_words(name, column))
    return hashes


def _column_words(name: str, column: pa.ChunkedArray) -> U64:
    plain = flat(name, column)
    if pa.types.is_large_binary(plain.type):
        encoded = plain.fill_null(b"").dictionary_encode()
        values = encoded.dictionary.to_pylist()
        words = [int.from_bytes(blake3(value).digest(length=8), "little") for value in values]
        table: U64 = np.array(words, dtype=np.uint64)
        chosen: U64 = table[encoded.indices.to_numpy(zero_copy_only=False)]
        return chosen
    numbers = bits(plain)
    # float32 and int8 widen without loss; an integer beyond 2**53 keeps its own bits.
    wide = numbers.astype(np.float64) if numbers.dtype.kind == "f" else numbers.astype(np.int64)
    return mix(wide.view(np.uint64))


def key_hashes(table: pa.Table, key: str | None) -> U64:
    """A 64-bit hash of what keeps rows together: a column's value, or the whole row.

    Raises:
        DataError: if there is no column `key`.
    """
    if key is not None and key not in table.column_names:
        raise DataError(
            f"no column {key!r} to split by",
            where="split.key",
            remedy=f"its columns: {', '.join(table.column_names)}",
        )
    return row_hashes(table.select([key]) if key else table)


def assign(
    table: pa.Table, fractions: Mapping[str, float], *, seed: int, key: str | None = None
) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The split of each row, as its position in `fractions`.

    Adding rows moves no other row; rows that are equal (or share a key) stay together, so no
    duplicate of a training row is ever tested on.

    Args:
        table: all rows.
        fractions: share of each split; they sum to 1.
        seed: another seed is another split.
        key: column whose value decides; without one the whole row does.

    Raises:
        DataError: if there is no column `key`.
    """
    words = mix(key_hashes(table, key) ^ np.uint64(derive_seed(seed, "split")))
    points = (words >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    bounds = np.cumsum(list(fractions.values()))[:-1]
    return np.searchsorted(bounds, points, side="right").astype(np.uint8)


def in_order(
    table: pa.Table, rows: Mapping[str, int], *, holdout: float, seed: int
) -> tuple[list[str], "np.ndarray[Any, np.dtype[np.uint8]]"]:
    """Names of the splits, and the split of each row, of rows that lie one split after the other.

    Args:
        table: all rows.
        rows: how many of each split, in the order of the table; the first is for training. 0 leaves
            a split out.
        holdout: share of the training rows that becomes `validation` where none is given.
        seed: of that choice.

    Raises:
        DataError: if they do not add up to the rows of the table.
    """
    if sum(rows.values()) != table.num_rows:
        raise DataError(
            f"{' + '.join(map(str, rows.values()))} rows of the splits, {table.num_rows} in all",
            where="split",
            remedy="let them add up",
        )
    names = [name for name, count in rows.items() if count > 0]
    counts = [count for count in rows.values() if count > 0]
    codes = np.repeat(np.arange(len(names), dtype=np.uint8), counts)
    if rows.get("validation") or not holdout:
        return names, codes
    training = table.slice(0, counts[0])
    held = assign(training, {"train": 1 - holdout, "validation": holdout}, seed=seed)
    names.append("validation")
    codes[: counts[0]][held == 1] = len(names) - 1
    return names, codes
