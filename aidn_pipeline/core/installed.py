"""Versions of installed distributions, without the import of what reads them in general.

`importlib.metadata` brings the parser of mails with it, which costs a plan a twentieth of its time.
"""

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")
VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE)


def installed(name: str) -> str:
    """The installed version of a distribution without its local label; empty if there is none."""
    return (_beside_its_modules(name) or _anywhere(name)).partition("+")[0]


def _beside_its_modules(name: str) -> str:
    """As the first folder on the path says it that has an ordinary record of it."""
    wanted = _normal(name)
    for entry in sys.path:
        folder = Path(entry)
        # A name on disk begins as the distribution's, up to its case and what joins its words.
        for record in folder.glob(f"{_pattern(name)}-*.dist-info"):
            found = FOLDER.fullmatch(record.name)
            if found is None or _normal(found["name"]) != wanted:
                continue
            try:
                head = (record / "METADATA").read_text(encoding="utf-8").partition("\n\n")[0]
            except (OSError, UnicodeDecodeError):
                return ""
            version = VERSION.search(head)
            return version[1] if version else ""
    return ""


def _pattern(name: str) -> str:
    letters = (f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in name)
    return "".join("[-_.]" if c in "-_." else c for c in letters)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _anywhere(name: str) -> str:
    metadata: Any = import_module("importlib.metadata")
    try:
        return str(metadata.version(name))
    except metadata.PackageNotFoundError:
        return ""
