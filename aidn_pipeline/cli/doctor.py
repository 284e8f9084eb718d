"""`aidn-run doctor`: is this environment, this project and this store fit for work?"""

import importlib
import json
import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.health import interpreter, packages, processors
from aidn_pipeline.cli.health.finding import Finding, wrong

WIDTH = 88
HEALTH = "aidn_pipeline.cli.health"


def main(given: Sequence[str]) -> int:
    """Prints what was found; 1 if anything is a problem."""
    arguments = parse(given, {"--json": "switch"}, verb="doctor")
    as_json = arguments.has("--json")
    everything: list[tuple[str, Finding]] = []
    for group, findings in _groups():
        if not as_json:
            print(group if not everything else f"\n{group}")
        for finding in _guarded(findings):
            everything.append((group, finding))
            if not as_json:
                print(told(finding), flush=True)
    counts = {
        level: sum(f.level == level for _, f in everything) for level in ("problem", "warning")
    }
    if as_json:
        rows = [{"group": group, **finding.to_json()} for group, finding in everything]
        print(
            json.dumps(
                {
                    "format": 1,
                    "problems": counts["problem"],
                    "warnings": counts["warning"],
                    "findings": rows,
                }
            )
        )
    else:
        print(f"\n{verdict(counts['problem'], counts['warning'])}")
    return 1 if counts["problem"] else 0


def _guarded(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings; a place that cannot even be looked at is one more."""
    try:
        yield from findings
    except OSError as error:
        place = str(error.filename or "")
        yield wrong(
            f"the rest was not looked at: {error.strerror or error}",
            place,
            "make it readable, or run as its owner",
        )


def _groups() -> Iterator[tuple[str, Iterator[Finding]]]:
    needs = packages.declared()
    imported = packages.import_all(needs)
    yield "environment", _environment(needs, imported)
    if not imported.works("blake3", "yaml", "hydra"):
        missing = wrong(
            "project and store were not looked at: the packages that read them do not import",
            "",
            "install the packages named above, and look again",
        )
        yield "project", iter([missing])
        return
    # What reads projects and stores needs packages that may be what is broken.
    project: Any = importlib.import_module(f"{HEALTH}.project")
    store: Any = importlib.import_module(f"{HEALTH}.store")
    found, problems = project.found()
    yield "project", chain(problems, project.examine(found))
    yield "store", store.examine(found.store_root)


def _environment(needs: packages.Declared, imported: packages.Imported) -> Iterator[Finding]:
    yield from interpreter.examine(needs.python)
    yield from packages.examine(needs, imported)
    yield from processors.examine(imported.facts.get("torch", {}))


def told(finding: Finding) -> str:
    """A finding for people; place and remedy below it where it is not ok."""
    start = f"  {finding.level:<8} "
    if finding.level == "ok":
        place = f"  ({finding.where})" if finding.where else ""
        return _wrapped(f"{finding.what}{place}", start)
    lines = [_wrapped(finding.what, start)]
    if finding.where:
        lines.append(_wrapped(f"at: {finding.where}", " " * 11))
    lines.append(_wrapped(f"fix: {finding.remedy}", " " * 11))
    return "\n".join(lines)


def _wrapped(text: str, start: str) -> str:
    # Paths and commands are copied: they are never cut.
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * 13,
        break_long_words=False,
        break_on_hyphens=False,
    )


def verdict(problems: int, warnings: int) -> str:
    """The last line."""
    if not problems and not warnings:
        return "all is well"
    parts = [
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((problems, "problem"), (warnings, "warning"))
        if count
    ]
    if problems:
        return f"{', '.join(parts)}: mend the problems from the top, and look again"
    return f"no problem, {', '.join(parts)}"
