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
    places = _places([name for name, _ in sources], target)
    model = open_model(arguments.words[0], Workspace.around())
    found = [(name, _answers(model, rows, name)) for name, rows in sources]
    everything = [answer for _, some in found for answer in some]
    if target is None:
        print(to_json(everything), end="")
    elif target.is_dir():
        for (_, some), place in zip(found, places, strict=True):
            write_answers(some, place)
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
    elif target.resolve() == Path(str(source)).resolve():
        raise UsageError(
            "the answers would go among the rows",
            where=str(target),
            remedy="make a folder for them and name it: `mkdir answers`, `--output answers`",
        )
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


def _places(names: Sequence[str], target: Path | None) -> list[Path]:
    """Where the answers go: a file for each source in a folder, none of them one of the sources.

    Raises:
        UsageError: if a file of rows, or other answers, would be written over.
    """
    if target is None:
        return []
    rows = {Path(name).resolve(): name for name in names if Path(name).exists()}
    places = [target]
    if target.is_dir():
        places = [target / _answers_name(Path(name)) for name in names]
    taken: dict[Path, str] = {}
    for place, name in zip(places, names, strict=False):
        if place.resolve() in rows:
            raise UsageError(
                "the answers would be written over the rows",
                where=str(place),
                remedy="name another file or folder with --output",
            )
        other = taken.setdefault(place.resolve(), name)
        if other != name:
            raise UsageError(
                f"the answers for {Path(other).name!r} and {Path(name).name!r} would go to one "
                "file",
                where=str(place),
                remedy="rename one of them",
            )
    return places


def _answers_name(source: Path) -> str:
    # The whole name, so that a.json and a.parquet have answers of their own.
    return source.name if source.suffix in WRITERS else f"{source.name}.json"


def _answers(model: Predictor, rows: list[Any], name: str) -> list[dict[str, Any]]:
    try:
        return answers(model, rows)
    except DataError as error:
        # Of many files, the one with the row is what one looks for.
        place = f"{name}, {error.where}" if name else error.where
        raise DataError(error.problem, where=place, remedy=error.remedy) from error
