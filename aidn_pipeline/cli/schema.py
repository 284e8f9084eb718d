"""`aidn-run schema recipe|run`: print a JSON Schema."""

from collections.abc import Sequence

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.errors import UsageError

SCHEMAS = ("recipe", "run")


def main(given: Sequence[str]) -> int:
    """Prints it."""
    arguments = parse(given, {}, verb="schema")
    if len(arguments.words) != 1 or arguments.words[0] not in SCHEMAS:
        raise UsageError(
            "schema needs the name of one schema",
            where=" ".join(["aidn-run schema", *given]),
            remedy=f"one of {', '.join(SCHEMAS)}",
        )
    path = data_folder("schemas") / f"{arguments.words[0]}.schema.json"
    print(path.read_text(encoding="utf-8"), end="")
    return 0
