"""A failure as JSON, so that it can be told from one process to another, and back again."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from aidn_pipeline import errors
from aidn_pipeline.core.masking import masked
from aidn_pipeline.errors import AidnError, Interrupted, StageFailed

DEEPEST = 8
"""Exceptions that came from each other, of which the traces are told."""


class RaisedElsewhere(Exception):
    """An exception of another process, as far as it can be told.

    Attributes:
        kinds: names of its class and of those it derives from.
        text: its last lines, `ValueError: no good`.
        frames: of its trace.
        trace: the whole trace as text.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(str(told["text"]))
        self.kinds = tuple(map(str, told["kinds"]))
        self.text = str(told["text"])
        self.frames = traceback.StackSummary.from_list(map(_frame, told["frames"]))
        self.trace = str(told["trace"])

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The exception, with those it came from."""
        error = cls(told)
        if told.get("cause"):
            error.__cause__ = cls.from_json(told["cause"])
        elif told.get("context"):
            error.__context__ = cls.from_json(told["context"])
        return error


def _frame(told: Sequence[Any]) -> traceback.FrameSummary:
    file, line, name, code, end, column, end_column = told
    return traceback.FrameSummary(
        str(file),
        int(line),
        str(name),
        # Columns count from the beginning of the line as it stands in the file.
        line=None if column is not None and Path(str(file)).is_file() else str(code),
        end_lineno=end,
        colno=column,
        end_colno=end_column,
    )


def error_to_json(error: BaseException) -> dict[str, Any]:
    """An error with its place and remedy, and the trace of what it came from."""
    ours = error if isinstance(error, AidnError) else wrapped(error)
    cause = ours.__cause__
    return {
        **ours.to_json(),
        "kinds": kinds_of(ours),
        "signum": ours.signum if isinstance(ours, Interrupted) else None,
        "cause": None if cause is None else _told(cause, DEEPEST),
    }


def error_from_json(value: Mapping[str, Any]) -> AidnError:
    """The error that was told; of a class that is not ours it is the nearest one that is."""
    if value.get("signum"):
        return Interrupted(int(value["signum"]))
    found = (getattr(errors, str(name), None) for name in (value["type"], *value["kinds"]))
    kind = next((k for k in found if isinstance(k, type) and issubclass(k, AidnError)), AidnError)
    if kind is errors.ConfigProblems:
        kind = errors.ConfigError
    error: AidnError = kind(
        str(value["problem"]), where=str(value["where"]), remedy=str(value["remedy"])
    )
    if value.get("cause"):
        error.__cause__ = RaisedElsewhere.from_json(value["cause"])
    return error


def kinds_of(error: BaseException) -> list[str]:
    """Names of the class of an exception and of those it derives from, without the last ones."""
    return [kind.__name__ for kind in type(error).__mro__ if kind not in (BaseException, object)]


def causes_of(error: BaseException) -> set[str]:
    """Names by which a failure can be meant: its own kinds, and those of what it came from."""
    cause = error.__cause__
    names = set(kinds_of(error))
    if isinstance(cause, RaisedElsewhere):
        return names | set(cause.kinds)
    return names | (causes_of(cause) if cause is not None else set())


def wrapped(error: BaseException) -> StageFailed:
    """An error of ours for an exception that is none."""
    ours = StageFailed(
        f"{type(error).__name__}: {_text(error)}",
        remedy="fix the cause and run the same command again; finished stages are reused",
    )
    ours.__cause__ = error
    return ours


def _told(error: BaseException, depth: int) -> dict[str, Any]:
    before = {"cause": error.__cause__, "context": error.__context__}
    if error.__suppress_context__:
        before["context"] = None
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "kinds": kinds_of(error),
        "text": masked(_last_lines(error)),
        "frames": [_frame_told(frame) for frame in frames],
        "trace": masked(_whole(error)),
        **{
            name: None if e is None or depth == 0 else _told(e, depth - 1)
            for name, e in before.items()
        },
    }


def _frame_told(frame: traceback.FrameSummary) -> list[Any]:
    code = frame.line or ""
    place = [frame.filename, frame.lineno or 0, frame.name, masked(code)]
    # Without columns the line is not read again where it is shown.
    columns = [frame.end_lineno, frame.colno, frame.end_colno]
    return place + (columns if masked(code) == code else [None, None, None])


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - whatever its `__str__` does, the failure is told
        return f"(its text raised {type(broken).__name__})"


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).rstrip()


def _whole(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()
