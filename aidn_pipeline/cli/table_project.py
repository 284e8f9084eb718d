"""A project that starts from a table: what its recipe says, and what a person is told of it."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.sample_table import LABEL, sample_csv
from aidn_pipeline.cli.text import table
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.errors import DataError, UsageError
from aidn_pipeline.facade.tables import look

COPIED = 100_000_000
"""Bytes of a file up to which it is copied into the project."""
LISTED = 200
"""Columns up to which the recipe names each."""
SHOWN = 25
"""Columns that are shown on the terminal."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*( [A-Za-z0-9_]+)*")
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Plain words that mean something else in YAML."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a project starts from.

    Attributes:
        file: a table of the user's; None for made-up rows.
        label: the column to be predicted.
    """

    file: Path | None
    label: str


@dataclass(frozen=True, slots=True)
class Start:
    """A table, looked at.

    Attributes:
        data: how the project names its file.
        facts: what `look` found.
        files: to be placed in the project, beside what the templates give.
    """

    data: str
    label: str
    facts: Mapping[str, Any]
    files: Mapping[str, bytes | Path]

    @property
    def layers(self) -> tuple[str, ...]:
        """Folders of templates."""
        kind = "table_regression" if self.task == "regression" else "table_classes"
        return ("every", "table", kind)

    @property
    def task(self) -> str:
        """What the label asks for."""
        return str(self.facts["task"])

    @property
    def share(self) -> float:
        """Of the rows with a label, those of the commonest class."""
        return int(self.facts["classes"][0][1]) / int(self.facts["rows"])


def start(given: Given, package: str, folder: Path) -> Start:
    """Looks at the table.

    Args:
        given: by the user.
        package: names the file in the project.
        folder: that made-up rows may be written to for a moment.

    Raises:
        UsageError: if the file cannot be read, or the column is nothing that can be predicted.
    """
    if given.file is None:
        made = folder / f"{package}.csv"
        made.write_bytes(sample_csv())
        data = f"data/{made.name}"
        return Start(data, LABEL, look(made, LABEL), {data: sample_csv()})
    try:
        facts = look(given.file, given.label)
    except DataError as error:
        raise not_usable(error, given.file) from error
    if given.file.stat().st_size > COPIED:
        return Start(str(given.file.resolve()), given.label, facts, {})
    data = f"data/{package}{given.file.suffix.lower()}"
    return Start(data, given.label, facts, {data: given.file})


def not_usable(error: DataError, file: Path) -> UsageError:
    """What was found wrong with a file, before anything was written."""
    remedy = error.remedy if file.exists() else f"the working folder is {Path.cwd()}"
    return UsageError(error.problem, where=str(file), remedy=remedy)


def values(found: Start, package: str) -> dict[str, str]:
    """What the templates of a table ask for."""
    regression = found.task == "regression"
    metric = "median_error" if regression else "balanced_accuracy"
    gate = "{r2: {min: 0.1}}" if regression else f"{{accuracy: {{min: {better(found.share)}}}}}"
    return {
        "label": " ".join(found.label.replace("`", "'").split()),
        "label_python": json.dumps(found.label, ensure_ascii=False),
        "data": found.data,
        "data_python": json.dumps(found.data, ensure_ascii=False),
        "task": found.task,
        "rows": f"{found.facts['rows']:,}",
        "metric": metric,
        "gate": gate,
        "kinds": kinds_yaml(found.facts["columns"], int(found.facts["rows"])),
        "ignore": ignore_yaml(found.facts["left_out"]),
        "expect": expected(found),
        "pad_source": " " * max(2, 22 - len(f"{package}_table")),
        "pad_model": " " * max(2, 23 - len(f"{package}_net")),
    }


def expected(found: Start) -> str:
    """What a model has to beat, in a line."""
    rows = f"{found.facts['rows']:,} rows"
    if found.task == "regression":
        return f"{rows}; to beat: always the mean, see `baseline` in the run's last lines"
    name, share = (
        found.facts["classes"][0][0],
        share_of(found.facts["classes"][0][1], found.facts["rows"]),
    )
    return f"{rows}; to beat: always {name!r}, which is right in {share}"


def better(share: float) -> float:
    """A gate a little above what the commonest class reaches."""
    return round(share + (1 - share) / 4, 3)


def kinds_yaml(columns: Sequence[Mapping[str, Any]], rows: int) -> str:
    """Lines of `stages.prepare.kinds`, each with what is missing."""
    if len(columns) > LISTED:
        counts = Counter(str(c["kind"]) for c in columns)
        found = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        return f"      # as found: {found}; to correct one:\n      # zip: categorical"
    lines = [(f"{yaml_text(str(c['name']))}: {c['kind']}", int(c["missing"])) for c in columns]
    width = min(max(len(text) for text, _ in lines), 40)
    return "\n".join(
        f"      {text:<{width}}   # {share_of(missing, rows)} missing"
        if missing
        else f"      {text}"
        for text, missing in lines
    )


def ignore_yaml(left_out: Mapping[str, str]) -> str:
    """The lines of `stages.prepare.ignore`, with the reasons."""
    if not left_out:
        return "    ignore: []                     # columns that the model must not see"
    if len(left_out) > LISTED:
        return f"    ignore: []                     # {len(left_out)} of no use are left out anyway"
    lines = [
        f"      - {yaml_text(name)}   # {' '.join(why.split())}" for name, why in left_out.items()
    ]
    return "\n".join(
        ["    ignore:                        # columns that the model does not see", *lines]
    )


def yaml_text(text: str) -> str:
    """A text as YAML reads it back, quoted where it must be."""
    plain = PLAIN.fullmatch(text) and text.lower() not in WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def share_of(part: int, whole: int) -> str:
    """A share in percent; never 0 % for what is there, nor 100 % for what is not all."""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{min(percent, 99.9):.1f} %" if part < whole else "100 %"


def report(found: Start, recipe: str, text: str) -> str:
    """What a person is told of the table.

    Args:
        found: the table.
        recipe: the recipe's file, as it is named to the user.
        text: its content, for the lines to change.
    """
    facts = found.facts
    return "\n".join([*heading(found), "", columns_table(facts, recipe, text)])


def heading(found: Start) -> list[str]:
    """Size, task, balance of the classes, and what doing nothing clever reaches."""
    facts, label = found.facts, found.label
    lines = [f"{found.data}: {facts['rows']:,} rows, {len(facts['columns'])} columns of use"]
    if facts["missing_labels"]:
        lines.append(f"{facts['missing_labels']:,} more rows have no `{label}` and are left out")
    if found.task == "regression":
        lines += [
            f"`{label}` is a number: a regression",
            "beside the model's errors the run shows those of always the mean",
        ]
        return lines
    shares = [(name, share_of(count, facts["rows"])) for name, count in facts["classes"]]
    balance = ", ".join(f"{name} {share}" for name, share in shares[:6])
    more = f", and {len(shares) - 6} more" if len(shares) > 6 else ""
    kind = "two classes" if found.task == "binary" else f"{len(shares)} classes"
    name, share = shares[0]
    lines += [
        f"`{label}` has {kind}: {balance}{more}",
        f"always {name!r} would be right in {share}: the run shows that beside the model",
    ]
    return lines


def columns_table(facts: Mapping[str, Any], recipe: str, text: str) -> str:
    """Columns with their kinds, gaps, and the line of the recipe that changes each."""
    lines = [line.strip() for line in text.splitlines()]

    def line_of(entry: str) -> str:
        found = (n for n, line in enumerate(lines, 1) if f"{line} ".startswith(f"{entry} "))
        at = next(found, None)
        return f"{recipe}:{at}" if at else recipe

    rows: list[list[str]] = [
        [
            str(c["name"]),
            str(c["kind"]),
            share_of(c["missing"], facts["rows"]) if c["missing"] else "",
            line_of(f"{yaml_text(str(c['name']))}: {c['kind']}"),
        ]
        for c in facts["columns"]
    ]
    rows += [
        [name, "left out", "", f"{line_of(f'- {yaml_text(name)}')}  {why}"]
        for name, why in facts["left_out"].items()
    ]
    hidden = len(rows) - SHOWN
    told = table(rows[:SHOWN], header=["column", "kind", "missing", "to change it"])
    return told + (f"\n... and {hidden} more in {recipe}" if hidden > 0 else "")


def plain_facts(found: Start) -> dict[str, JSON]:
    """What `--json` says of the table."""
    return {"data": found.data, "label": found.label, **found.facts}
