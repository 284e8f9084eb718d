"""Tables: one canonical Parquet form, and an identity over the values rather than the bytes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aidn_pipeline.core.fingerprint import JSON, Fingerprint, digest_bytes
from aidn_pipeline.errors import CorruptObject, DataError

# pyarrow's annotation knows only the default sizes, its code takes a mapping too.
PAGES: Any = {"min_chunk_size": 16 * 1024, "max_chunk_size": 64 * 1024, "norm_level": 0}
ROW_GROUP = 131_072
"""Rows in a row group of the canonical form."""


def parquet_bytes(table: pa.Table) -> bytes:
    """The canonical Parquet form: equal tables give equal bytes with one release of pyarrow."""
    sink = io.BytesIO()
    plain = pa.table(
        [column.combine_chunks() for column in table.columns], names=table.column_names
    )
    pq.write_table(
        plain,
        sink,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=1,
        use_content_defined_chunking=PAGES,
        write_page_checksum=True,
        store_schema=True,
    )
    return sink.getvalue()


def read_parquet(path: Path) -> pa.Table:
    """Reads a table written by `parquet_bytes`, page checksums verified.

    Raises:
        CorruptObject: if it is no Parquet file or a page is damaged.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptObject(
            f"the table cannot be read: {error}",
            where=str(path),
            remedy="run the snapshot stage again with `--force snapshot`",
        ) from error


def identity(table: pa.Table) -> str:
    """The id of a table's values; chunks, row groups and the Parquet writer do not matter.

    Raises:
        DataError: if a column is nested.
    """
    columns: list[JSON] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        valid = np.packbits(column.is_valid().to_numpy()).tobytes()
        columns.append(
            [name, str(column.type), digest_bytes(valid), *map(digest_bytes, _blocks(name, column))]
        )
    return Fingerprint.of("table", [1, table.num_rows, columns]).digest


def _blocks(name: str, column: pa.ChunkedArray) -> list[bytes]:
    plain = flat(name, column)
    if pa.types.is_large_binary(plain.type):
        filled = plain.fill_null(b"")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False)
        return [lengths.astype("<i8").tobytes(), b"".join(filled.to_pylist())]
    return [bits(plain).tobytes()]


def flat(name: str, column: pa.ChunkedArray) -> pa.Array:
    """One array of a number type, or of bytes for text; dictionaries are decoded.

    Raises:
        DataError: if the column is nested.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind):
        raise DataError(
            f"column {name!r} holds {kind}; a table has plain columns",
            where=name,
            remedy="flatten it before the snapshot, or leave the column out",
        )
    if pa.types.is_null(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        column = column.cast(pa.large_string() if pa.types.is_decimal(kind) else pa.large_binary())
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def bits(numbers: pa.Array) -> "np.ndarray[Any, np.dtype[Any]]":
    """The values of a number column as a numpy array; nulls become 0."""
    filled = numbers.fill_null(False if pa.types.is_boolean(numbers.type) else 0)
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False))


def schema_json(table: pa.Table) -> list[dict[str, JSON]]:
    """Name, Arrow type and number of nulls of each column."""
    return [
        {"name": name, "type": str(column.type), "nulls": column.null_count}
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
