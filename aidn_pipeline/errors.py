"""Every error of the package, its exit code and its remedy.

AidnError                     1  anything of ours
├── FoundBeforeStart          2  nothing ran, nothing was written
│   ├── UsageError               the command line
│   ├── ConfigError              a recipe, a fragment, an override
│   │   ├── UnknownRecipe
│   │   ├── UnknownKey
│   │   ├── UnknownComponent
│   │   ├── WrongType
│   │   ├── ForbiddenKey         `_target_` and its kin, refused resolvers
│   │   ├── BudgetExceeded       text too large, too deep, too many aliases
│   │   ├── SecretUnavailable    a secret that is nowhere, or in a file that others may read
│   │   └── ConfigProblems       several of the above, all at once
│   ├── WiringError              ports, references, cycles
│   ├── MissingInputs            a stage that is to run alone lacks what it needs
│   ├── NotReproducible          something differs from a lock, or from an earlier run
│   ├── NotTrusted               a workspace that names packages and was not trusted
│   └── UnsupportedPlatform      Windows without WSL2
├── StageFailed               3  a stage raised; carries the stage's name
│   ├── StageTimedOut            it took longer than its `timeout_s`
│   └── StageDied                its process ended without a word
├── DataError                 3  data is missing, empty or not what was declared
├── MissingPackage            3  an optional package that is needed here is not installed
├── GateNotMet                4  a gate refused; nothing was registered
├── StoreError                1
│   ├── CorruptObject            bytes do not match their recorded hash
│   ├── StorageFull
│   ├── StorageUnwritable        read-only, foreign owner, an I/O error
│   ├── NoLocks                  a network file system that cannot be trusted with two writers
│   ├── NewerFormat
│   └── Busy                     another live process holds the work
├── NotReproduced             1  a run came to other bytes than it was held against
├── ModelNotFound             2  no such model, version or bundle
└── Interrupted        130/143  stopped by a signal; the same command continues
"""

import signal
from collections.abc import Callable, Sequence
from typing import Any


class Masks:
    """Takes what nobody may read out of texts; `aidn_pipeline.core.masking` knows what that is."""

    def __init__(self) -> None:
        self.masked: Callable[[str], str] = str


MASKS = Masks()
"""Of every error."""


class AidnError(Exception):
    """What happened, where, and what to do about it.

    Attributes:
        problem: one sentence; what was expected and what was found.
        where: the place: a file with its line, a config path, a file in the store.
        remedy: what to type or change; empty when nothing can be advised.
        excerpt: the line it is about, with a caret below the mistake; None where nobody looked.
    """

    exit_code = 1
    excerpt: str | None = None

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        self.problem = MASKS.masked(problem)
        self.where = MASKS.masked(where)
        self.remedy = MASKS.masked(remedy)
        super().__init__(self.problem)

    def __str__(self) -> str:
        if self.excerpt:
            place, _, path = self.where.removesuffix(")").rpartition(" (")
            lines = [f"{place or path}: {self.problem}", self.excerpt]
            if place and path not in self.problem:
                lines.append(f"  at: {path}")
        else:
            lines = [self.problem, *([f"  at: {self.where}"] if self.where else [])]
        if self.remedy:
            lines.append(f"  fix: {self.remedy}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The `error` object of `--json`."""
        return {
            "type": type(self).__name__,
            "problem": self.problem,
            "where": self.where,
            "remedy": self.remedy,
        }


class FoundBeforeStart(AidnError):
    """Found before the first stage starts: nothing ran, nothing was written."""

    exit_code = 2


class UsageError(FoundBeforeStart):
    """The command line cannot be read."""


class ConfigError(FoundBeforeStart):
    """A recipe, a config fragment or an override is wrong."""


class UnknownRecipe(ConfigError):
    """No recipe of that name on the search path."""


class UnknownKey(ConfigError):
    """A key that no field stands behind."""


class UnknownComponent(ConfigError):
    """A `use:` name that is not in the component index."""


class WrongType(ConfigError):
    """A value of the wrong type, or outside its field's range."""


class ForbiddenKey(ConfigError):
    """A key or a resolver that could name code; refused before anything is imported."""


class BudgetExceeded(ConfigError):
    """A config text that is too large, too deep or expands too far."""


class SecretUnavailable(ConfigError):
    """A secret is neither in the environment nor in a file, or its file is open to others."""


class ConfigProblems(ConfigError):
    """Several config problems at once.

    Attributes:
        problems: each with its place and remedy, in file order.
        places: the files with their lines, for the first line of the message.
    """

    places = ""

    def __init__(self, problems: Sequence[FoundBeforeStart]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(
            "; ".join(p.problem for p in self.problems), where=first.where, remedy=first.remedy
        )

    def __str__(self) -> str:
        told = f": {self.places}" if self.places else ""
        head = f"{len(self.problems)} problems in the configuration{told}"
        return "\n\n".join([head, *(str(p) for p in self.problems)])


class WiringError(FoundBeforeStart):
    """A port, a reference between stages, or a cycle is wrong."""


class MissingInputs(FoundBeforeStart):
    """A stage is to run alone, and the results of what it needs are not there."""


class NotReproducible(FoundBeforeStart):
    """Configuration, code, data or packages differ from a lock, or from an earlier run."""


class NotTrusted(FoundBeforeStart):
    """The workspace names packages of its own and has not been trusted yet."""


class UnsupportedPlatform(FoundBeforeStart):
    """The operating system lacks what the store stands on."""


class ModelNotFound(FoundBeforeStart):
    """No model, version or bundle of that name."""


class StageFailed(AidnError):
    """A stage raised; `__cause__` holds what it raised."""

    exit_code = 3


class StageTimedOut(StageFailed):
    """A stage took longer than its `timeout_s`."""


class StageDied(StageFailed):
    """The process of a stage ended without a word: killed, out of memory, or by itself."""


class DataError(AidnError):
    """Data is missing, empty, damaged or not what was declared."""

    exit_code = 3


class MissingPackage(AidnError):
    """An optional package is needed and not installed; the remedy says how to get it."""

    exit_code = 3


class NotReproduced(AidnError):
    """A run came to other bytes than the lock or the run that it is held against."""


class GateNotMet(AidnError):
    """A gate refused; nothing was registered and what depends on it is skipped."""

    exit_code = 4


class StoreError(AidnError):
    """The store cannot do what was asked."""


class CorruptObject(StoreError):
    """Bytes in the store do not match their recorded hash; they are never served."""


class StorageFull(StoreError):
    """No space is left; what was acknowledged before is unharmed."""


class StorageUnwritable(StoreError):
    """The store is read-only, not ours, or its disk failed."""


class Busy(StoreError):
    """Another live process holds the work."""


class NoLocks(StoreError):
    """The locks of the store's file system would not keep two writers apart."""


class NewerFormat(StoreError):
    """The store was written by a later release; it is left untouched."""


class Interrupted(AidnError):
    """Stopped by a signal; the same command continues where it stopped."""

    def __init__(self, signum: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(signum).name}",
            remedy="run the same command again; it continues where this one stopped",
        )
        self.signum = signum
        self.exit_code = 128 + signum
