"""Python's debugger beside our progress display: at most one of them writes to the terminal."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from aidn_pipeline.cli.frames import below_users


def can_ask() -> bool:
    """Whether somebody can answer a prompt: stdin is a terminal or a pipe."""
    try:
        return sys.stdin.isatty() or stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):
        # Closed, or none at all.
        return False


def post_mortem(error: BaseException, project: Path, out: TextIO) -> None:
    """Opens the debugger on what was raised, at the user's last frame.

    Args:
        error: with its traceback.
        project: root of the user's files.
        out: what the debugger writes to.
    """
    if not can_ask():
        print("no debugger: stdin is neither a terminal nor a pipe", file=sys.stderr)
        return
    # A stream that is handed over costs the line editing of a terminal.
    pdb = _pdb()
    debugger = pdb.Pdb() if out is sys.stdout else pdb.Pdb(stdin=sys.stdin, stdout=out)
    debugger.reset()
    if above := below_users(error, project):
        debugger.rcLines.append(f"up {above}")
    debugger.interaction(None, error.__traceback__)


@contextmanager
def standing_aside(view: AbstractContextManager[Any]) -> Iterator[None]:
    """Ends a live display before `breakpoint()` opens a debugger."""
    before = sys.breakpointhook

    def stop_and_ask(*arguments: Any, **named: Any) -> Any:
        view.__exit__(None, None, None)
        if before is sys.__breakpointhook__ and os.environ.get("PYTHONBREAKPOINT", "") in (
            "",
            "pdb.set_trace",
        ):
            # Python's own hook would stop in this function, not in its caller.
            return _pdb().Pdb().set_trace(sys._getframe(1))  # noqa: SLF001 - as pdb itself does
        return before(*arguments, **named)

    sys.breakpointhook = stop_and_ask
    try:
        yield
    finally:
        sys.breakpointhook = before


def _pdb() -> Any:
    # Its import takes longer than many a run; few of them need it.
    return import_module("pdb")
