"""`aidn-run predict REF --input FILE`: raw rows in, answers out."""

from collections.abc import Sequence
from pathlib import Path

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.rows import read_rows, to_json, write_answers, writer_for
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.predictor import answers, open_model
from aidn_pipeline.facade.workspace import Workspace


def main(given: Sequence[str]) -> int:
    """Predicts, and writes the answers."""
    arguments = parse(given, {"--input": "value", "--output": "value"}, verb="predict")
    source, target = arguments.one("--input"), arguments.one("--output")
    if len(arguments.words) != 1 or source is None:
        raise UsageError(
            "predict needs one model and its rows",
            where=" ".join(["aidn-run predict", *given]),
            remedy="write `aidn-run predict digits@1 --input rows.json`",
        )
    if target is not None:
        writer_for(Path(target))
    rows = read_rows(source)
    found = answers(open_model(arguments.words[0], Workspace.around()), rows)
    if target is None:
        print(to_json(found), end="")
    else:
        write_answers(found, Path(target))
        print(f"{len(found)} answers in {target}")
    return 0
