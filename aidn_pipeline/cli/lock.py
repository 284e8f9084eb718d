"""`aidn-run lock recipe=NAME ...`: write down what the results of a recipe rest on."""

import json
from collections.abc import Sequence

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.asked import asked
from aidn_pipeline.cli.text import printable
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.locking import Locked, lock


def main(given: Sequence[str]) -> int:
    """Writes the lock, and says what has changed since the one that was there."""
    arguments = parse(given, {"--json": "switch"}, verb="lock")
    about = [word for word in arguments.words if word.lstrip("+").startswith("run.")]
    if about:
        raise UsageError(
            f"`{about[0]}` says how something is run, and a lock is of all of the recipe",
            where=" ".join(["aidn-run lock", *given]),
            remedy="leave it out",
        )
    builder = asked(arguments.words, verb="lock").builder
    locked = lock(builder)
    if arguments.has("--json"):
        value = {
            "format": 1,
            "path": locked.shown,
            "written": locked.written,
            "changed": list(locked.changed),
            "outputs": locked.outputs,
        }
        print(json.dumps(value))
        return 0
    print(printable("\n".join(told(locked, builder.recipe))))
    return 0


def told(locked: Locked, recipe: str) -> list[str]:
    """What is said of a lock."""
    if not locked.written:
        return [f"{locked.shown} is up to date"]
    lines = [f"{locked.shown} written"]
    if locked.was:
        lines += [f"  {text}" for text in locked.changed] or ["  nothing that it had has changed"]
    if locked.outputs:
        digests = "digest of 1 output" if locked.outputs == 1 else "digests of {n} outputs"
        lines.append(f"  with the {digests.format(n=locked.outputs)}")
    else:
        lines.append(
            f"  without outputs: none is there; run `aidn-run recipe={recipe}`, then lock again"
        )
    return [*lines, "next: commit it"]
