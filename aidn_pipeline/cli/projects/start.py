"""What every kind of project starts from, and how its facts are put into words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aidn_pipeline.config.emit import quoted
from aidn_pipeline.config.references import literal
from aidn_pipeline.errors import DataError, UsageError

COPIED = 100_000_000
"""Bytes of a file up to which it is copied into the project."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*( [A-Za-z0-9_]+)*")
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Plain words that mean something else in YAML."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the user has.

    Attributes:
        source: a file or folder of theirs; None for made-up data.
        label: the column to be predicted; empty where nothing needs one.
        text: the column of the texts; empty if it is to be told.
    """

    source: Path | None = None
    label: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Data, looked at.

    Attributes:
        data: how the project names its file or folder.
        label: the column to be predicted.
        noun: what the rows are.
        facts: what `look` found: `rows`, `task`, `classes` and more.
        files: to be placed in the project, beside what the templates give.
    """

    data: str
    label: str
    noun: str
    facts: Mapping[str, Any]
    files: Mapping[str, bytes | Path]

    @property
    def rows(self) -> int:
        """Rows with a label."""
        return int(self.facts["rows"])

    @property
    def task(self) -> str:
        """What the label asks for."""
        return str(self.facts["task"])

    @property
    def commonest(self) -> tuple[str, int]:
        """The commonest class and its rows."""
        name, count = self.facts["classes"][0]
        return str(name), int(count)


class Kind(Protocol):
    """A kind of project: what it looks at, and what it says of it.

    Attributes:
        layer: the folder of its templates.
        target: whether it needs a column to be predicted.
        takes: what it can start from.
    """

    layer: str
    target: bool
    takes: str

    def start(self, given: Given, package: str, folder: Path) -> Start:
        """Looks at the data; `folder` is one that made-up data may be written to for a moment.

        Raises:
            UsageError: if the data cannot be read or predicted.
        """
        ...

    def values(self, found: Start, package: str) -> dict[str, str]:
        """What its templates ask for, beside what all do."""
        ...

    def report(self, found: Start, recipe: str, text: str) -> str:
        """What is told of the data; `text` is that of the recipe, for the lines to change."""
        ...


def common_values(found: Start, name: str, package: str) -> dict[str, str]:
    """What the templates of every kind ask for."""
    regression = found.task == "regression"
    plain = " ".join(found.label.replace("`", "'").split())
    return {
        "name": name,
        "package": package,
        "class": "".join(part.capitalize() for part in package.split("_")),
        "title": package.replace("_", " ").capitalize(),
        "noun": found.noun,
        "requires": "aidn-pipeline[images]" if found.noun == "images" else "aidn-pipeline",
        "label_code": f"`{plain}`" if plain else "the class",
        "label_python": json.dumps(found.label, ensure_ascii=False),
        "data": found.data,
        "data_python": json.dumps(found.data, ensure_ascii=False),
        "task": found.task,
        "metric": "median_error" if regression else "balanced_accuracy",
        "gate": "{r2: {min: 0.1}}"
        if regression
        else f"{{accuracy: {{min: {better(found.commonest[1] / found.rows)}}}}}",
        "expect": expected(found),
        "pad_source": " " * max(2, 22 - len(f"{package}_{found.noun}")),
        "pad_model": " " * max(2, 23 - len(f"{package}_net")),
    }


def expected(found: Start) -> str:
    """What a model has to beat, in a line."""
    if found.task == "regression":
        return f"{found.rows:,} rows; to beat: always the mean, see `baseline` in the last lines"
    name, count = found.commonest
    return f"{found.rows:,} rows; to beat: always {name!r}, right in {share_of(count, found.rows)}"


def better(share: float) -> float:
    """A gate a little above what the commonest class reaches."""
    return round(share + (1 - share) / 4, 3)


def heading(found: Start) -> list[str]:
    """Size, task, balance of the classes, and what one answer for all reaches."""
    label, missing = found.label, found.facts.get("missing_labels", 0)
    lines = [f"{found.data}: {found.rows:,} {'rows' if found.noun == 'table' else found.noun}"]
    if missing:
        lines.append(f"{missing:,} more rows have no `{label}` and are left out")
    if found.task == "regression":
        return [
            *lines,
            f"`{label}` is a number: a regression",
            "beside the model's errors the run shows those of always the mean",
        ]
    shares = [(name, share_of(count, found.rows)) for name, count in found.facts["classes"]]
    balance = ", ".join(f"{name} {share}" for name, share in shares[:6])
    more = f", and {len(shares) - 6} more" if len(shares) > 6 else ""
    kind = "two classes" if found.task == "binary" else f"{len(shares)} classes"
    name, share = shares[0]
    return [
        *lines,
        f"`{label}` has {kind}: {balance}{more}" if label else f"{kind}: {balance}{more}",
        f"always {name!r} would be right in {share}: the run shows that beside the model",
    ]


def not_usable(error: DataError, source: Path) -> UsageError:
    """What was found wrong with the user's data, before anything was written."""
    remedy = error.remedy if source.exists() else f"the working folder is {Path.cwd()}"
    return UsageError(error.problem, where=str(source), remedy=remedy)


def placed(source: Path, package: str) -> tuple[str, dict[str, bytes | Path]]:
    """How the project names a file of the user's, and the file if it is copied."""
    if source.stat().st_size > COPIED:
        return str(source.resolve()), {}
    data = f"data/{package}{source.suffix.lower()}"
    return data, {data: source}


def share_of(part: int, whole: int) -> str:
    """A share in percent; never 0 % for what is there, nor 100 % for what is not all."""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{min(percent, 99.9):.1f} %" if part < whole else "100 %"


def yaml_text(text: str) -> str:
    """A text as YAML reads it back, quoted and with escapes where it must be."""
    plain = PLAIN.fullmatch(text) and text.lower() not in WORDS
    return text if plain else quoted(text)


def yaml_value(text: str) -> str:
    """As `yaml_text`, where a recipe would look for interpolations: keys have none."""
    return yaml_text(literal(text))


def line_of(entry: str, recipe: str, text: str) -> str:
    """Where a recipe has a line that begins with an entry."""
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    at = next((n for n, line in lines if f"{line} ".startswith(f"{entry} ")), None)
    return f"{recipe}:{at}" if at else recipe
