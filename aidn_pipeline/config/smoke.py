"""A smoke run: the whole pipeline at its smallest, to find what is broken before it costs hours.

What a component does in one is said by its fields: `setting(20, smoke=1)` is 1 in a smoke run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aidn_pipeline.core.index import FieldType, Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.core.stage import Description

NOTE = "smoke run: two batches, one trial, a store of its own; nothing is registered"


def smallest(spec: PipelineSpec, index: Index) -> PipelineSpec:
    """The pipeline with every field that has a smoke value set to it, at any depth."""
    stages = {
        name: replace(stage, stage=_component(index, "stage", stage.stage))
        for name, stage in spec.stages.items()
    }
    return replace(spec, stages=stages, notes=(*spec.notes, NOTE))


def _component(index: Index, group: str, description: Mapping[str, Any]) -> Description:
    spec = index.find(group, str(description["use"]))
    changed: Description = dict(description)
    for item in spec.fields:
        if item.smoke is not None:
            changed[item.name] = item.smoke
        elif item.name in changed:
            changed[item.name] = _value(index, item.type, changed[item.name])
    return changed


def _value(index: Index, kind: FieldType, value: Any) -> Any:
    if value is None or not isinstance(kind, dict):
        return value
    if "optional" in kind:
        return _value(index, kind["optional"], value)
    if "component" in kind:
        return _component(index, kind["component"], value)
    if "list" in kind:
        return [_value(index, kind["list"], item) for item in value]
    if "map" in kind:
        return {key: _value(index, kind["map"], item) for key, item in value.items()}
    return value
