"""`aidn-run predict REF --input FILE`: raw rows in, answers out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.arguments import Parsed, parse
from aidn_pipeline.cli.rows import (
    WRITERS,
    files_of,
    parse_row,
    read_rows,
    to_json,
    write_answers,
    writer_for,
)
from aidn_pipeline.errors import DataError, UsageError
from aidn_pipeline.facade.predictor import Predictor, answers, open_model
from aidn_pipeline.facade.workspace import Workspace


def main(given: Sequence[str]) -> int:
    """Predicts, and writes the answers."""
    arguments = parse(
        given, {"--input": "value", "--row": "value", "--output": "value"}, verb="predict"
    )
    target = _target(arguments, " ".join(["aidn-run predict", *given]))
    sources = list(_sources(arguments))
    model = open_model(arguments.words[0], Workspace.around())
    found = [(name, _answers(model, rows, name)) for name, rows in sources]
    everything = [answer for _, some in found for answer in some]
    if target is None:
        print(to_json(everything), end="")
    elif target.is_dir():
        for name, some in found:
            ending = Path(name).suffix if Path(name).suffix in WRITERS else ".json"
            write_answers(some, target / f"{Path(name).stem}{ending}")
        print(f"{len(everything)} answers in {len(found)} files of {target}")
    else:
        write_answers(everything, target)
        print(f"{len(everything)} answers in {target}")
    return 0


def _target(arguments: Parsed, where: str) -> Path | None:
    source, rows = arguments.one("--input"), arguments.values.get("--row", ())
    if len(arguments.words) != 1 or (source is None) == (not rows):
        raise UsageError(
            "predict needs one model, and rows from --input or from --row",
            where=where,
            remedy="write `aidn-run predict digits@1 --input rows.json`, or `--row "
            """'{"column": 1.5}'`""",
        )
    if arguments.one("--output") is None:
        return None
    target = Path(str(arguments.one("--output")))
    if target.is_dir() and not (source and Path(source).is_dir()):
        raise UsageError(
            "the answers of one file go to a file, and this is a folder",
            where=str(target),
            remedy=f"name a file in it, such as `{target / 'answers.json'}`",
        )
    if not target.is_dir():
        writer_for(target)
    return target


def _sources(arguments: Parsed) -> Iterator[tuple[str, list[Any]]]:
    """Rows by the name of what they are from."""
    source = arguments.one("--input")
    if source is None:
        yield "", [parse_row(text) for text in arguments.values["--row"]]
    elif Path(source).is_dir() and (files := files_of(Path(source))):
        for file in files:
            yield str(file), read_rows(str(file))
    else:
        yield source, read_rows(source)


def _answers(model: Predictor, rows: list[Any], name: str) -> list[dict[str, Any]]:
    try:
        return answers(model, rows)
    except DataError as error:
        # Of many files, the one with the row is what one looks for.
        place = f"{name}, {error.where}" if name else error.where
        raise DataError(error.problem, where=place, remedy=error.remedy) from error
