"""Makes `aidn_pipeline/data/bundled/digits.parquet` from scikit-learn's copy of the UCI digits.

python benchmarks/make_digits.py            # writes the file and its README
python benchmarks/make_digits.py --check    # exits 1 if the shipped values differ
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

from aidn_pipeline.data.table import identity

FOLDER = Path(__file__).parents[1] / "aidn_pipeline" / "data" / "bundled"
PROVENANCE = {
    "title": "Optical Recognition of Handwritten Digits",
    "authors": "E. Alpaydin, C. Kaynak",
    "publisher": "UCI Machine Learning Repository",
    "year": "1998",
    "doi": "10.24432/C50P49",
    "licence": "CC BY 4.0",
    "part": "the 1,797 images of optdigits.tes, as bundled by scikit-learn's load_digits",
    "changes": "pixels stored as uint8 columns p00 to p77 (row, column); order of rows unchanged",
}


def digits_table() -> pa.Table:
    """64 pixel columns (uint8, 0 to 16) and `label` (int64)."""
    digits = load_digits()
    pixels = digits.images.astype(np.uint8)
    columns = {f"p{r}{c}": pixels[:, r, c] for r in range(8) for c in range(8)}
    return pa.table({**columns, "label": digits.target.astype(np.int64)})


def readme(table: pa.Table) -> str:
    """What stands beside the file."""
    facts = "\n".join(f"- {key}: {value}" for key, value in PROVENANCE.items())
    return (
        "# digits.parquet\n\n"
        f"{table.num_rows} images of handwritten digits, 8x8 pixels from 0 to 16.\n\n"
        f"{facts}\n"
        f"- identity of the values: `{identity(table)}`\n\n"
        "Remake it with `python benchmarks/make_digits.py`; the same facts stand in the file's "
        "own metadata under `provenance`.\n"
    )


def main() -> int:
    """Writes the files, or compares the values."""
    table = digits_table()
    target = FOLDER / "digits.parquet"
    if "--check" in sys.argv[1:]:
        return int(identity(pq.read_table(target)) != identity(table))
    metadata = {"provenance": json.dumps(PROVENANCE, sort_keys=True)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.replace_schema_metadata(metadata), target, compression="zstd", compression_level=19
    )
    (FOLDER / "README.md").write_text(readme(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
