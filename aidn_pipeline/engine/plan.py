"""The plan: what each stage would do, and why. Nothing is written and no component is imported."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.describe import write_params
from aidn_pipeline.core.events import Action
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.core.stage import Description
from aidn_pipeline.core.wiring import order
from aidn_pipeline.engine.fingerprint import (
    Identity,
    Inputs,
    base_of,
    extendable,
    identify,
    packages,
    semantic,
    versions,
)
from aidn_pipeline.engine.perform import predecessor
from aidn_pipeline.engine.reasons import differences
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One stage of a plan.

    Attributes:
        action: `wait` runs unless what it needs comes out unchanged.
        reason: why, in one sentence.
        fingerprint: known once all inputs are.
        progress: how far interrupted work got, such as `epoch 7 of 20`.
        estimate_s: seconds that the same stage took the last time.
        outputs: artifacts that are reused.
    """

    name: str
    component: str
    action: Action
    reason: str
    fingerprint: str | None = None
    progress: str = ""
    estimate_s: float | None = None
    outputs: Mapping[str, Artifact] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, stage by stage, in the order it would do it."""

    rows: tuple[PlanRow, ...]

    def row(self, name: str) -> PlanRow:
        """The row of a stage."""
        return next(row for row in self.rows if row.name == name)


def make_plan(spec: PipelineSpec, store: Store, index: Index, *, force: Collection[str] = ()) -> Plan:
    """Plans a pipeline.

    Raises:
        WiringError: if the stages need each other in a circle.
        CorruptObject: if the store's journal is damaged.
    """
    before = last_records(spec.name, store)
    rows: dict[str, PlanRow] = {}
    for name in order(spec.stages):
        outputs = {done: row.outputs for done, row in rows.items() if row.outputs is not None}
        rows[name] = _row(spec, spec.stages[name], store, index, outputs, before.get(name), name in force)
    return Plan(tuple(rows.values()))


def last_records(recipe: str, store: Store) -> dict[str, StageRecord]:
    """The newest committed record of each stage name in earlier runs of a recipe."""
    newest: dict[str, str] = {}
    for run in store.records.iterate("run"):
        if run["recipe"] == recipe:
            newest.update(run["stages"])
    found = {name: store.records.stage(fingerprint) for name, fingerprint in newest.items()}
    return {name: record for name, record in found.items() if record is not None}


def _row(
    spec: PipelineSpec,
    stage: StageSpec,
    store: Store,
    index: Index,
    outputs: Mapping[str, Mapping[str, Artifact]],
    before: StageRecord | None,
    forced: bool,
) -> PlanRow:
    estimate = before.observed.get("seconds") if before else None
    facts: dict[str, Any] = {"name": stage.name, "component": stage.stage["use"], "estimate_s": estimate}
    pending = sorted(
        {r.stage for refs in stage.inputs.values() for r in refs if r.stage in spec.stages} - outputs.keys()
    )
    if pending:
        known = store.records.stages_of_base(base_of(index, stage.stage, spec.seed))
        if known and not forced:
            return PlanRow(action="wait", reason=f"depends on {', '.join(pending)}", **facts)
        reason = _reason(spec, stage, index, before, None) or f"depends on {', '.join(pending)}"
        return PlanRow(action="run", reason="forced" if forced else reason, **facts)
    inputs = resolve_inputs(stage, outputs)
    effective = with_params(index, stage, inputs, store)
    identity = identify(index, stage.stage, effective, inputs, spec.seed)
    facts["fingerprint"] = identity.fingerprint
    if forced:
        return PlanRow(action="run", reason="forced", **facts)
    record = store.records.stage(identity.fingerprint)
    if record and all(map(store.has, record.outputs.values())):
        return PlanRow(action="reuse", reason="unchanged", outputs=record.outputs, **facts)
    if record:
        return PlanRow(action="run", reason="its outputs are missing from the store", **facts)
    reason = _reason(spec, stage, index, before, identity)
    progress = interrupted_progress(store, identity)
    if progress:
        return PlanRow(action="resume", reason="interrupted before", progress=progress, **facts)
    if shorter := predecessor(store, identity):
        done = ", ".join(f"{path} {value}" for path, value in shorter.extends.items())
        return PlanRow(action="resume", reason=reason, progress=f"continues from {done}", **facts)
    return PlanRow(action="run", reason=reason or "not run before", **facts)


def _reason(
    spec: PipelineSpec, stage: StageSpec, index: Index, before: StageRecord | None, identity: Identity | None
) -> str:
    if before is None:
        return "not run before"
    component = index.find("stage", stage.stage["use"])
    if before.component != component.key:
        return f"was {before.component}"
    if identity is not None:
        found = differences(stage.name, before, identity.hashed, identity.extends, spec.origins)
    else:
        hashed = {
            "fields": semantic(index, component, stage.stage),
            "versions": versions(index, component, stage.stage),
            "packages": packages(index, component, stage.stage),
            "seed": spec.seed if component.seeded else None,
        }
        found = differences(
            stage.name, before, hashed, dict(extendable(index, component, stage.stage)), spec.origins
        )
    return "; ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def resolve_inputs(stage: StageSpec, outputs: Mapping[str, Mapping[str, Artifact]]) -> Inputs:
    """Artifacts by port, from the outputs of the stages before; missing optional ones left out."""
    resolved: dict[str, Artifact | tuple[Artifact, ...]] = {}
    for port, refs in stage.inputs.items():
        found = [outputs[r.stage][r.port] for r in refs if r.stage in outputs and r.port in outputs[r.stage]]
        if len(refs) > 1:
            resolved[port] = tuple(found)
        elif found:
            resolved[port] = found[0]
    return resolved


def with_params(index: Index, stage: StageSpec, inputs: Inputs, store: Store) -> Description:
    """The description with the values of wired params written into it.

    Raises:
        CorruptObject: if the params are damaged.
        ConfigError: if a param names a path that is not there.
    """
    description = stage.stage
    spec = index.find("stage", description["use"])
    for port in spec.inputs:
        artifact = inputs.get(port.name)
        if port.into and isinstance(artifact, Artifact):
            params = {f"{port.into}.{path}": value for path, value in store.read_json(artifact).items()}
            description = write_params(description, params)
    return description


def interrupted_progress(store: Store, identity: Identity) -> str:
    """How far interrupted work of this family got; empty if there is none."""
    family = identity.family.removeprefix("b3:")
    if not (store.root / "work" / family).is_dir():
        return ""
    try:
        work = store.work(family)
        records = work.records()
    except CorruptObject:
        return ""
    total = next(iter(identity.extends.values()), None)
    of = f" of {total}" if total is not None else ""
    if records:
        info = records[-1].info
        unit = next((u for u in ("epoch", "step") if u in info), None)
        return f"{unit} {info[unit]}{of if unit == 'epoch' else ''}" if unit else "a checkpoint"
    finished = sum(entry["kind"] == "finish" for entry in work.entries())
    if finished:
        return f"{finished}{of} done"
    return "started" if work.progress else ""
