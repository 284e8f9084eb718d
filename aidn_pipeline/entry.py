"""The program `aidn-run`: a remembered answer, or the command line."""

import importlib
import sys

from aidn_pipeline import __version__, completion, memo


def main() -> int:
    """Runs one command; see `aidn_pipeline.cli.main.main`."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--complete"]:
        return completion.main(arguments[1:], _listed)
    if arguments == ["--version"]:
        answer: str | None = f"aidn-pipeline {__version__}"
    else:
        answer = memo.recall(arguments) if memo.is_memorable(arguments) else None
    if answer is None or not _said(answer):
        command_line = importlib.import_module("aidn_pipeline.cli.main")
        return int(command_line.main(arguments))
    return 0


def _listed(recipe: str) -> str:
    return str(importlib.import_module("aidn_pipeline.cli.candidates").listed(recipe))


def _said(answer: str) -> bool:
    try:
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        # Standard output is closed, full or of another character set; the command line copes.
        return False
    return True
