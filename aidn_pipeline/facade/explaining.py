"""Why a stage runs, or ran: what differs from its last result, and what that comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from aidn_pipeline.config.indexes import outlines
from aidn_pipeline.config.nearest import nearest
from aidn_pipeline.config.outline import changed_parts, recalled
from aidn_pipeline.config.project import Project
from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.events import Action
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.core.wiring import needs, order
from aidn_pipeline.engine.fingerprint import Identity, configuration, extendable, identify
from aidn_pipeline.engine.plan import (
    Planner,
    PlanRow,
    last_records,
    resolve_inputs,
    with_params,
)
from aidn_pipeline.engine.reasons import Difference, differences, show
from aidn_pipeline.errors import UsageError
from aidn_pipeline.store.gc import was_collected
from aidn_pipeline.store.store import Store

Outputs = Mapping[str, Mapping[str, Artifact]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A stage that another one needs.

    Attributes:
        port: of the stage that needs it.
        reference: as written under `inputs:`.
        action: what it would do.
        reason: why.
    """

    port: str
    reference: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a stage would do in the next run, and why.

    Attributes:
        row: of the plan.
        before: the last committed record of the stage in runs of the recipe.
        differences: between that and what is asked now; inputs only once they are known.
        identity: of the work; None until all inputs are known.
        record: the record of this very work, if it was ever committed.
        missing: `port` of each output of it that is not in the store.
        collected: whether `gc` took them.
        upstream: the stages it needs, each port's in their order.
        params: inputs whose values are written into fields, by port.
    """

    row: PlanRow
    before: StageRecord | None
    differences: tuple[Difference, ...]
    identity: Identity | None
    record: StageRecord | None
    missing: tuple[str, ...]
    collected: bool
    upstream: tuple[Upstream, ...]
    params: Mapping[str, Artifact]

    @property
    def pending(self) -> list[Upstream]:
        """What it needs that would not be reused."""
        return [one for one in self.upstream if one.action != "reuse"]

    def to_json(self, parts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """For programs; `parts` are names of what changed in the code, by file."""
        row, before = self.row, self.before
        return {
            "format": 1,
            "stage": row.name,
            "action": row.action,
            "reason": row.reason,
            "progress": row.progress,
            "fingerprint": row.fingerprint,
            "last": before_json(before),
            "differences": [difference_json(one, parts) for one in self.differences],
            "missing": list(self.missing),
            "accepted": dict(self.record.accepted)
            if self.record and self.record.accepted
            else None,
            "inputs": [
                {"port": u.port, "from": u.reference, "action": u.action, "reason": u.reason}
                for u in self.upstream
            ],
        }


def before_json(before: StageRecord | None) -> dict[str, Any] | None:
    """The record that was compared with, for programs."""
    if before is None:
        return None
    return {
        "fingerprint": before.fingerprint,
        "run": before.observed.get("run"),
        "started": before.observed.get("started"),
        "seconds": before.observed.get("seconds"),
    }


def difference_json(one: Difference, parts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A difference for programs."""
    value: dict[str, Any] = {
        "kind": one.kind,
        "name": one.name,
        "old": one.old,
        "new": one.new,
        "where": one.origin or None,
    }
    if one.files:
        value["files"] = {file: list(parts.get(file, ())) for file in one.files}
    return value


def explain(
    spec: PipelineSpec, store: Store, index: Index, project: Project, stage: str
) -> Explanation:
    """What a stage would do in the next run of a pipeline, and why.

    Args:
        spec: what would be run.
        store: what has been done.
        index: the components.
        project: where paths in fields are against.
        stage: its name.

    Raises:
        UsageError: if there is no such stage; names the nearest.
    """
    return next(iter(explained(spec, store, index, project, [stage])))


def explained(
    spec: PipelineSpec,
    store: Store,
    index: Index,
    project: Project,
    names: Sequence[str],
    standing: Outputs | None = None,
) -> Iterator[Explanation]:
    """The same of several stages, in the order that a run looks at them.

    Args:
        spec: as in `explain`.
        store: as in `explain`.
        index: as in `explain`.
        project: as in `explain`.
        names: of the stages.
        standing: what is to be taken for the outputs of stages that would run; looked at after
            each stage was told of.
    """
    for name in names:
        find_stage(spec, name)
    wanted = _with_needs(spec, names)
    before = last_records(spec.recipe or spec.name, store)
    forced = spec.run.get("force", ())
    planner = Planner(spec, store, index, project.root)
    outputs: dict[str, Mapping[str, Artifact]] = {}
    rows: dict[str, PlanRow] = {}
    for name in (n for n in order(spec.stages) if n in wanted):
        given = spec.stages[name]
        row = planner.row(given, outputs, before.get(name), forced=name in forced)
        rows[name] = row
        if name in names:
            yield _explanation(planner, given, rows, outputs, before.get(name))
        stands = (standing or {}).get(name, row.outputs)
        if stands is not None:
            outputs[name] = stands


def cells_of(spec: PipelineSpec, name: str) -> list[str]:
    """The stage of that name, or all cells of the matrix of that name.

    Raises:
        UsageError: if there is neither; names the nearest.
    """
    found = [n for n in spec.stages if name in (n, n.partition("[")[0])]
    return found or [find_stage(spec, name).name]


def find_stage(spec: PipelineSpec, name: str) -> StageSpec:
    """The stage of that name.

    Raises:
        UsageError: if there is none; names the nearest.
    """
    if name in spec.stages:
        return spec.stages[name]
    cells = [n for n in spec.stages if n.partition("[")[0] == name]
    near = cells or get_close_matches(name, list(spec.stages), 1)
    if cells:
        remedy = f"it is repeated: name one of its cells, such as `{cells[0]}`"
    elif near:
        remedy = f"did you mean `{near[0]}`?"
    else:
        bases = dict.fromkeys(n.partition("[")[0] for n in spec.stages)
        remedy = f"stages: {', '.join(bases)}"
    raise UsageError(
        f"there is no stage {name!r} in {spec.recipe or spec.name}",
        where=f"recipe={spec.recipe or spec.name}",
        remedy=remedy,
    )


def _with_needs(spec: PipelineSpec, names: Sequence[str]) -> set[str]:
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in spec.stages and name not in found:
            found.add(name)
            waiting += needs(spec.stages[name])
    return found


def _explanation(
    planner: Planner,
    stage: StageSpec,
    rows: Mapping[str, PlanRow],
    outputs: Outputs,
    before: StageRecord | None,
) -> Explanation:
    spec, store = planner.spec, planner.store
    known = all(n in outputs for n in needs(stage) if n in spec.stages) and not stage.skip
    identity = identity_of(planner, stage, outputs) if known else None
    record = store.records.stage(identity.fingerprint) if identity else None
    found: list[Difference] = []
    if before is not None and not stage.skip:
        hashed, extends = _asked(planner, stage, identity, before)
        if hashed["component"] == before.component:
            found = differences(stage.name, before, hashed, extends, spec.origins)
    missing = tuple(p for p, a in record.outputs.items() if not store.has(a)) if record else ()
    return Explanation(
        row=rows[stage.name],
        before=before,
        differences=tuple(found),
        identity=identity,
        record=record,
        missing=missing,
        collected=bool(record and missing and was_collected(store, record.fingerprint)),
        upstream=tuple(
            Upstream(
                port=port,
                reference=str(ref),
                action=rows[ref.stage].action,
                reason=rows[ref.stage].reason,
            )
            for port, refs in stage.inputs.items()
            for ref in refs
            if ref.stage in rows
        ),
        params=_params(planner, stage, outputs) if known else {},
    )


def _params(planner: Planner, stage: StageSpec, outputs: Outputs) -> dict[str, Artifact]:
    component = planner.index.find("stage", stage.stage["use"])
    into = {port.name for port in component.inputs if port.into}
    found = resolve_inputs(stage, outputs)
    return {p: a for p, a in found.items() if p in into and isinstance(a, Artifact)}


def identity_of(planner: Planner, stage: StageSpec, outputs: Outputs) -> Identity:
    """Fingerprints of a stage whose inputs are known."""
    inputs = resolve_inputs(stage, outputs)
    effective = with_params(planner.index, stage, inputs, planner.store)
    given = (planner.index, stage.stage, effective, inputs)
    return identify(*given, seed=planner.spec.seed, project=planner.project)


def _asked(
    planner: Planner, stage: StageSpec, identity: Identity | None, before: StageRecord
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if identity is not None:
        return identity.hashed, identity.extends
    index = planner.index
    seed, project = planner.spec.seed, planner.project
    hashed = configuration(index, stage.stage, seed=seed, project=project)
    component = index.find("stage", stage.stage["use"])
    if any(p.into and p.name in stage.inputs for p in component.inputs):
        # The record holds the values of params that are not known yet: no comparing them.
        hashed["fields"] = before.hashed.get("fields", {})
    return hashed, dict(extendable(index, component, stage.stage))


def parts_of(found: Sequence[Difference]) -> dict[str, list[str]]:
    """Names of the functions, classes and methods that changed, by file, as far as known."""
    folder, parts = outlines(), dict[str, list[str]]()
    for one in found:
        for file in one.files:
            old, new = one.old.get(file), one.new.get(file)
            if old is None or new is None:
                parts[file] = ["the file is new" if old is None else "no longer used"]
                continue
            before, now = recalled(folder, old), recalled(folder, new)
            if before is not None and now is not None:
                parts[file] = changed_parts(before, now)
    return parts


def in_words(one: Difference, parts: Mapping[str, Sequence[str]]) -> str:
    """A difference as a sentence, with the names of what changed in the code."""
    if not one.files:
        return str(one)
    named = (f"{f} ({', '.join(parts[f])})" if parts.get(f) else f for f in one.files)
    return f"code of {one.name} changed: {', '.join(named)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Why a stage of a finished run did what it did.

    Attributes:
        run: id of the run.
        stage: its name.
        action: what was done; empty if it came to nothing.
        record: what it gave; None if it gave nothing.
        before: the record that the runs before had of it.
        differences: between both.
        forced: whether it was told to run.
        made_by: the run that made what was reused.
    """

    run: str
    stage: str
    action: str
    record: StageRecord | None
    before: StageRecord | None
    differences: tuple[Difference, ...]
    forced: bool
    made_by: str

    def to_json(self, parts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """For programs; `parts` are names of what changed in the code, by file."""
        return {
            "format": 1,
            "run": self.run,
            "stage": self.stage,
            "action": self.action,
            "fingerprint": self.record.fingerprint if self.record else None,
            "forced": self.forced,
            "made_by": self.made_by or None,
            "last": before_json(self.before),
            "differences": [difference_json(one, parts) for one in self.differences],
        }


def history(record: Mapping[str, Any], store: Store, stage: str) -> History:
    """Why a stage of a run did what it did then.

    Args:
        record: of the run.
        store: where it was done.
        stage: its name.

    Raises:
        UsageError: if the run had no such stage; names the nearest.
    """
    facts = record["facts"]
    known = list(facts.get("order", record["stages"]))
    if stage not in known:
        raise UsageError(
            f"run {record['run']} had no stage {stage!r}",
            where=f"aidn-run why {stage} --run {record['run']}",
            remedy=nearest(stage, known, noun="its stages"),
        )
    fingerprint = record["stages"].get(stage)
    made = store.records.stage(fingerprint) if fingerprint else None
    before = _before(record, store, stage)
    config = facts.get("config", {})
    found: list[Difference] = []
    if made is not None and before is not None and before.component == made.component:
        plain = differences(stage, before, made.hashed, made.extends, {})
        found = [typed(one, facts.get("overrides", ())) for one in plain]
    return History(
        run=record["run"],
        stage=stage,
        action=facts.get("actions", {}).get(stage, ""),
        record=made,
        before=before,
        differences=tuple(found),
        forced=stage in config.get("run", {}).get("force", ()),
        made_by=str(made.observed.get("run", "")) if made else "",
    )


def _before(record: Mapping[str, Any], store: Store, stage: str) -> StageRecord | None:
    runs = store.records.runs(store.records.count_runs(), recipe=record["recipe"])
    ids = [run["run"] for run in runs]
    older = runs[ids.index(record["run"]) + 1 :] if record["run"] in ids else []
    for run in older:
        if fingerprint := run["stages"].get(stage):
            return store.records.stage(fingerprint)
    return None


def typed(one: Difference, overrides: Sequence[str]) -> Difference:
    """A difference with the override that made it: all of its origin that a run records."""
    for text in overrides:
        key, equals, value = text.lstrip("+").partition("=")
        path = key.rstrip(":").removeprefix("stages.")
        fits = f".{path}".endswith(f".{one.name}") or f".{one.name}".endswith(f".{path}")
        chosen = one.name.endswith(".use") and f".{one.name}".endswith(f".{path}.use")
        if equals and (fits or chosen) and value == show(one.new):
            return replace(one, origin=f"override {text}")
    return one
