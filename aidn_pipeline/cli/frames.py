"""A stack trace for the reader: frames of the project with their source, all others folded."""

import sysconfig
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from aidn_pipeline.engine.failure import RaisedElsewhere

OURS = Path(__file__).resolve().parents[1]
INSTALLED = ("site-packages", "dist-packages")
LIBRARY = Path(sysconfig.get_path("stdlib"))


def folded(error: BaseException, project: Path) -> str:
    """The trace of an exception and of those it came from.

    Args:
        error: what was raised.
        project: the root; files under it are the user's.
    """
    if isinstance(error, BaseExceptionGroup):
        # Each member has a trace of its own, which only the whole form can show.
        return "".join(traceback.format_exception(error)).rstrip()
    lines: list[str] = []
    before, words = _before(error)
    if before is not None:
        lines += [folded(before, project), "", words, ""]
    lines.append("Traceback (most recent call last; --traceback shows every frame):")
    if isinstance(error, RaisedElsewhere):
        lines += [*_frames(error.frames, project), error.text]
    else:
        lines += _frames(traceback.extract_tb(error.__traceback__), project)
        lines.append("".join(traceback.format_exception_only(error)).rstrip())
    return "\n".join(lines)


def whole(error: BaseException) -> str:
    """The trace with every frame."""
    if isinstance(error, RaisedElsewhere):
        return error.trace
    return "".join(traceback.format_exception(error)).rstrip()


def is_users(file: str, project: Path) -> bool:
    """Whether a frame's file is the user's own: in the project, not ours and not installed."""
    place = Path(file)
    return (
        place.is_relative_to(project)
        and not place.is_relative_to(OURS)
        and not set(INSTALLED) & set(place.parts)
    )


def below_users(error: BaseException, project: Path) -> int:
    """How many frames lie below the user's last one; 0 if none is the user's."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((n for n, file in enumerate(reversed(files)) if is_users(file, project)), 0)


def has_users(error: BaseException, project: Path) -> bool:
    """Whether a frame of what was raised is the user's."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(is_users(frame.f_code.co_filename, project) for frame, _ in frames)


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, "The above was the direct cause of:"
    if error.__context__ is not None and not error.__suppress_context__:
        return error.__context__, "While that was handled, this was raised:"
    return None, ""


def _frames(frames: traceback.StackSummary, project: Path) -> Iterator[str]:
    own = [is_users(frame.filename, project) for frame in frames]
    if not any(own) and own:
        # Nothing of the user's took part: the place itself is all there is to show.
        own[-1] = True
    for shown, run in groupby(zip(own, frames, strict=True), key=lambda pair: pair[0]):
        some = [frame for _, frame in run]
        if shown:
            yield from (line.rstrip() for line in traceback.StackSummary.from_list(some).format())
        else:
            yield f"  ... {_counted(some)}"


def _counted(frames: list[traceback.FrameSummary]) -> str:
    (first, number), *rest = Counter(_package(frame.filename) for frame in frames).items()
    noun = "frame" if number == 1 else "frames"
    return ", ".join([f"{number} {noun} in {first}", *(f"{n} in {name}" for name, n in rest)])


def _package(file: str) -> str:
    place = Path(file)
    if place.is_relative_to(OURS):
        return OURS.name
    for folder in INSTALLED:
        if folder in place.parts:
            return place.parts[place.parts.index(folder) + 1].removesuffix(".py")
    if file.startswith("<") or place.is_relative_to(LIBRARY):
        return "python"
    return place.parent.name or place.name
