"""Raw rows from a Parquet file, for a model to answer."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aidn_pipeline.errors import DataError


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """Rows as mappings from column to value.

    Raises:
        DataError: if it is no Parquet file.
    """
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise DataError(
            f"the rows cannot be read: {problem}",
            where=str(path),
            remedy="give a Parquet file with a column for each feature",
        ) from problem
    return rows
