"""`aidn-run predict REF --input FILE`: raw rows in, answers out."""

import csv
import importlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.errors import DataError, UsageError
from aidn_pipeline.facade.models import find_bundle
from aidn_pipeline.facade.predictor import answers, open_folder
from aidn_pipeline.facade.workspace import Workspace

READERS = (".json", ".jsonl", ".csv", ".parquet")
WRITERS = (".json", ".jsonl", ".csv")


def main(given: Sequence[str]) -> int:
    """Predicts, and writes the answers."""
    arguments = parse(given, {"--input": "value", "--output": "value"}, verb="predict")
    source = arguments.one("--input")
    if len(arguments.words) != 1 or source is None:
        raise UsageError(
            "predict needs one model and its rows",
            where=" ".join(["aidn-run predict", *given]),
            remedy="write `aidn-run predict digits@1 --input rows.json`",
        )
    target = arguments.one("--output")
    if target is not None and Path(target).suffix not in WRITERS:
        raise UsageError(
            f"answers cannot be written as {Path(target).suffix or 'that'}",
            where=target,
            remedy=f"end the name with one of {', '.join(WRITERS)}",
        )
    rows = read_rows(source)
    found = answers(open_folder(_folder(arguments.words[0])), rows)
    if target is None:
        print(json.dumps(found))
    else:
        Path(target).write_text(written(found, Path(target).suffix), encoding="utf-8")
        print(f"{len(found)} answers in {target}")
    return 0


def _folder(reference: str) -> Path:
    if (Path(reference) / "model.json").is_file() or "/" in reference:
        return Path(reference)
    workspace = Workspace.around()
    with workspace.open_store() as store:
        model, bundle = find_bundle(reference, store)
        folder = workspace.project.root / "bundles" / model.name / str(model.version)
        store.checkout(bundle, folder)
    return folder


def read_rows(source: str) -> list[Any]:
    """Raw rows of a file, or of JSON on stdin for `-`.

    Raises:
        DataError: if the file is missing or cannot be read as what its name says.
        UsageError: if the name says nothing that can be read.
    """
    path = Path(source)
    if source != "-" and path.suffix not in READERS:
        raise UsageError(
            f"rows cannot be read from {path.suffix or 'that'}",
            where=source,
            remedy=f"give a file that ends with one of {', '.join(READERS)}, or - for stdin",
        )
    try:
        if path.suffix == ".parquet":
            parquet: Any = importlib.import_module("pyarrow.parquet")
            found: list[Any] = parquet.read_table(path).to_pylist()
            return found
        text = sys.stdin.read() if source == "-" else path.read_text(encoding="utf-8")
        return parsed(text, path.suffix)
    except (OSError, ValueError) as problem:
        raise DataError(
            f"the rows cannot be read: {problem}",
            where=source,
            remedy="give a list of objects, or of lists of numbers in the order of the features",
        ) from problem


def parsed(text: str, suffix: str) -> list[Any]:
    """Rows of a text.

    Raises:
        ValueError: if it is not what its suffix says.
    """
    if suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text))
        return [{k: float(v) for k, v in row.items()} for row in reader]
    if suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    value = json.loads(text)
    if not isinstance(value, list):
        raise ValueError("not a list of rows")  # noqa: TRY004 - read with every other wrong text
    return value


def written(found: Sequence[dict[str, Any]], suffix: str) -> str:
    """Answers as text in the form of a suffix."""
    if suffix == ".json":
        return json.dumps(found, indent=2) + "\n"
    if suffix == ".jsonl":
        return "".join(json.dumps(item) + "\n" for item in found)
    flat = [
        {"label": item["label"], **{f"p_{k}": v for k, v in item["probabilities"].items()}}
        if "label" in item
        else {f"value_{i}": v for i, v in enumerate(item["values"])}
        for item in found
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(flat[0]) if flat else ["label"])
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()
