"""A project of texts: how long they are, and which line of the recipe cuts them."""

import json
from pathlib import Path

from aidn_pipeline.cli.projects.start import (
    Given,
    Start,
    heading,
    line_of,
    not_usable,
    placed,
)
from aidn_pipeline.cli.text import table
from aidn_pipeline.errors import DataError
from aidn_pipeline.facade.tables import look_at_texts, sample_texts


class TextProject:
    """From a JSON lines, CSV or Parquet file with a column of texts, or from made-up tickets."""

    layer = "text"
    target = True
    takes = "a JSON lines, CSV or Parquet file with a column of texts"

    def start(self, given: Given, package: str, folder: Path) -> Start:
        """Looks at the texts.

        Raises:
            UsageError: if the file cannot be read, has no texts, or the column is nothing that can
                be predicted.
        """
        if given.source is None:
            made = folder / f"{package}.jsonl"
            rows, label = sample_texts()
            made.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            data = f"data/{made.name}"
            facts = look_at_texts(made, label, "")
            files: dict[str, bytes | Path] = {data: made.read_bytes()}
            return Start(data=data, label=label, noun="texts", facts=facts, files=files)
        try:
            facts = look_at_texts(given.source, given.label, given.text)
        except DataError as error:
            raise not_usable(error, given.source) from error
        data, files = placed(given.source, package)
        return Start(data=data, label=given.label, noun="texts", facts=facts, files=files)

    def values(self, found: Start, package: str) -> dict[str, str]:
        """The column of the texts."""
        return {"text_python": json.dumps(found.facts["text"], ensure_ascii=False)}

    def report(self, found: Start, recipe: str, text: str) -> str:
        """Column, lengths and words of the texts, with the lines that change what is read."""
        facts = found.facts
        rows = [
            ["column", str(facts["text"]), "`text` in the package's data.py"],
            [
                "words of a text",
                f"median {facts['median']}, longest {facts['longest']}",
                line_of("max_tokens:", recipe, text),
            ],
            ["different words", f"{facts['words']:,}", line_of("max_words:", recipe, text)],
        ]
        if facts["empty"]:
            rows.append(["empty texts", f"{facts['empty']:,}", ""])
        return "\n".join([*heading(found), "", table(rows, header=["texts", "", "to change it"])])
