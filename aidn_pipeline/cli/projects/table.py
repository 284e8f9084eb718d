"""A project of a table: what its columns are, and which line of the recipe says so."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.projects.sample_table import LABEL, sample_csv
from aidn_pipeline.cli.projects.start import (
    Given,
    Start,
    heading,
    line_of,
    not_usable,
    placed,
    share_of,
    yaml_text,
    yaml_value,
)
from aidn_pipeline.cli.text import printable, table
from aidn_pipeline.errors import DataError, UsageError
from aidn_pipeline.facade.tables import look

LISTED = 200
"""Columns up to which the recipe names each."""
SHOWN = 25
"""Columns that are shown on the terminal."""


class TableProject:
    """From a CSV, JSON lines or Parquet file, or from made-up customers."""

    layer = "table"
    target = True
    takes = "a CSV, JSON lines or Parquet file"

    def start(self, given: Given, package: str, folder: Path) -> Start:
        """Looks at the columns.

        Raises:
            UsageError: if the file cannot be read, or the column is nothing that can be predicted.
        """
        if given.source is None:
            made = folder / f"{package}.csv"
            made.write_bytes(sample_csv())
            facts, files = look(made, LABEL), {f"data/{made.name}": sample_csv()}
            return Start(
                data=f"data/{made.name}", label=LABEL, noun="table", facts=facts, files=files
            )
        try:
            facts = look(given.source, given.label)
        except DataError as error:
            raise not_usable(error, given.source) from error
        if not facts["columns"]:
            reasons = "; ".join(f"{name}: {why}" for name, why in facts["left_out"].items())
            raise UsageError(
                f"no column can be learned from ({reasons[:300]})",
                where=str(given.source),
                remedy="give a table whose other columns differ between its rows",
            )
        data, copies = placed(given.source, package)
        return Start(data=data, label=given.label, noun="table", facts=facts, files=copies)

    def values(self, found: Start, package: str) -> dict[str, str]:
        """Kinds of the columns, and those that are left out."""
        return {
            "kinds": kinds_yaml(found.facts["columns"], found.rows),
            "ignore": ignore_yaml(found.facts["left_out"]),
        }

    def report(self, found: Start, recipe: str, text: str) -> str:
        """The columns with their kinds, gaps, and the line of the recipe that changes each."""
        return "\n".join([*heading(found), "", columns_table(found.facts, recipe, text)])


def kinds_yaml(columns: Sequence[Mapping[str, Any]], rows: int) -> str:
    """The lines of `stages.prepare.kinds`, each with what is missing."""
    if len(columns) > LISTED:
        counts = Counter(str(c["kind"]) for c in columns)
        found = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        return f"    kinds: {{}}   # as found: {found}; to correct one: {{zip: categorical}}"
    lines = [(f"{yaml_text(str(c['name']))}: {c['kind']}", int(c["missing"])) for c in columns]
    width = min(max(len(text) for text, _ in lines), 40)
    head = (
        "    kinds:                         # of the columns, as they were found; correct them here"
    )
    rest = [
        f"      {text:<{width}}   # {share_of(missing, rows)} missing"
        if missing
        else f"      {text}"
        for text, missing in lines
    ]
    return "\n".join([head, *rest])


def ignore_yaml(left_out: Mapping[str, str]) -> str:
    """The lines of `stages.prepare.ignore`, with the reasons."""
    if not left_out:
        return "    ignore: []                     # columns that the model must not see"
    if len(left_out) > LISTED:
        return f"    ignore: []                     # {len(left_out)} of no use are left out anyway"
    return "\n".join(
        [
            "    ignore:                        # columns that the model does not see",
            *(f"      - {yaml_value(k)}   # {_comment(why)}" for k, why in left_out.items()),
        ]
    )


def _comment(text: str) -> str:
    return printable(" ".join(text.split()))


def columns_table(facts: Mapping[str, Any], recipe: str, text: str) -> str:
    """A row for each column."""
    rows: list[list[str]] = [
        [
            str(c["name"]),
            str(c["kind"]),
            share_of(c["missing"], facts["rows"]) if c["missing"] else "",
            line_of(f"{yaml_text(str(c['name']))}: {c['kind']}", recipe, text),
        ]
        for c in facts["columns"]
    ]
    rows += [
        [name, "left out", "", f"{line_of(f'- {yaml_value(name)}', recipe, text)}  {why}"]
        for name, why in facts["left_out"].items()
    ]
    hidden = len(rows) - SHOWN
    told = table(rows[:SHOWN], header=["column", "kind", "missing", "to change it"])
    return told + (f"\n... and {hidden} more in {recipe}" if hidden > 0 else "")
