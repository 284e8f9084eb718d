"""Where a user's own settings are, and where the command was typed."""

import os
from pathlib import Path

from aidn_pipeline.errors import UsageError


def settings_folder() -> Path:
    """The folder of this package among the user's settings: `$XDG_CONFIG_HOME/aidn`."""
    base = os.environ.get("XDG_CONFIG_HOME")
    if base:
        return Path(base, "aidn")
    try:
        home = Path.home()
    except RuntimeError:
        # A number without a name, as containers run things; `HOME=/` is what most give it.
        home = Path("/")
    return home / ".config" / "aidn"


def working_folder() -> Path:
    """The folder in which the command was typed.

    Raises:
        UsageError: if it is gone.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError(
            "the working folder is gone: it was removed or replaced since the shell entered it",
            where=os.environ.get("PWD", "."),
            remedy="go to a folder that is there, such as `cd ~`",
        ) from error
