"""`aidn-run show [RUN]`: what a run did and measured."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.text import number, seconds, size, sparkline, table
from aidn_pipeline.core.artifact import Metrics, ModelVersion, Params
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.run import run_status
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.runs import find_run, stage_records
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.store import Store
from aidn_pipeline.tracking.segment import merge, read_segment


def main(given: Sequence[str]) -> int:
    """Prints it."""
    words = parse(given, {}, verb="show").words
    workspace = Workspace.around()
    if not workspace.has_store:
        raise UsageError(
            "nothing was run here yet",
            where=str(workspace.project.root),
            remedy="run a recipe: `aidn-run recipe=digits`",
        )
    with workspace.open_store() as store:
        print("\n".join(told(find_run(store, words[0] if words else ""), store)))
    return 0


def told(record: Mapping[str, Any], store: Store) -> Iterator[str]:
    """The lines about a run."""
    facts = record["facts"]
    yield f"run {record['run']}  {record['recipe']}  {run_status(store, record)}"
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["started"]))
    yield f"started {started}, took {seconds(facts.get('seconds'))}"
    if facts.get("overrides"):
        yield f"overrides: {' '.join(facts['overrides'])}"
    if facts.get("error"):
        yield f"error: {facts['error']['problem']}"
    stages = stage_records(record, store)
    yield ""
    yield table(
        [
            [
                name,
                facts.get("actions", {}).get(name, ""),
                seconds(s.observed.get("seconds")),
                _outputs(s),
            ]
            for name, s in stages.items()
        ],
        header=["stage", "action", "first made in", "artifacts"],
    )
    for name, stage in stages.items():
        yield from _values(name, stage, store)
        yield from _curves(name, stage, store)


def _outputs(stage: StageRecord) -> str:
    return "  ".join(f"{p} {a.digest[3:11]} ({size(a.size)})" for p, a in stage.outputs.items())


def _values(name: str, stage: StageRecord, store: Store) -> Iterator[str]:
    for artifact in stage.outputs.values():
        if isinstance(artifact, (Metrics, Params)) and store.has(artifact):
            values = store.read_json(artifact)
            figures = (
                f"{k} {number(v) if isinstance(v, (int, float)) else v}" for k, v in values.items()
            )
            yield f"\n{name}: {'  '.join(figures)}"
        elif isinstance(artifact, ModelVersion) and store.has(artifact):
            document = store.read_json(artifact)
            yield f"\nmodel {document['name']}@{document['version']}"


def _curves(name: str, stage: StageRecord, store: Store) -> Iterator[str]:
    digests = [p["digest"] for p in stage.observed.get("points", ())]
    segments = [read_segment(store.objects.verified(d)) for d in digests]
    for key, points in merge(segments).items():
        values = [value for _, value in points]
        if len(values) > 1:
            ends = f"{number(values[0])} -> {number(values[-1])}"
            yield f"  {name} {key:<14} {sparkline(values)}  {ends}"
