"""The program `aidn-run`: a remembered answer, or the command line.

What a remembered answer does not need is imported when it is, by `__import__`: `importlib` itself
would be a tenth of what an empty program takes.
"""

import sys

from aidn_pipeline import __version__, memo


def main() -> int:
    """Runs one command; see `aidn_pipeline.cli.main.main`."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--complete"]:
        completion = __import__("aidn_pipeline.completion", fromlist=["main"])
        return int(completion.main(arguments[1:], _listed))
    if arguments == ["--version"]:
        answer: str | None = f"aidn-pipeline {__version__}"
    elif arguments in (["--help"], ["-h"]):
        answer = __import__("aidn_pipeline.cli.words", fromlist=["HELP"]).HELP
    else:
        answer = memo.recall(arguments) if memo.is_memorable(arguments) else None
    if answer is None or not _said(answer):
        command_line = __import__("aidn_pipeline.cli.main", fromlist=["main"])
        return int(command_line.main(arguments))
    return 0


def _listed(recipe: str) -> str:
    candidates = __import__("aidn_pipeline.cli.candidates", fromlist=["listed"])
    return str(candidates.listed(recipe))


def _said(answer: str) -> bool:
    try:
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        # Standard output is closed, full or of another character set; the command line copes.
        return False
    return True
