"""The Python that runs us: its version, its environment, its terminal, its clock."""

import os
import platform
import sys
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from aidn_pipeline.cli.health.finding import Finding, doubtful, sound, wrong
from aidn_pipeline.cli.health.ranges import Range

TRIED = ((3, 11), (3, 12), (3, 13))
"""Versions of Python that the tests run on."""
RELEASED = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""


def examine(python: Range) -> Iterator[Finding]:
    """Looks at all of it.

    Args:
        python: the versions that this release takes.
    """
    yield _system()
    yield _version(python)
    yield from _environment()
    yield from _encoding()
    yield from _clock()


def _system() -> Finding:
    what = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if sys.platform == "darwin":
        return doubtful(
            f"{what}: macOS is second tier",
            "",
            "the tests do not run on it: for work that counts use Linux, or a container",
        )
    return sound(what)


def _version(python: Range) -> Finding:
    version = platform.python_version()
    if not python.holds(version):
        return wrong(
            f"Python {version} is not supported, this release needs {python}",
            sys.executable,
            f"make an environment with another one: `python3.{TRIED[-1][1]} -m venv .venv`",
        )
    if sys.version_info[:2] > TRIED[-1]:
        newest = ".".join(map(str, TRIED[-1]))
        return doubtful(
            f"Python {version} is newer than what this release was tried with",
            sys.executable,
            f"if something breaks, use Python {newest}",
        )
    return sound(f"Python {version}", sys.executable)


def _environment() -> Iterator[Finding]:
    named = os.environ.get("VIRTUAL_ENV")
    if sys.prefix == sys.base_prefix and "CONDA_PREFIX" not in os.environ:
        if named:
            yield doubtful(
                f"VIRTUAL_ENV names {named}, another Python runs",
                sys.executable,
                f"run `{named}/bin/aidn-run`, or install aidn-pipeline there",
            )
        elif _in_container():
            yield sound("no virtual environment, in a container", sys.prefix)
        else:
            yield doubtful(
                "no virtual environment: packages are shared with the system",
                sys.prefix,
                "`python3 -m venv .venv && .venv/bin/pip install aidn-pipeline`",
            )
        return
    yield sound("virtual environment", sys.prefix)
    if named and Path(named).resolve() != Path(sys.prefix).resolve():
        yield doubtful(
            f"VIRTUAL_ENV names {named}, the Python of {sys.prefix} runs",
            sys.executable,
            "activate the environment you mean: `. .venv/bin/activate`",
        )


def _in_container() -> bool:
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


def _encoding() -> Iterator[Finding]:
    odd = [
        f"{name} is {stream.encoding}"
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr))
        if not _is_utf8(getattr(stream, "encoding", None))
    ]
    if not _is_utf8(sys.getfilesystemencoding()):
        odd.append(f"names of files are {sys.getfilesystemencoding()}")
    if odd:
        set_to = {
            name: os.environ[name]
            for name in ("PYTHONIOENCODING", "LC_ALL", "LC_CTYPE", "LANG")
            if os.environ.get(name)
        }
        yield doubtful(
            f"text is not UTF-8: {', '.join(odd)}; curves and some names are shown as escapes",
            " ".join(f"{name}={value}" for name, value in set_to.items()),
            "set `PYTHONUTF8=1`, or `LC_ALL=C.UTF-8`, and unset PYTHONIOENCODING",
        )
    else:
        yield sound("text is UTF-8")


def _is_utf8(encoding: str | None) -> bool:
    return encoding is None or encoding.lower().replace("-", "").replace("_", "") == "utf8"


def _clock() -> Iterator[Finding]:
    now = datetime.now(UTC)
    zone = os.environ.get("TZ", "")
    if now < RELEASED:
        yield wrong(
            f"the clock shows {now:%Y-%m-%d %H:%M} UTC, before this release was made",
            "the system's clock",
            "set it: runs are told apart and listed by their time",
        )
    elif zone and not _is_zone(zone):
        # The C library takes a zone that it does not know for UTC, and says nothing.
        yield doubtful(
            f"the time zone {zone!r} is not known here: times are shown in UTC",
            f"TZ={zone}",
            "write a name such as `TZ=Europe/Berlin`, or install the package `tzdata`",
        )
    else:
        yield sound(f"clock: {now:%Y-%m-%d %H:%M} UTC, shown in {time.tzname[time.daylight and 1]}")


def _is_zone(text: str) -> bool:
    text = text.removeprefix(":")
    if text.upper() in ("UTC", "GMT"):
        # Known without any file of zones.
        return True
    if text.startswith("/"):
        return Path(text).is_file()
    # `EST5EDT,M3.2.0,M11.1.0` and its kin carry their rules with them.
    if any(sign.isdigit() for sign in text) and "/" not in text:
        return True
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
