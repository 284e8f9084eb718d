"""`aidn-run check`: verify every byte of the store."""

import json
from collections.abc import Sequence

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.check import check


def main(given: Sequence[str]) -> int:
    """Prints what is wrong; 1 if anything is."""
    arguments = parse(given, {"--json": "switch"}, verb="check")
    workspace = Workspace.around()
    if not workspace.has_store:
        print("nothing was run here yet: there is no store to check")
        return 0
    with workspace.open_store() as store:
        findings = check(store)
        objects = sum(1 for _ in store.objects.ids())
    if arguments.has("--json"):
        rows = [{"path": f.path, "problem": f.problem, "remedy": f.remedy} for f in findings]
        print(json.dumps({"format": 1, "objects": objects, "findings": rows}))
    else:
        for finding in findings:
            print(f"{finding.problem}\n  at: {finding.path}\n  fix: {finding.remedy}")
        verdict = f"{len(findings)} found" if findings else "all sound"
        print(f"checked {objects} objects, records, index and unfinished work: {verdict}")
    return 1 if findings else 0
