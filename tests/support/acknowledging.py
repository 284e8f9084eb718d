"""Torch-free stages that tell, in a file outside the store, what the store told them is safe."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import File, Folder, Metrics
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.core.stage import Job, NoInputs, Stage, StageContext
from support import toys
from support.toys import CountOut, FolderOut, GateIn, TextIn, TextOut, begun, note

SIZES = (0, 1, 4000, 70_000)
"""Bytes of the files of a folder and of a checkpoint: none, within a page, a page, several."""


def acknowledge(project: Path, what: str, **facts: object) -> None:
    """Adds a line; what it says was acknowledged by the store before."""
    line = json.dumps({"what": what, **facts}) + "\n"
    fd = os.open(project / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def acknowledged(project: Path) -> list[dict[str, Any]]:
    """The lines so far."""
    file = project / "acknowledged"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep(project: Path, lines: int) -> None:
    """Forgets all lines but the first ones."""
    file = project / "acknowledged"
    if file.exists():
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:lines]))


def bytes_of(text: str, size: int) -> bytes:
    return (text.encode() * (1 + size // max(1, len(text))))[:size]


@component("stage", "many")
@dataclass(frozen=True, kw_only=True)
class Many(Stage[TextIn, FolderOut]):
    """A folder of files of several sizes."""

    seeded = False

    def run(self, inputs: TextIn, ctx: StageContext) -> FolderOut:
        note(ctx, "many")
        text = ctx.files(inputs.file)[""].read_text()
        files = {f"part/{size}.txt": bytes_of(text, size) for size in SIZES}
        return FolderOut(ctx.save(Folder, files))


@component("stage", "tally")
@dataclass(frozen=True, kw_only=True)
class Tally(Stage[TextIn, CountOut]):
    """Adds `by` in steps: points, a checkpoint and a line of its journal for each."""

    by: int = 1
    steps: int = setting(3, extends=True)

    def run(self, inputs: TextIn, ctx: StageContext) -> CountOut:
        work = ctx.workdir.parent.name
        value, done = begun(ctx, self.steps)
        for step in range(done + 1, self.steps + 1):
            note(ctx, f"tally {self.by} {step}")
            value += self.by * step
            ctx.points.log({"value": float(value), "step": float(step)}, step)
            state = [str(value).encode(), *(bytes_of(str(value), size) for size in SIZES)]
            files = {"value": state[0]} | {f"state-{n}": s for n, s in enumerate(state[1:])}
            saved = ctx.checkpoints.save(files, {"step": step})
            acknowledge(ctx.project, "checkpoint", work=work, number=saved.number, step=step)
            ctx.checkpoints.retain([r.number for r in ctx.checkpoints.records()][-2:])
            ctx.journal.append({"kind": "told", "step": step, "by": self.by})
            acknowledge(ctx.project, "entry", work=work, step=step)
            if ctx.stop_requested:
                ctx.stop()
        return CountOut(
            ctx.save(Metrics, {"value": value, "seed": ctx.derive_seed("x") % 100}),
            ctx.save(File, str(value).encode()),
        )


@component("stage", "trials")
@dataclass(frozen=True, kw_only=True)
class Trials(Stage[TextIn, TextOut]):
    """Nested work, one after the other, each told in the journal."""

    values: list[int] = setting(default_factory=lambda: [1, 2])
    steps: int = 2

    def run(self, inputs: TextIn, ctx: StageContext) -> TextOut:
        work = ctx.workdir.parent.name
        told = {e["by"]: e["value"] for e in ctx.journal.entries() if e["kind"] == "finish"}
        for by in self.values:
            if by in told:
                continue
            stage = {"use": "tally", "by": by, "steps": self.steps}
            (out,) = ctx.map([Job(label=f"trial {by}", stage=stage, inputs={"file": inputs.file})])
            told[by] = ctx.load(out["metrics"])["value"]
            ctx.journal.append({"kind": "finish", "by": by, "value": told[by]})
            acknowledge(ctx.project, "trial", work=work, by=by)
        return TextOut(ctx.save(File, repr(sorted(told.items())).encode()))


@component("stage", "number")
@dataclass(frozen=True, kw_only=True)
class Number(Stage[GateIn, TextOut]):
    """Mints a version."""

    seeded = False
    effects = "external"

    def run(self, inputs: GateIn, ctx: StageContext) -> TextOut:
        value = ctx.load(inputs.metrics)["value"]
        number = ctx.mint("model", "toy", inputs.metrics.digest, {"value": value})
        digest = inputs.metrics.digest
        acknowledge(ctx.project, "version", name="toy", number=number, digest=digest)
        return TextOut(ctx.save(File, f"toy@{number}".encode()))


@component("stage", "begin")
@dataclass(frozen=True, kw_only=True)
class Begin(Stage[NoInputs, TextOut]):
    """Writes a text."""

    seeded = False
    text: str = "hello"

    def run(self, inputs: NoInputs, ctx: StageContext) -> TextOut:
        note(ctx, "begin")
        return TextOut(ctx.save(File, self.text.encode()))


INDEX = Index([spec_of(target) for target in (*toys.STAGES, Begin, Many, Tally, Trials, Number)])


def stage(
    name: str, use: str, inputs: Mapping[str, str] | None = None, **fields: object
) -> StageSpec:
    refs = {p: (PortRef.parse(text),) for p, text in (inputs or {}).items()}
    return StageSpec(name=name, stage=complete(INDEX, "stage", {"use": use, **fields}), inputs=refs)


def wide(text: str = "hello", steps: int = 3) -> PipelineSpec:
    """The same with cells side by side, one of which fails, one skipped stage, and a gathering."""
    base = whole(text, steps)
    cells, gathered = [], []
    for by in (2, 3, 4):
        name, cell = f"cell[by={by}]", {"by": by}
        made = stage(name, "tally", {"file": "start.file"}, by=by, steps=2)
        cells.append(replace(made, cell=cell, on_failure="continue"))
        gathered.append(PortRef(name, "file", cell=(("by", by),)))
    bad = stage("cell[by=0]", "boom", {"file": "start.file"}, kind="data")
    cells.append(replace(bad, cell={"by": 0}, on_failure="continue"))
    gathered.append(PortRef("cell[by=0]", "file", cell=(("by", 0),)))
    skipped = replace(stage("never", "upper", {"file": "start.file"}), skip="when: false")
    joined = replace(stage("joined", "collect"), inputs={"files": tuple(gathered)})
    more = {s.name: s for s in (*cells, skipped, joined)}
    return replace(base, stages={**base.stages, **more})


def whole(text: str = "hello", steps: int = 4) -> PipelineSpec:
    """Objects, folders, checkpoints, journals, points, nested work and a version."""
    stages = (
        stage("start", "begin", text=text),
        stage("many", "many", {"file": "start.file"}),
        stage("trials", "trials", {"file": "start.file"}),
        stage("tally", "tally", {"file": "start.file"}, by=5, steps=steps),
        stage("number", "number", {"metrics": "tally.metrics"}),
    )
    return PipelineSpec(name="toy", stages={s.name: s for s in stages}, seed=0)
