"""`aidn-run show [RUN | recipe=NAME ...]`: what a run did and measured, or a recipe comes to."""

import json
import sys
from collections.abc import Sequence

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.asked import asked
from aidn_pipeline.cli.habits import wants_config, without_config
from aidn_pipeline.cli.story import told
from aidn_pipeline.cli.text import printable
from aidn_pipeline.config.origins import annotated
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.runs import find_run
from aidn_pipeline.facade.workspace import Workspace


def main(given: Sequence[str]) -> int:
    """Prints it."""
    if wants_config(given):
        given = without_config(given)
    if any(word.startswith("recipe=") for word in given):
        return _recipe(given)
    arguments = parse(given, {"--json": "switch"}, verb="show")
    workspace = Workspace.around()
    if not workspace.has_store:
        raise UsageError(
            "nothing was run here yet",
            where=str(workspace.project.root),
            remedy="run a recipe: `aidn-run recipe=digits`, or look at one: `aidn-run show "
            "recipe=digits`",
        )
    if len(arguments.words) > 1:
        raise UsageError(
            "show takes one run",
            where=" ".join(["aidn-run show", *given]),
            remedy="`aidn-run list runs` lists them; a recipe is shown by `aidn-run show recipe=X`",
        )
    beginning = arguments.words[0] if arguments.words else ""
    if arguments.has("--json"):
        print(json.dumps(AiModelResult.of_run(beginning).to_json()))
        return 0
    with workspace.open_store() as store:
        print(printable("\n".join(told(find_run(store, beginning), store, workspace))))
    return 0


def _recipe(given: Sequence[str]) -> int:
    spec = asked(given, verb="show").builder.spec()
    print(annotated(spec), end="")
    for note in spec.notes:
        print(f"note: {note}", file=sys.stderr)
    for warning in spec.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0
