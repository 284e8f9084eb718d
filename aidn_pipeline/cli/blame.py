"""`aidn-run blame KEY [recipe=NAME ...]`: where a value of a recipe comes from."""

import json
import sys
from collections.abc import Iterator, Sequence

from aidn_pipeline.cli.grid import grid
from aidn_pipeline.cli.subject import one_name, subject
from aidn_pipeline.cli.text import printable
from aidn_pipeline.config.blame import Blame, Entry, blame, said
from aidn_pipeline.config.library import Library
from aidn_pipeline.core.masking import masked

LONGEST = 40
"""Characters of a value in a table."""
MOST = 60
"""Values of a mapping that are listed."""
WORDS = {
    "removed": "(removed)",
    "option": "{}",
    "searched": "searched: {}",
    "repeated": "cells: {}",
}


def main(given: Sequence[str]) -> int:
    """Prints it."""
    found = subject(given, {"--json": "switch"}, verb="blame")
    key = one_name(found, verb="blame", noun="key", example="trainer.epochs recipe=digits_train")
    builder = found.builder
    library = Library(builder.workspace.project, builder.index, builder.given)
    told = blame(library, builder.recipe, builder.overrides, key)
    for problem in told.problems:
        print(printable(masked(f"note: the recipe has a problem, {problem}")), file=sys.stderr)
    if found.arguments.has("--json"):
        print(masked(json.dumps({"format": 1, **told.to_json()})))
        return 0
    print(printable(masked("\n".join(_told(told)))))
    return 0


def _told(one: Blame, indent: str = "") -> Iterator[str]:
    for path, text, where in one.links:
        yield from grid([[f"{path} is {text}", where]], indent=indent)
    if not one.history and not one.leaves:
        yield f"{indent}{one.path}: nothing is said of it"
        return
    if one.leaves:
        yield f"{indent}{one.path}:"
    elif one.history[-1].kind == "removed":
        yield f"{indent}{one.path} is removed"
    else:
        yield f"{indent}{one.path} = {said(one.value)}"
    inner = f"{indent}  "
    yield from grid([[_value(entry), entry.origin] for entry in one.history], indent=inner)
    if one.leaves:
        yield f"{indent}  comes to"
        rows = [[path, _short(said(value)), where] for path, value, where in one.leaves[:MOST]]
        yield from grid(rows, indent=f"{inner}  ")
        if len(one.leaves) > MOST:
            yield f"{inner}  and {len(one.leaves) - MOST} more"
    for other in one.refers_to:
        yield from _told(other, inner)


def _value(entry: Entry) -> str:
    return WORDS.get(entry.kind, "{}").format(_short(said(entry.value)))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
