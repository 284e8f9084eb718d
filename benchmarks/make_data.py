"""Makes the data sets under `aidn_pipeline/data/bundled` from scikit-learn's copies.

python benchmarks/make_data.py            # writes the files and their README
python benchmarks/make_data.py --check    # exits 1 if shipped values differ
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from aidn_pipeline.data.table import identity

FOLDER = Path(__file__).parents[1] / "aidn_pipeline" / "data" / "bundled"


@dataclass(frozen=True)
class Shipped:
    """A data set: its name, what it is, how it is made and where it comes from."""

    name: str
    what: str
    make: Callable[[], pa.Table]
    provenance: Mapping[str, str]


def digits_table() -> pa.Table:
    """64 pixel columns (uint8, 0 to 16) and `label` (int64)."""
    digits = load_digits()
    pixels = digits.images.astype(np.uint8)
    columns = {f"p{r}{c}": pixels[:, r, c] for r in range(8) for c in range(8)}
    return pa.table({**columns, "label": digits.target.astype(np.int64)})


def diabetes_table() -> pa.Table:
    """Ten measurements in their units (`sex` as a category) and `progression` (float64)."""
    diabetes = load_diabetes(scaled=False)
    columns = dict(zip(diabetes.feature_names, diabetes.data.T, strict=True))
    columns["age"] = columns["age"].astype(np.int64)
    columns["sex"] = np.array(["one", "two"])[columns["sex"].astype(int) - 1]
    return pa.table({**columns, "progression": diabetes.target})


def breast_cancer_table() -> pa.Table:
    """Thirty measurements (float64) and `diagnosis`, `benign` or `malignant`."""
    cancer = load_breast_cancer()
    names = [name.replace(" ", "_") for name in cancer.feature_names]
    columns = dict(zip(names, cancer.data.T, strict=True))
    return pa.table({**columns, "diagnosis": cancer.target_names[cancer.target].tolist()})


def wine_table() -> pa.Table:
    """Thirteen measurements (float64) and `cultivar`, `one` to `three`."""
    wine = load_wine()
    names = [name.replace("/", "_") for name in wine.feature_names]
    columns = dict(zip(names, wine.data.T, strict=True))
    return pa.table(
        {**columns, "cultivar": [("one", "two", "three")[i] for i in wine.target.tolist()]}
    )


SHIPPED = (
    Shipped(
        "digits",
        "images of handwritten digits, 8x8 pixels from 0 to 16",
        digits_table,
        {
            "title": "Optical Recognition of Handwritten Digits",
            "authors": "E. Alpaydin, C. Kaynak",
            "publisher": "UCI Machine Learning Repository",
            "year": "1998",
            "doi": "10.24432/C50P49",
            "licence": "CC BY 4.0",
            "part": "the 1,797 images of optdigits.tes, as bundled by scikit-learn's load_digits",
            "changes": "pixels stored as uint8 columns p00 to p77 (row, column); "
            "order of rows unchanged",
        },
    ),
    Shipped(
        "diabetes",
        "patients: ten measurements and the progression of the disease a year later",
        diabetes_table,
        {
            "title": "Diabetes study",
            "authors": "B. Efron, T. Hastie, I. Johnstone, R. Tibshirani",
            "publisher": "Least Angle Regression, Annals of Statistics 32(2), 407-499",
            "year": "2004",
            "doi": "10.1214/009053604000000067",
            "licence": "measurements published with the paper; scikit-learn's copy is BSD-3-Clause",
            "part": "all 442 patients in the original units, as scikit-learn's "
            "load_diabetes(scaled=False)",
            "changes": "sex is a category, `one` and `two` (the source does not say which is "
            "which); order of rows unchanged",
        },
    ),
    Shipped(
        "breast_cancer",
        "samples of breast tissue: thirty measurements of cell nuclei and the diagnosis",
        breast_cancer_table,
        {
            "title": "Breast Cancer Wisconsin (Diagnostic)",
            "authors": "W. Wolberg, O. Mangasarian, N. Street, W. Street",
            "publisher": "UCI Machine Learning Repository",
            "year": "1995",
            "doi": "10.24432/C5DW2B",
            "licence": "CC BY 4.0",
            "part": "all 569 samples, as bundled by scikit-learn's load_breast_cancer",
            "changes": "blanks in names of columns are underscores; order of rows unchanged",
        },
    ),
    Shipped(
        "wine",
        "wines of one region: thirteen chemical measurements and the cultivar",
        wine_table,
        {
            "title": "Wine",
            "authors": "S. Aeberhard, M. Forina",
            "publisher": "UCI Machine Learning Repository",
            "year": "1992",
            "doi": "10.24432/C5PC7J",
            "licence": "CC BY 4.0",
            "part": "all 178 wines, as bundled by scikit-learn's load_wine",
            "changes": "classes 0, 1, 2 are named one, two, three; a slash in a column's name is "
            "an underscore; order of rows unchanged",
        },
    ),
)


def section(data: Shipped, table: pa.Table) -> str:
    """What the README says of one."""
    facts = "\n".join(f"- {key}: {value}" for key, value in data.provenance.items())
    return (
        f"## {data.name}.parquet\n\n{table.num_rows} {data.what}.\n\n{facts}\n"
        f"- identity of the values: `{identity(table)}`\n"
    )


def main() -> int:
    """Writes the files, or compares the values."""
    tables = {data.name: data.make() for data in SHIPPED}
    if "--check" in sys.argv[1:]:
        return int(
            any(
                identity(pq.read_table(FOLDER / f"{name}.parquet")) != identity(table)
                for name, table in tables.items()
            )
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    for data in SHIPPED:
        metadata = {"provenance": json.dumps(data.provenance, sort_keys=True)}
        pq.write_table(
            tables[data.name].replace_schema_metadata(metadata),
            FOLDER / f"{data.name}.parquet",
            compression="zstd",
            compression_level=19,
        )
    sections = "\n".join(section(data, tables[data.name]) for data in SHIPPED)
    (FOLDER / "README.md").write_text(
        f"# Data sets that ship with the package\n\n{sections}\n"
        "Remake them with `python benchmarks/make_data.py`; the same facts stand in each file's "
        "own metadata under `provenance`.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
