"""`aidn-run check`: verify every byte of the store; set aside what is damaged, if asked."""

import json
from collections.abc import Sequence

from aidn_pipeline.cli.arguments import Parsed, parse
from aidn_pipeline.errors import CorruptObject, UsageError
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.check import Finding, check
from aidn_pipeline.store.repair import repair, set_aside, undo
from aidn_pipeline.store.store import Store

FORMAT = 1
VERBS = ("--repair", "--rebuild", "--undo")


def main(given: Sequence[str]) -> int:
    """Prints what is wrong; 1 if anything is, and is not mended."""
    arguments = parse(given, {"--json": "switch", **dict.fromkeys(VERBS, "switch")}, verb="check")
    chosen = [flag for flag in VERBS if arguments.has(flag)]
    if len(chosen) > 1 or arguments.words:
        raise UsageError(
            "check does one thing at a time",
            where=" ".join(["aidn-run check", *given]),
            remedy=f"give one of {', '.join(VERBS)}, or none to look only",
        )
    workspace = Workspace.around()
    if not workspace.has_store:
        return _told(
            [], [], 0, 0, arguments, "nothing was run here yet: there is no store to check"
        )
    try:
        with workspace.open_store() as store:
            return _checked(store, "".join(chosen), arguments)
    except CorruptObject as error:
        # A journal or a header that cannot be read: the store does not even open.
        finding = Finding(error.where, error.problem, error.remedy, "journal")
        return _told([], [finding], 0, 0, arguments)


def _checked(store: Store, verb: str, arguments: Parsed) -> int:
    note, mended = "", list[Finding]()
    if verb == "--undo":
        back, stay = undo(store)
        note = f"{back} moved back from the quarantine"
        note += f", {stay} left there: they were made again" if stay else ""
    if verb == "--rebuild":
        store.records.rebuild()
        note = "the index was made anew from the journal"
    if verb == "--repair":
        mended, findings = repair(store)
    else:
        findings = check(store)
    objects = sum(1 for _ in store.objects.ids())
    return _told(mended, findings, objects, len(set_aside(store)), arguments, note)


def _told(
    mended: Sequence[Finding],
    findings: Sequence[Finding],
    objects: int,
    quarantine: int,
    arguments: Parsed,
    note: str = "",
) -> int:
    if arguments.has("--json"):
        value = {
            "format": FORMAT,
            "objects": objects,
            "quarantine": quarantine,
            "mended": [finding.to_json() for finding in mended],
            "findings": [finding.to_json() for finding in findings],
        }
        print(json.dumps(value))
        return 1 if findings else 0
    if note:
        print(note)
    for finding in mended:
        done = "made anew" if finding.kind == "index" else "set aside"
        print(f"{done}: {finding.problem}\n  at: {finding.path}")
    for finding in findings:
        print(f"{finding.problem}\n  at: {finding.path}\n  fix: {finding.remedy}")
    verdict = f"{len(findings)} found" if findings else "all sound"
    print(f"checked {objects} objects, records, index and unfinished work: {verdict}")
    if quarantine:
        print(f"set aside: {quarantine}; `aidn-run check --undo` moves back what was not made anew")
    return 1 if findings else 0
