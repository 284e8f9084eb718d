"""Stages without torch: a text, a folder made of it, a sum in steps, a version of it."""

from dataclasses import dataclass

from aidn_pipeline import component
from aidn_pipeline.core.artifact import File, Folder, Metrics
from aidn_pipeline.core.component import setting
from aidn_pipeline.core.stage import NoInputs, Stage, StageContext


@dataclass(frozen=True)
class Text:
    """A text."""

    file: File


@component("stage", "text")
@dataclass(frozen=True, kw_only=True)
class WriteText(Stage[NoInputs, Text]):
    """Writes a text of some length."""

    seeded = False
    size: int = 200_000

    def run(self, inputs: NoInputs, ctx: StageContext) -> Text:
        return Text(ctx.save(File, b"0123456789" * (self.size // 10)))


@dataclass(frozen=True)
class Parts:
    """A folder."""

    folder: Folder


@component("stage", "parts")
@dataclass(frozen=True, kw_only=True)
class Split(Stage[Text, Parts]):
    """Cuts a text into files."""

    seeded = False
    count: int = 8

    def run(self, inputs: Text, ctx: StageContext) -> Parts:
        data = ctx.files(inputs.file)[""].read_bytes()
        return Parts(ctx.save(Folder, {f"part/{n}": data[n:] for n in range(self.count)}))


@dataclass(frozen=True)
class Summed:
    """A sum."""

    metrics: Metrics
    file: File


@component("stage", "steps")
@dataclass(frozen=True, kw_only=True)
class Steps(Stage[Text, Summed]):
    """Adds in steps, with points and a checkpoint after each."""

    steps: int = setting(5, extends=True)
    size: int = 100_000

    def run(self, inputs: Text, ctx: StageContext) -> Summed:
        value, done = 0, 0
        kept = ctx.checkpoints.records()
        if kept:
            done = kept[-1].info["step"]
            value = int(ctx.checkpoints.open(kept[-1])["value"].read_bytes())
        for step in range(done + 1, self.steps + 1):
            value += step
            ctx.points.log({"value": float(value)}, step)
            state = {"value": str(value).encode(), "state": bytes(self.size)}
            ctx.checkpoints.save(state, {"step": step})
            ctx.checkpoints.retain([r.number for r in ctx.checkpoints.records()][-2:])
        return Summed(ctx.save(Metrics, {"value": value}), ctx.save(File, str(value).encode()))


@dataclass(frozen=True)
class Judged:
    """What is numbered."""

    metrics: Metrics


@component("stage", "numbered")
@dataclass(frozen=True, kw_only=True)
class Numbered(Stage[Judged, Text]):
    """Mints a version."""

    seeded = False
    effects = "external"

    def run(self, inputs: Judged, ctx: StageContext) -> Text:
        number = ctx.mint("model", "plain", inputs.metrics.digest, {})
        return Text(ctx.save(File, f"plain@{number}".encode()))
