"""Standard output and error, where they may be closed, full, or of a narrow character set."""

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO

STDOUT = "standard output"


class _Named(io.FileIO):
    """A descriptor whose errors say whose they are."""

    def __init__(self, fd: int, label: str) -> None:
        super().__init__(fd, "wb", closefd=False)
        self._label = label

    def write(self, data: Any) -> int:
        """Writes, as a file does."""
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._label) from None


def prepare() -> None:
    """Makes both streams fit for whatever is printed."""
    # Whoever closed a stream wants nothing said there; Python has None in its place.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        plain = sys.stdout
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Named(plain.fileno(), STDOUT)),
            encoding=plain.encoding,
            errors=plain.errors,
            line_buffering=plain.line_buffering,
        )
    # A terminal that is not UTF-8 shows a curve as escapes; it must not end the command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def is_of_stdout(error: BaseException) -> bool:
    """Whether an error is that what was printed cannot be written."""
    return isinstance(error, OSError) and error.filename == STDOUT


def say(text: str, stream: TextIO) -> None:
    """Writes a text at once; where nobody reads any more, nothing more is said."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        silence(stream)


def settle(stream: TextIO) -> None:
    """Writes the rest of what was printed, or gives it up: nothing fails at exit."""
    try:
        stream.flush()
    except OSError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Lets the rest of what is printed go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
