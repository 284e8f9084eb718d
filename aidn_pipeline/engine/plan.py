"""The plan: what each stage would do, and why. Nothing is written and no component is imported."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Any

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.describe import write_params
from aidn_pipeline.core.events import Action
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.core.stage import Description
from aidn_pipeline.core.wiring import order
from aidn_pipeline.engine.budget import run_budget
from aidn_pipeline.engine.executors.choice import INLINE, refuse_unfit
from aidn_pipeline.engine.fingerprint import (
    Identity,
    Inputs,
    base_of,
    configuration,
    extendable,
    identify,
)
from aidn_pipeline.engine.perform import predecessor
from aidn_pipeline.engine.reasons import differences
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.gc import was_collected
from aidn_pipeline.store.store import Store

TAKEN = "taken from an earlier run"
"""Why a stage is reused whatever it would come to now."""
SAID = 80
"""Characters of a reason that a plan shows."""
LOOKED_BACK = 100
"""Runs of the same recipe that a stage's last record is looked for in."""


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

    def __str__(self) -> str:
        width = max((len(row.name) for row in self.rows), default=0)
        return "\n".join(
            f"{row.name:<{width}}  {f'{row.action} {row.progress}':<7} {row.reason}".rstrip()
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def make_plan(
    spec: PipelineSpec, store: Store, index: Index, project: Path, *, force: Collection[str] = ()
) -> Plan:
    """Plans a pipeline.

    Args:
        spec: what would be run.
        store: what has been done.
        index: the components.
        project: the root that paths in fields are against.
        force: names of stages that would run although nothing changed.

    Raises:
        WiringError: if the stages need each other in a circle.
        ConfigError: if a stage claims more than the run has, or its executor cannot run one.
        CorruptObject: if the store's journal is damaged.
    """
    run_budget(spec)
    refuse_unfit(spec, index, inside=spec.run.get("executor", INLINE) == INLINE)
    before = last_records(spec.recipe or spec.name, store)
    planner = Planner(spec, store, index, project)
    rows: list[PlanRow] = []
    outputs: dict[str, Mapping[str, Artifact]] = {}
    for name in order(spec.stages):
        row = planner.row(spec.stages[name], outputs, before.get(name), forced=name in force)
        rows.append(row)
        if row.outputs is not None:
            outputs[name] = row.outputs
    return Plan(tuple(rows))


def last_records(recipe: str, store: Store) -> dict[str, StageRecord]:
    """The newest committed record of each stage name in the last runs of a recipe."""
    newest: dict[str, str] = {}
    for run in reversed(store.records.runs(LOOKED_BACK, recipe=recipe)):
        newest.update(run["stages"])
    found = {name: store.records.stage(fingerprint) for name, fingerprint in newest.items()}
    for name, record in found.items():
        if record is not None and record.accepted and record.is_withdrawn:
            found[name] = store.records.stage(record.accepted["of"])
    return {name: record for name, record in found.items() if record is not None}


@dataclass(frozen=True, slots=True)
class Planner:
    """Says of one stage after the other what it would do."""

    spec: PipelineSpec
    store: Store
    index: Index
    project: Path

    def row(
        self,
        stage: StageSpec,
        outputs: Mapping[str, Mapping[str, Artifact]],
        before: StageRecord | None,
        *,
        forced: bool,
    ) -> PlanRow:
        """The row of a stage, given what the stages before it give and its last record."""
        facts: dict[str, Any] = {"name": stage.name, "component": stage.stage["use"]}
        if stage.skip:
            return PlanRow(action="skip", reason=stage.skip, **facts)
        taken = self.store.records.stage(stage.taken) if stage.taken else None
        if taken and not taken.is_withdrawn and all(map(self.store.has, taken.outputs.values())):
            facts |= {"fingerprint": taken.fingerprint, "outputs": taken.outputs}
            return PlanRow(action="reuse", reason=TAKEN, **facts)
        facts["estimate_s"] = before.observed.get("seconds") if before else None
        refs = {r.stage for refs in stage.inputs.values() for r in refs}
        pending = sorted(n for n in refs if n in self.spec.stages and n not in outputs)
        if pending:
            return self._pending(stage, pending, before, forced=forced, facts=facts)
        inputs = resolve_inputs(stage, outputs)
        effective = with_params(self.index, stage, inputs, self.store)
        identity = identify(
            self.index, stage.stage, effective, inputs, seed=self.spec.seed, project=self.project
        )
        facts["fingerprint"] = identity.fingerprint
        if forced:
            return PlanRow(action="run", reason="forced", **facts)
        record = self.store.records.stage(identity.fingerprint)
        withdrawn = record is not None and record.is_withdrawn
        if record and not withdrawn and all(map(self.store.has, record.outputs.values())):
            reason = accepted_as(record) or "unchanged"
            return PlanRow(action="reuse", reason=reason, outputs=record.outputs, **facts)
        if record and not withdrawn:
            gone = (
                "its outputs were removed by gc"
                if was_collected(self.store, identity.fingerprint)
                else "its outputs are missing from the store"
            )
            return PlanRow(action="run", reason=gone, **facts)
        if progress := interrupted_progress(self.store, identity):
            return PlanRow(action="resume", reason="interrupted before", progress=progress, **facts)
        reason = self._reason(stage, before, identity.hashed, identity.extends) or "not run before"
        if shorter := predecessor(self.store, identity):
            done = ", ".join(f"{path} {value}" for path, value in shorter.extends.items())
            return PlanRow(
                action="resume", reason=reason, progress=f"continues from {done}", **facts
            )
        return PlanRow(action="run", reason=reason, **facts)

    def _pending(
        self,
        stage: StageSpec,
        pending: Sequence[str],
        before: StageRecord | None,
        *,
        forced: bool,
        facts: Mapping[str, Any],
    ) -> PlanRow:
        waits = f"depends on {', '.join(pending)}"
        if forced:
            return PlanRow(action="run", reason="forced", **facts)
        base = base_of(self.index, stage.stage, seed=self.spec.seed, project=self.project)
        if any(not record.is_withdrawn for record in self.store.records.stages_of_base(base)):
            return PlanRow(action="wait", reason=waits, **facts)
        hashed = configuration(self.index, stage.stage, seed=self.spec.seed, project=self.project)
        component = self.index.find("stage", stage.stage["use"])
        if before is not None and any(p.into and p.name in stage.inputs for p in component.inputs):
            # The record holds the values of params that are not known yet: no comparing them.
            hashed["fields"] = before.hashed.get("fields", {})
        extends = dict(extendable(self.index, component, stage.stage))
        return PlanRow(
            action="run", reason=self._reason(stage, before, hashed, extends) or waits, **facts
        )

    def _reason(
        self,
        stage: StageSpec,
        before: StageRecord | None,
        hashed: Mapping[str, Any],
        extends: Mapping[str, Any],
    ) -> str:
        if before is None:
            return "not run before"
        if before.component != hashed["component"]:
            return f"was {before.component}"
        found = list(map(str, differences(stage.name, before, hashed, extends, self.spec.origins)))
        return "; ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def accepted_as(record: StageRecord) -> str:
    """Why a result of other work is taken for that of this; empty if it is its own."""
    if not record.accepted:
        return ""
    day = time.strftime("%Y-%m-%d", time.localtime(record.accepted["at"]))
    reason = shorten(record.accepted["reason"], SAID, placeholder=" ...")
    return f"accepted: {reason} ({record.accepted['by']}, {day})"


def resolve_inputs(stage: StageSpec, outputs: Mapping[str, Mapping[str, Artifact]]) -> Inputs:
    """Artifacts by port, from the outputs of the stages before; missing optional ones left out."""
    resolved: dict[str, Artifact | tuple[Artifact, ...]] = {}
    for port, refs in stage.inputs.items():
        found = [
            outputs[r.stage][r.port]
            for r in refs
            if r.stage in outputs and r.port in outputs[r.stage]
        ]
        if len(refs) > 1 or any(r.cell is not None for r in refs):
            resolved[port] = tuple(found)
        elif found:
            resolved[port] = found[0]
    return resolved


def with_params(index: Index, stage: StageSpec, inputs: Inputs, store: Store) -> Description:
    """The description with the values of wired params, and gathered cells, written into it.

    Raises:
        CorruptObject: if the params are damaged.
        ConfigError: if a param names a path that is not there.
    """
    description = stage.stage
    spec = index.find("stage", description["use"])
    for port in spec.inputs:
        artifact = inputs.get(port.name)
        if port.into and isinstance(artifact, Artifact):
            params = {
                f"{port.into}.{path}": value for path, value in store.read_json(artifact).items()
            }
            description = write_params(description, params)
        labels = [dict(ref.cell) for ref in stage.inputs.get(port.name, ()) if ref.cell is not None]
        if port.cells and labels:
            description = {**description, port.cells: labels}
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
