"""Torch-free stages that exercise every way of being interrupted, for the engine's own tests."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import File, Folder, Metrics, Params
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.events import Progress
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, PortRef, StageSpec
from aidn_pipeline.core.stage import Job, NoInputs, Stage, StageContext, port
from aidn_pipeline.errors import DataError, GateNotMet


def note(ctx: StageContext, text: str) -> None:
    """Counts what was really done, outside the store: work done twice shows here."""
    with (ctx.project / "ran.log").open("a") as log:
        log.write(text + "\n")


@dataclass(frozen=True)
class TextOut:
    file: File


@dataclass(frozen=True)
class FolderOut:
    folder: Folder


@component("stage", "write")
@dataclass(frozen=True, kw_only=True)
class Write(Stage[NoInputs, TextOut]):
    """Writes a text."""

    seeded = False
    text: str = "hello"
    workers: int = setting(1, semantic=False)

    def run(self, inputs: NoInputs, ctx: StageContext) -> TextOut:
        note(ctx, "write")
        return TextOut(ctx.save(File, self.text.encode()))


@dataclass(frozen=True)
class TextIn:
    file: File


@component("stage", "upper")
@dataclass(frozen=True, kw_only=True)
class Upper(Stage[TextIn, FolderOut]):
    """Upper case, as a folder of two files."""

    seeded = False

    def run(self, inputs: TextIn, ctx: StageContext) -> FolderOut:
        note(ctx, "upper")
        text = ctx.files(inputs.file)[""].read_bytes()
        return FolderOut(ctx.save(Folder, {"upper.txt": text.upper(), "sub/same.txt": text}))


@dataclass(frozen=True)
class CountOut:
    metrics: Metrics
    file: File


def begun(ctx: StageContext, steps: int) -> tuple[int, int]:
    """What was counted so far, and in how many steps: by shorter work, or until a checkpoint."""
    value, done = 0, 0
    if ctx.predecessor:
        done = int(ctx.predecessor.extends["steps"])
        value = int(ctx.files(ctx.predecessor.outputs["file"])[""].read_bytes())
    kept = [r for r in ctx.checkpoints.records() if r.info["step"] <= steps]
    if kept and kept[-1].info["step"] > done:
        done = kept[-1].info["step"]
        value = int(ctx.checkpoints.open(kept[-1])["value"].read_bytes())
    return value, done


@component("stage", "count")
@dataclass(frozen=True, kw_only=True)
class Count(Stage[TextIn, CountOut]):
    """Adds `by` in steps, with a checkpoint after each; a step is noted where it happens."""

    by: int = 1
    steps: int = setting(3, extends=True)

    def run(self, inputs: TextIn, ctx: StageContext) -> CountOut:
        value, done = begun(ctx, self.steps)
        for step in range(done + 1, self.steps + 1):
            note(ctx, f"count {self.by} {step}")
            value += self.by * step
            ctx.points.log({"value": float(value)}, step)
            ctx.checkpoints.save({"value": str(value).encode()}, {"step": step})
            ctx.checkpoints.retain([r.number for r in ctx.checkpoints.records()][-2:])
            if ctx.stop_requested:
                ctx.stop()
        return CountOut(
            ctx.save(Metrics, {"value": value, "seed": ctx.derive_seed("x") % 100}),
            ctx.save(File, str(value).encode()),
        )


@dataclass(frozen=True)
class TuneOut:
    params: Params
    file: File


@component("stage", "tune")
@dataclass(frozen=True, kw_only=True)
class Tune(Stage[TextIn, TuneOut]):
    """Tries a few `by` values with nested count stages and journals each."""

    values: list[int] = setting(default_factory=lambda: [1, 2, 3])
    steps: int = 2

    def run(self, inputs: TextIn, ctx: StageContext) -> TuneOut:
        told = {e["by"]: e["value"] for e in ctx.journal.entries() if e["kind"] == "finish"}
        for by in self.values:
            if by in told:
                continue
            stage = {"use": "count", "by": by, "steps": self.steps}
            (out,) = ctx.map([Job(label=f"trial {by}", stage=stage, inputs={"file": inputs.file})])
            told[by] = ctx.load(out["metrics"])["value"]
            ctx.journal.append({"kind": "finish", "by": by, "value": told[by]})
        best = max(told, key=lambda by: (told[by], -by))
        return TuneOut(
            ctx.save(Params, {"by": best}), ctx.save(File, repr(sorted(told.items())).encode())
        )


@dataclass(frozen=True)
class GateIn:
    metrics: Metrics


@component("stage", "gate")
@dataclass(frozen=True, kw_only=True)
class Gate(Stage[GateIn, TextOut]):
    """Mints a version if the value is large enough."""

    seeded = False
    effects = "external"
    least: int = 0

    def run(self, inputs: GateIn, ctx: StageContext) -> TextOut:
        note(ctx, "gate")
        value = ctx.load(inputs.metrics)["value"]
        if value < self.least:
            raise GateNotMet(f"value {value} < {self.least}", where="stages.gate.least")
        number = ctx.mint("model", "toy", inputs.metrics.digest, {"value": value})
        return TextOut(ctx.save(File, f"toy@{number}".encode()))


@component("stage", "boom")
def boom(file: File, ctx: StageContext, *, kind: str = "value") -> File:
    """Fails as told.

    Args:
        kind: `value` for a foreign exception, `data` for one of ours, `none` to pass.
    """
    if kind == "value":
        raise ValueError("no good")
    if kind == "data":
        raise DataError("empty", where="rows.csv", remedy="add rows")
    return ctx.save(File, ctx.files(file)[""].read_bytes())


@component("stage", "read_file")
@dataclass(frozen=True, kw_only=True)
class ReadFile(Stage[NoInputs, TextOut]):
    """Reads a file of the project; says so before it keeps what it read."""

    seeded = False
    path: str = setting(content=True)

    def run(self, inputs: NoInputs, ctx: StageContext) -> TextOut:
        text = (ctx.project / self.path).read_bytes()
        ctx.emit(Progress(done=1, total=1, unit="file", values={}))
        return TextOut(ctx.save(File, text))


@dataclass(frozen=True)
class CollectIn:
    files: tuple[File, ...] = port(MISSING, cells="cells")


@component("stage", "collect")
@dataclass(frozen=True, kw_only=True)
class Collect(Stage[CollectIn, TextOut]):
    """Joins files, each with the cell it is of."""

    seeded = False
    cells: list[Any] = setting(default_factory=list)

    def run(self, inputs: CollectIn, ctx: StageContext) -> TextOut:
        note(ctx, "collect")
        texts = [ctx.files(file)[""].read_text() for file in inputs.files]
        named = zip(self.cells or [{}] * len(texts), texts, strict=True)
        return TextOut(ctx.save(File, json.dumps(list(named)).encode()))


STAGES = (Write, Upper, Count, Tune, Gate, ReadFile, Collect, boom)
INDEX = Index([spec_of(target) for target in STAGES])


def stage(
    name: str, use: str, inputs: Mapping[str, str] | None = None, **fields: object
) -> StageSpec:
    refs = {p: (PortRef.parse(text),) for p, text in (inputs or {}).items()}
    return StageSpec(name=name, stage=complete(INDEX, "stage", {"use": use, **fields}), inputs=refs)


def pipeline(*stages: StageSpec, seed: int = 0) -> PipelineSpec:
    return PipelineSpec(name="toy", stages={s.name: s for s in stages}, seed=seed)


def whole(text: str = "hello", steps: int = 3) -> PipelineSpec:
    """A run with every kind of stage: whole-or-absent, checkpointed, nested, external."""
    return pipeline(
        stage("start", "write", text=text),
        stage("upper", "upper", {"file": "start.file"}),
        stage("tune", "tune", {"file": "start.file"}),
        stage("count", "count", {"file": "start.file"}, by=5, steps=steps),
        stage("gate", "gate", {"metrics": "count.metrics"}),
    )
