"""`aidn-run` alone: the recipes, the last run, the next command."""

from collections.abc import Sequence

from aidn_pipeline.cli.listing import recipes
from aidn_pipeline.engine.run import run_status
from aidn_pipeline.facade.workspace import Workspace


def main(given: Sequence[str]) -> int:
    """Prints it."""
    del given
    workspace = Workspace.around()
    print(recipes(workspace))
    print("\n" + _last(workspace))
    return 0


def _last(workspace: Workspace) -> str:
    found = []
    if workspace.has_store:
        with workspace.open_store() as store:
            found = [(r, run_status(store, r)) for r in store.records.iterate("run")]
    if not found:
        return "no runs yet\nnext: aidn-run recipe=digits"
    record, status = found[-1]
    line = f"last run: {record['run']}  {record['recipe']}  {status}"
    if status in ("done", "running"):
        return f"{line}\nnext: aidn-run show {record['run']}"
    words = [f"recipe={record['facts'].get('asked', record['recipe'])}"]
    words += record["facts"].get("overrides", ())
    return f"{line}\nnext: aidn-run {' '.join(words)}"
