"""Raw rows from files, and answers to files."""

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aidn_pipeline.core.columns import IMAGE_ENDINGS, Cell
from aidn_pipeline.errors import DataError, UsageError
from aidn_pipeline.facade.predictor import parquet_rows

STDIN = "-"
REMEDY = "give a list of objects, or of lists of numbers in the order of the features"


def read_rows(source: str) -> list[Any]:
    """Raw rows of a file, or of JSON on stdin for `-`.

    Raises:
        DataError: if the file is missing or cannot be read as what its name says.
        UsageError: if its name says nothing that can be read.
    """
    path = Path(source)
    if path.suffix == ".parquet":
        return parquet_rows(path)
    if path.is_dir() or path.suffix.lower() in IMAGE_ENDINGS:
        return image_files(path)
    parse = parse_json if source == STDIN else PARSERS.get(path.suffix)
    if parse is None:
        raise UsageError(
            f"rows cannot be read from {path.name!r}",
            where=source,
            remedy=f"end the name with {', '.join(PARSERS)} or .parquet, give - for stdin, or an "
            "image or a folder of them",
        )
    try:
        text = sys.stdin.read() if source == STDIN else path.read_text(encoding="utf-8")
        return parse(text)
    except (OSError, ValueError, RecursionError, csv.Error) as problem:
        said = getattr(problem, "strerror", None) or problem
        raise DataError(
            f"the rows cannot be read: {said}", where=source, remedy=REMEDY
        ) from problem


def files_of(folder: Path) -> list[Path]:
    """The files of rows in a folder, by name; none if it holds something else, such as images.

    Hidden files are passed over.

    Raises:
        UsageError: if other files stand beside them.
    """
    # A text file beside others is a note on them; by itself it may hold rows.
    known = [ending for ending in (*PARSERS, ".parquet") if ending != ".txt"]
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if any(file.suffix.lower() in IMAGE_ENDINGS for file in files):
        files = [file for file in files if file.suffix != ".txt"]
    odd = [file for file in files if file.suffix not in known]
    if odd and len(odd) < len(files):
        raise UsageError(
            f"rows cannot be read from {odd[0].name!r}",
            where=str(odd[0]),
            remedy=f"give a folder whose files all end with {', '.join(known)}",
        )
    return [] if odd else files


def parse_row(text: str) -> Any:
    """One row as JSON, from the command line.

    Raises:
        UsageError: if it is none.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise UsageError(
            f"the row is no JSON: {problem}",
            where=f"--row {text}",
            remedy="""quote it for the shell: --row '{"column": 1.5, "other": "word"}'""",
        ) from problem
    if not isinstance(row, (dict, list, str)):
        raise UsageError(
            f"one row is an object or a list, not {text}",
            where=f"--row {text}",
            remedy="""write --row '{"column": 1.5}', or --row '[1.5, 2]'""",
        )
    return row


def image_files(path: Path) -> list[Path]:
    """An image file, or those of a folder and the folders in it, in the order of their paths.

    Raises:
        DataError: if there is none.
    """
    if not path.is_dir():
        return [path]
    inside = (
        file for file in path.rglob("*") if file.suffix.lower() in IMAGE_ENDINGS and file.is_file()
    )
    found = sorted(file for file in inside if not file.name.startswith("."))
    if not found:
        raise DataError(
            "the folder holds no image",
            where=str(path),
            remedy=f"put files into it that end with {', '.join(IMAGE_ENDINGS)}",
        )
    return found


def parse_json(text: str) -> list[Any]:
    """Rows of a JSON list.

    Raises:
        ValueError: if it is none.
    """
    value = json.loads(text)
    if not isinstance(value, list):
        raise ValueError(f"it holds one {type(value).__name__}, not a list of rows")  # noqa: TRY004
    return value


def parse_json_lines(text: str) -> list[Any]:
    """Rows of JSON lines.

    Raises:
        ValueError: with the line's number, if one is no JSON.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as problem:
                raise ValueError(f"line {number}: {problem}") from problem
    return rows


def parse_lines(text: str) -> list[Any]:
    """A text in each line, for models of texts; empty lines are passed over."""
    return [line for line in text.splitlines() if line.strip()]


def parse_csv(text: str) -> list[Any]:
    """Rows of CSV: named by its first line, or plain if that holds numbers.

    Raises:
        ValueError: with the line's number, if one has another width.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if line]
    except csv.Error as problem:
        raise ValueError(f"line {reader.line_num}: {problem}") from problem
    if not lines:
        return []
    first = lines[0][1]
    for number, line in lines:
        if len(line) != len(first):
            raise ValueError(f"line {number} has {len(line)} cells, the first has {len(first)}")
    # Cells stay text: what 01 means is for the model to say, which knows its columns.
    if all(map(_is_number, first)):
        return [list(map(Cell, line)) for _, line in lines]
    return [dict(zip(first, map(Cell, line), strict=True)) for _, line in lines[1:]]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_answers(answers: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Writes answers in the form that the file's name says, whole or not at all.

    Raises:
        UsageError: if the name says none, or the file cannot be written.
    """
    text = writer_for(target)(answers)
    fresh = target.with_name(f".{target.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    except OSError as problem:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise UsageError(
            f"the answers cannot be written: {problem.strerror}",
            where=str(target),
            remedy="name a file in a folder that exists and is writable",
        ) from problem


def writer_for(target: Path) -> Callable[[Sequence[Mapping[str, Any]]], str]:
    """The form that a file's name says.

    Raises:
        UsageError: if it says none.
    """
    if target.suffix not in WRITERS:
        raise UsageError(
            f"answers cannot be written to {target.name!r}",
            where=str(target),
            remedy=f"end the name with one of {', '.join(WRITERS)}",
        )
    return WRITERS[target.suffix]


def to_json(answers: Sequence[Mapping[str, Any]]) -> str:
    """A JSON list, one answer a line."""
    return "[\n" + ",\n".join(json.dumps(item) for item in answers) + "\n]\n"


def to_json_lines(answers: Sequence[Mapping[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(item) + "\n" for item in answers)


def to_csv(answers: Sequence[Mapping[str, Any]]) -> str:
    """A column for the label and each class, or for each value of a regression, and for a file."""
    flat = [_flat(item) for item in answers]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(flat[0]) if flat else ["label"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def _flat(answer: Mapping[str, Any]) -> dict[str, Any]:
    named = {key: answer[key] for key in ("file", "label") if key in answer}
    if "label" in answer:
        return named | {f"p_{name}": share for name, share in answer["probabilities"].items()}
    return named | {f"value_{i}": value for i, value in enumerate(answer["values"])}


PARSERS: Mapping[str, Callable[[str], list[Any]]] = {
    ".json": parse_json,
    ".jsonl": parse_json_lines,
    ".csv": parse_csv,
    ".txt": parse_lines,
}
WRITERS: Mapping[str, Callable[[Sequence[Mapping[str, Any]]], str]] = {
    ".json": to_json,
    ".jsonl": to_json_lines,
    ".csv": to_csv,
}
