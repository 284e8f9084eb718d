"""Secrets: named in a recipe, read where they are used, shown nowhere.

A component declares one by the type of its field:

    token: Secret

and the recipe says `token: ${secret:NAME}`, or has it as a part of a longer text. Recipes, records
and fingerprints hold that reference. The value is read in the process that builds the component,
from the variable `AIDN_SECRET_NAME`, else from the file `NAME` in the folder that `AIDN_SECRETS`
names. A recipe can therefore reach no variable and no file that was not put there for recipes.
"""

import hmac
import os
import re
import stat
from pathlib import Path
from typing import NoReturn

from aidn_pipeline.core.home import settings_folder
from aidn_pipeline.core.masking import keep_out
from aidn_pipeline.errors import SecretUnavailable, WrongType

VARIABLE = "AIDN_SECRET_"
FOLDER = "AIDN_SECRETS"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
REFERENCE = re.compile(r"\$\{secret:(" + NAME.pattern + r")\}")
LONGEST = 64 * 1024
"""Bytes of the longest file that is read as a secret."""
MOUNTED = Path("/run/secrets")
"""Where containers find theirs; nobody else is in there, whatever the mode says."""


class Secret:
    """A secret of a component: its reference; `reveal` gives the text.

    Attributes:
        reference: what the recipe says: a text with one or more `${secret:NAME}` in it.
    """

    __slots__ = ("reference",)
    reference: str

    def __init__(self, reference: str) -> None:
        """Takes the reference, never the value.

        Raises:
            WrongType: if it has no `${secret:NAME}`.
        """
        if not REFERENCE.search(reference):
            keep_out(reference)
            raise WrongType(
                "a secret is made from its reference, and never from its value",
                where="Secret",
                remedy="write `Secret('${secret:NAME}')`, and put the value in the environment as "
                f"{VARIABLE}NAME",
            )
        object.__setattr__(self, "reference", reference)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the secrets in the reference."""
        return names_in(self.reference)

    def reveal(self) -> str:
        """The text, with the values in the place of their names.

        Raises:
            SecretUnavailable: if a value is nowhere, or its file is open to others.
        """
        return REFERENCE.sub(lambda found: read(found[1]), self.reference)

    def __repr__(self) -> str:
        return f"<secret {' '.join(self.names)}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            other = other.reveal()
        if not isinstance(other, str):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.encode())

    def __hash__(self) -> int:
        # Equal values may have different names; a hash of the value would tell something of it.
        return hash(Secret)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a secret is not changed: {name}")

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        # Another process gets the name and reads the value for itself.
        return Secret, (self.reference,)


def names_in(text: str) -> tuple[str, ...]:
    """Names of the secrets that a text refers to, each once."""
    return tuple(dict.fromkeys(found[1] for found in REFERENCE.finditer(text)))


def _is_text(value: str) -> bool:
    # The environment gives bytes that are no UTF-8 as lone surrogates.
    return not any("\ud800" <= character <= "\udfff" for character in value)


def read(name: str) -> str:
    """The value of a secret; it is masked from now on in what is written.

    Raises:
        SecretUnavailable: if it is nowhere, is empty, or its file is open to others.
    """
    file = locate(name)
    if file is None:
        value, place = os.environ[VARIABLE + name], f"the variable {VARIABLE}{name}"
    else:
        value, place = _text(name, file), str(file)
    if not value or "\0" in value or not _is_text(value):
        raise SecretUnavailable(
            f"the secret {name} is empty, or no text", where=place, remedy="put its value there"
        )
    keep_out(value, name)
    return value


def locate(name: str) -> Path | None:
    """The file of a secret; None if it is in the environment. No value is read.

    Raises:
        SecretUnavailable: if it is nowhere, or its file is open to others.
    """
    if VARIABLE + name in os.environ:
        return None
    file = folder() / name
    try:
        found = file.stat()
    except (OSError, ValueError) as error:
        variable = f"export {VARIABLE}{name}=..."
        if name in os.environ:
            # Recipes come from strangers too: a variable is theirs to name only if it says so.
            variable = f'export {VARIABLE}{name}="${name}"'
        raise SecretUnavailable(
            f"the secret {name} is neither in the variable {VARIABLE}{name} nor in a file",
            where=str(file),
            remedy=f"`{variable}`, or write it to that file with mode 0600 ({FOLDER} names another "
            "folder)",
        ) from error
    _refuse_open(name, file, found)
    return file


def folder() -> Path:
    """Where files of secrets are: `AIDN_SECRETS`, else `aidn/secrets` in the user's settings."""
    named = os.environ.get(FOLDER)
    return Path(named).expanduser() if named else settings_folder() / "secrets"


def _refuse_open(name: str, file: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretUnavailable(
            f"the secret {name} is no file", where=str(file), remedy="put its value in a file there"
        )
    others = stat.S_IMODE(found.st_mode) & 0o077
    if found.st_uid == 0 and os.geteuid() != 0:
        # So Kubernetes hands a file to the group of a container that is not root.
        others &= ~0o040
    if others and MOUNTED not in file.absolute().parents:
        raise SecretUnavailable(
            f"others may read the secret {name}: its file has mode "
            f"{stat.S_IMODE(found.st_mode):04o}",
            where=str(file),
            remedy=f"`chmod 600 {file}` (in Kubernetes, `defaultMode: 0400`)",
        )


def _text(name: str, file: Path) -> str:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as stream:
            _refuse_open(name, file, os.fstat(fd))
            data = stream.read(LONGEST + 1)
        if len(data) > LONGEST:
            raise ValueError(f"it has more than {LONGEST} bytes")
        return data.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        # The text of a decoding error shows what it could not decode.
        said = "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise SecretUnavailable(
            f"the secret {name} cannot be read: {said}",
            where=str(file),
            remedy="write it to the file as text, readable by you",
        ) from None
