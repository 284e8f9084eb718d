"""`aidn-run gc`: say what nothing needs, move it to the trash, bring it back, or delete it."""

import json
import re
from collections.abc import Sequence
from typing import Any

from aidn_pipeline.cli.arguments import Kind, Parsed, parse
from aidn_pipeline.cli.text import seconds, size, table
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.runs import find_run
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.gc import Collection, Collector, Removal, pin, purge, undo
from aidn_pipeline.store.reach import KEEP_RUNS
from aidn_pipeline.store.store import Store

FORMAT = 1
FLAGS: dict[str, Kind] = {
    "--apply": "switch",
    "--undo": "switch",
    "--purge": "switch",
    "--pin": "value",
    "--unpin": "value",
    "--budget": "value",
    "--keep-runs": "value",
    "--unfinished": "switch",
    "--json": "switch",
}
VERBS = ("--apply", "--undo", "--purge", "--pin", "--unpin")
POLICY = ("--budget", "--keep-runs", "--unfinished")
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
MOST_ROWS = 20


def main(given: Sequence[str]) -> int:
    """Does it; 1 if the store does not fit in its budget."""
    arguments = parse(given, FLAGS, verb="gc")
    _refuse_mixtures(given, arguments)
    workspace = Workspace.around()
    if not workspace.has_store:
        if arguments.has("--json"):
            print(json.dumps({"format": FORMAT, "applied": False, "total": 0, "removals": []}))
        else:
            print("nothing was run here yet: there is no store to free space in")
        return 0
    with workspace.open_store() as store:
        for flag, keep in (("--pin", True), ("--unpin", False)):
            if beginning := arguments.one(flag):
                run = find_run(store, beginning)["run"]
                pin(store, run, keep=keep)
                return _say(arguments, {"run": run, "pinned": keep}, f"run {run} {PINNED[keep]}")
        if arguments.has("--undo"):
            back = undo(store)
            return _say(arguments, {"back": back}, f"{back} objects moved back from the trash")
        if arguments.has("--purge"):
            freed = purge(store)
            return _say(arguments, {"freed": freed}, f"trash emptied: {size(freed)} freed")
        return _collect(store, arguments)


PINNED = {True: "is kept until `--unpin`", False: "is kept no longer than others"}


def _refuse_mixtures(given: Sequence[str], arguments: Parsed) -> None:
    chosen = [flag for flag in VERBS if arguments.has(flag)]
    policy = [flag for flag in POLICY if arguments.has(flag)]
    if arguments.words or len(chosen) > 1 or (policy and chosen not in ([], ["--apply"])):
        raise UsageError(
            "gc does one thing at a time",
            where=" ".join(["aidn-run gc", *given]),
            remedy=f"give one of {', '.join(VERBS)}, or none to look only; "
            "--budget, --keep-runs and --unfinished go with a look or with --apply",
        )


def _say(arguments: Parsed, value: dict[str, Any], line: str) -> int:
    print(json.dumps({"format": FORMAT, **value}) if arguments.has("--json") else line)
    return 0


def _collect(store: Store, arguments: Parsed) -> int:
    budget, keep_runs = arguments.one("--budget"), arguments.one("--keep-runs")
    collector = Collector(
        store,
        keep_runs=KEEP_RUNS if keep_runs is None else _whole(keep_runs),
        budget=None if budget is None else parse_size(budget),
        unfinished=arguments.has("--unfinished"),
    )
    applied = arguments.has("--apply")
    found = collector.apply() if applied else collector.plan()
    if arguments.has("--json"):
        print(json.dumps(to_json(found, applied=applied)))
    else:
        print(told(found, applied=applied))
    return 0 if found.fits else 1


def _whole(text: str) -> int:
    if not text.isdigit():
        raise UsageError(
            f"{text!r} is no number of runs",
            where="--keep-runs",
            remedy="write a whole number, such as `--keep-runs 5`",
        )
    return int(text)


def parse_size(text: str) -> int:
    """Bytes of `2GB`, `500 MB`, `1.5GiB` or `1000`.

    Raises:
        UsageError: if it is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if not found or found[2].upper() not in UNITS:
        raise UsageError(
            f"{text!r} is no size",
            where="--budget",
            remedy="write `2GB`, `500MB`, `1.5GiB`, or a number of bytes",
        )
    return int(float(found[1]) * UNITS[found[2].upper()])


def to_json(found: Collection, *, applied: bool) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "format": FORMAT,
        "applied": applied,
        "total": found.total,
        "freed": found.freed,
        "objects": found.objects,
        "trash": found.trash + (found.freed if applied else 0),
        "budget": found.budget,
        "fits": found.fits,
        "kept": [
            {"why": why, "objects": objects, "size": total}
            for why, (objects, total) in found.kept.items()
        ],
        "removals": [
            {
                "stage": removal.stage or None,
                "run": removal.run or None,
                "fingerprint": removal.fingerprint or None,
                "work": removal.work or None,
                "seconds": removal.seconds,
                "size": removal.size,
                "objects": list(removal.objects),
            }
            for removal in found.removals
        ],
    }


def told(found: Collection, *, applied: bool) -> str:
    """What goes and why the rest stays, for people."""
    verb = "moved to the trash" if applied else "would go"
    lines = [f"{size(found.freed)} of {size(found.total)} in {found.objects} objects {verb}"]
    rows = [_row(removal) for removal in found.removals[:MOST_ROWS]]
    if rows:
        lines.append(table(rows, header=["what", "of run", "size", "to remake"], indent="  "))
    if len(found.removals) > MOST_ROWS:
        lines.append(f"  and {len(found.removals) - MOST_ROWS} more")
    largest = sorted(found.kept.items(), key=lambda item: -item[1][1])
    if largest:
        lines.append("kept:")
        kept = [[why, f"{objects} objects", size(n)] for why, (objects, n) in largest[:MOST_ROWS]]
        lines.append(table(kept, indent="  "))
    if len(largest) > MOST_ROWS:
        lines.append(f"  for {len(largest) - MOST_ROWS} more reasons")
    if not found.fits:
        lines.append(
            f"the store cannot fit in {size(found.budget or 0)}: everything else is needed; "
            "`--keep-runs N` keeps fewer runs"
        )
    return "\n".join([*lines, *_next(found, applied=applied)])


def _row(removal: Removal) -> list[str]:
    if removal.work:
        return [f"unfinished work {removal.work[:12]}", "-", size(removal.size), "-"]
    if removal.log:
        return ["output of its stages", removal.run, size(removal.size), "-"]
    if not removal.fingerprint:
        return ["bytes that no result names", "-", size(removal.size), "-"]
    return [removal.stage, removal.run, size(removal.size), seconds(removal.seconds)]


def _next(found: Collection, *, applied: bool) -> list[str]:
    trash = found.trash + (found.freed if applied else 0)
    lines = []
    if found.removals and not applied:
        lines.append("nothing was changed; the same with --apply moves it to the trash")
    if trash:
        lines.append(
            f"the trash holds {size(trash)}: `aidn-run gc --undo` brings it back, "
            "`aidn-run gc --purge` frees it"
        )
    return lines
