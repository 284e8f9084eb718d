"""Data that a program hands over: as changes of a recipe, and into the store for a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aidn_pipeline.config.emit import quoted
from aidn_pipeline.config.references import literal
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.engine.plan import Plan, PlanRow
from aidn_pipeline.errors import UsageError
from aidn_pipeline.store.store import Store

SOURCE = "memory"
"""The component that stands for what was handed over."""


def data_overrides(handed: Any, before: Sequence[str], *, scratch: bool) -> tuple[str, ...]:
    """What a recipe is changed by, so that it works on what was handed over.

    Args:
        handed: as `aidn_pipeline.data.handed.hand_over` gives it.
        before: changes that were configured.
        scratch: whether the recipe is that of a builder without one.

    Raises:
        UsageError: if a source was configured as well.
    """
    twice = [text for text in before if text.startswith("source=")]
    if twice:
        raise UsageError(
            f"the data are given twice: by `{twice[0]}` and by `build(train, ...)`",
            where="build",
            remedy="keep one of them",
        )
    found = [f"source={SOURCE}"]
    found += [f"source.{key}={_written(value)}" for key, value in handed.settings.items()]
    if scratch and handed.is_flat and not any(text.startswith("pipeline=") for text in before):
        # Columns are of any kind and scale, and may have gaps.
        found.append("pipeline=tabular")
    found += _split(handed.rows)
    return tuple(found)


def _written(value: Any) -> str:
    # A label is the caller's text: it names no place of the recipe.
    return quoted(literal(value)) if isinstance(value, str) else json.dumps(value)


def _split(rows: Mapping[str, int]) -> list[str]:
    if set(rows) == {"train"}:
        return []
    counts = {name: rows.get(name, 0) for name in ("train", "validation", "test")}
    found = [f"stages.split={json.dumps({'use': 'split_rows', **counts})}"]
    if not counts["test"]:
        found.append("stages.evaluate.split=validation")
    return found


def stored(handed: Any, spec: PipelineSpec, plan: Plan, store: Store) -> PipelineSpec:
    """The pipeline with the place in the store of what was handed over, put there if needed.

    Args:
        handed: the data.
        spec: a pipeline whose source they are.
        plan: of it, which says whether a snapshot of them is taken already.
        store: where to put them.
    """
    waiting = [
        name
        for name, stage in spec.stages.items()
        if _is_of(stage, handed) and not _stays(plan.row(name), store)
    ]
    if not waiting:
        return spec
    file = store.objects.path(store.objects.put(handed.file()).digest)
    placed = {name: _placed(spec.stages[name], str(file)) for name in waiting}
    return replace(spec, stages={**spec.stages, **placed})


def is_handed(stage: StageSpec) -> bool:
    """Whether a stage's source is what some program handed over."""
    source = stage.stage.get("source")
    return isinstance(source, Mapping) and source.get("use") == SOURCE


def _stays(row: PlanRow, store: Store) -> bool:
    """Whether a stage is reused, and no `gc` takes its outputs before it is."""
    return row.outputs is not None and store.hold(row.outputs.values(), row.fingerprint or "")


def _is_of(stage: StageSpec, handed: Any) -> bool:
    source = stage.stage.get("source")
    return isinstance(source, Mapping) and source.get("content") == handed.settings["content"]


def _placed(stage: StageSpec, file: str) -> StageSpec:
    return replace(stage, stage={**stage.stage, "source": {**stage.stage["source"], "file": file}})
