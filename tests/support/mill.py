"""A project on disk whose stages need no torch, for tests that kill and crowd the command line.

Its recipe `mill` goes through the built-in stages that have no model in them, function stages, the
cells of a matrix, nested work, checkpoints, a version and a bundle. Its stages write a line into
`ran.log` for what they did, so that work which is done twice shows.
"""

import random
from collections.abc import Mapping
from pathlib import Path

SETTINGS = '[tool.aidn]\npackages = ["mill"]\n'

STAGES = '''\
"""Stages that do little, in every way there is."""

import time
from dataclasses import dataclass
from json import dumps

from aidn_pipeline import (
    Bundle,
    Checkpoint,
    Dataset,
    File,
    Metrics,
    ModelVersion,
    Params,
    Stage,
    StageContext,
    component,
    setting,
)
from aidn_pipeline.core.stage import Job


def note(ctx: StageContext, text: str) -> None:
    """Outside the store, in one write: work that is done twice shows here."""
    with (ctx.project / "ran.log").open("a") as log:
        log.write(text + "\\n")


@component("stage", "column_mean")
def column_mean(dataset: Dataset, ctx: StageContext, *, column: str = "x") -> Metrics:
    """The mean of a column in the test split."""
    table = ctx.load(dataset).table("test")
    values = table[column].to_pylist()
    note(ctx, f"column_mean {dataset.digest}")
    return ctx.save(Metrics, {"mean": round(sum(values) / len(values), 6), "rows": len(values)})


@dataclass(frozen=True)
class OneMetrics:
    """Where to begin."""

    metrics: Metrics


@dataclass(frozen=True)
class CountOut:
    """The sum."""

    metrics: Metrics
    file: File


@component("stage", "count")
@dataclass(frozen=True, kw_only=True)
class Count(Stage[OneMetrics, CountOut]):
    """Adds in steps, with a checkpoint after each; says when it begins one and when it is kept."""

    by: int = 1
    steps: int = setting(4, extends=True)
    pause: float = setting(0.0, semantic=False)

    def run(self, inputs: OneMetrics, ctx: StageContext) -> CountOut:
        """Counts."""
        me = f"count {self.by} from {inputs.metrics.digest[:15]}"
        value, done = 0, 0
        if ctx.predecessor:
            done = int(ctx.predecessor.extends["steps"])
            value = int(ctx.files(ctx.predecessor.outputs["file"])[""].read_bytes())
        kept = [r for r in ctx.checkpoints.records() if r.info["step"] <= self.steps]
        if kept and kept[-1].info["step"] > done:
            done = kept[-1].info["step"]
            value = int(ctx.checkpoints.open(kept[-1])["value"].read_bytes())
        for step in range(done + 1, self.steps + 1):
            note(ctx, f"{me}: step {step}")
            time.sleep(self.pause)
            value += self.by * step
            ctx.points.log({"value": float(value)}, step)
            ctx.checkpoints.save({"value": str(value).encode()}, {"step": step})
            note(ctx, f"{me}: kept {step}")
            ctx.checkpoints.retain([r.number for r in ctx.checkpoints.records()][-2:])
            if ctx.stop_requested:
                ctx.stop()
        return CountOut(
            ctx.save(Metrics, {"value": value, "seed": ctx.derive_seed("x") % 100}),
            ctx.save(File, str(value).encode()),
        )


@dataclass(frozen=True)
class SearchOut:
    """The best step, and all that were tried."""

    params: Params
    file: File


@component("stage", "search")
@dataclass(frozen=True, kw_only=True)
class Search(Stage[OneMetrics, SearchOut]):
    """Tries a few values with nested count stages and journals each."""

    values: list[int] = setting(default_factory=lambda: [1, 2, 3])
    steps: int = 2
    pause: float = setting(0.0, semantic=False)

    def run(self, inputs: OneMetrics, ctx: StageContext) -> SearchOut:
        """Searches."""
        told = {e["by"]: e["value"] for e in ctx.journal.entries() if e["kind"] == "finish"}
        for by in self.values:
            if by in told:
                continue
            stage = {"use": "count", "by": by, "steps": self.steps, "pause": self.pause}
            job = Job(label=f"trial {by}", stage=stage, inputs={"metrics": inputs.metrics})
            (out,) = ctx.map([job])
            told[by] = ctx.load(out["metrics"])["value"]
            ctx.journal.append({"kind": "finish", "by": by, "value": told[by]})
        note(ctx, "search")
        best = max(told, key=lambda by: (told[by], -by))
        return SearchOut(
            ctx.save(Params, {"by": best}), ctx.save(File, repr(sorted(told.items())).encode())
        )


@component("stage", "weigh")
def weigh(metrics: Metrics, params: Params, ctx: StageContext) -> Checkpoint:
    """A large file and a small one, as a checkpoint."""
    value = ctx.load(metrics)["value"] + ctx.load(params)["by"]
    note(ctx, "weigh")
    weights = b"".join(bytes([(value + n) % 251]) * 1000 for n in range(300))
    return ctx.save(Checkpoint, {"weights.bin": weights, "about.json": str(value).encode()})


@dataclass(frozen=True)
class PackIn:
    """A version, and what its rows look like."""

    version: ModelVersion
    dataset: Dataset


@dataclass(frozen=True)
class PackOut:
    """A folder for people."""

    bundle: Bundle


@component("stage", "pack")
@dataclass(frozen=True, kw_only=True)
class Pack(Stage[PackIn, PackOut]):
    """A bundle of the registered bytes."""

    seeded = False

    def run(self, inputs: PackIn, ctx: StageContext) -> PackOut:
        """Packs."""
        version, view = ctx.load(inputs.version), ctx.load(inputs.dataset)
        document = {"signature": view.signature.to_json(), "golden": {"rows": [[0.5, 1.5]]}}
        note(ctx, "pack")
        return PackOut(
            ctx.save(
                Bundle,
                {
                    "model.json": dumps(document, sort_keys=True).encode(),
                    "parts/weights.bin": b"%d" % version["version"] * 70_000,
                },
            )
        )


@dataclass(frozen=True)
class JoinIn:
    """Files of cells."""

    files: tuple[File, ...]


@dataclass(frozen=True)
class JoinOut:
    """All of them."""

    file: File


@component("stage", "join")
@dataclass(frozen=True, kw_only=True)
class Join(Stage[JoinIn, JoinOut]):
    """Joins files."""

    seeded = False

    def run(self, inputs: JoinIn, ctx: StageContext) -> JoinOut:
        """Joins."""
        note(ctx, "join")
        texts = [ctx.files(file)[""].read_bytes() for file in inputs.files]
        return JoinOut(ctx.save(File, b",".join(texts)))


@component("stage", "in_place")
def in_place(file: File, ctx: StageContext, *, lines: int = 2000) -> File:
    """What nobody should do: it writes its rows behind those of an earlier attempt."""
    path = ctx.project / "in_place.txt"
    for n in range(lines):
        with path.open("a") as out:
            out.write(f"{n}\\n")
        time.sleep(0.001)
    return ctx.save(File, path)
'''

RECIPE = """\
# @package _global_
# Every kind of stage but those with a model in them.
name: mill
seed: 3
stages:
  snapshot: {use: snapshot, source: {use: table, path: rows.csv, label: label}}
  split: {use: split, inputs: {dataset: snapshot.dataset}}
  prepare: {use: prepare, inputs: {dataset: split.dataset}}
  texts: {use: snapshot, source: {use: tickets, rows: 40}}
  text_split: {use: split, inputs: {dataset: texts.dataset}}
  tokens: {use: tokenize, inputs: {dataset: text_split.dataset}}
  fold:
    use: kfold
    inputs: {dataset: snapshot.dataset}
    folds: 3
    matrix: {fold: {range: 3}}
  judge: {use: column_mean, inputs: {dataset: fold.dataset}}
  aggregate: {use: aggregate, inputs: {metrics: "judge[*].metrics"}}
  search: {use: search, inputs: {metrics: aggregate.metrics}}
  count:
    use: count
    inputs: {metrics: aggregate.metrics}
    matrix: {by: [5, 7]}
  join: {use: join, inputs: {files: "count[*].file"}}
  weigh: {use: weigh, inputs: {metrics: "count[by=5].metrics", params: search.params}}
  register:
    use: register
    inputs: {checkpoint: weigh.checkpoint, metrics: "count[by=5].metrics"}
    name: mill
    gate: {value: {min: 1}}
  pack: {use: pack, inputs: {version: register.version, dataset: prepare.dataset}}
"""

SMALL = """\
# @package _global_
# A few stages: nested work, checkpoints, a version, a bundle.
name: small
seed: 3
stages:
  snapshot: {use: snapshot, source: {use: table, path: rows.csv, label: label}}
  split: {use: split, inputs: {dataset: snapshot.dataset}}
  judge: {use: column_mean, inputs: {dataset: split.dataset}}
  search: {use: search, inputs: {metrics: judge.metrics}, values: [1, 2]}
  count: {use: count, inputs: {metrics: judge.metrics}, by: 5}
  weigh: {use: weigh, inputs: {metrics: count.metrics, params: search.params}}
  register:
    use: register
    inputs: {checkpoint: weigh.checkpoint, metrics: count.metrics}
    name: small
  pack: {use: pack, inputs: {version: register.version, dataset: split.dataset}}
"""

SLOPPY = """\
# @package _global_
# With a stage that writes in place: what a series must find.
defaults:
  - /mill
  - _self_
stages:
  sloppy: {use: in_place, inputs: {file: join.file}}
"""


def rows(count: int = 60) -> str:
    """A small table."""
    dice = random.Random(5)
    lines = [f"{dice.random():.4f},{dice.random():.4f},{'ab'[n % 2]}" for n in range(count)]
    return "\n".join(["x,y,label", *lines]) + "\n"


def write_mill(folder: Path) -> Path:
    """Writes the project; returns its root."""
    files = {
        "pyproject.toml": SETTINGS,
        "mill/__init__.py": "",
        "mill/stages.py": STAGES,
        "recipes/mill.yaml": RECIPE,
        "recipes/small.yaml": SMALL,
        "recipes/sloppy.yaml": SLOPPY,
        "rows.csv": rows(),
    }
    return write_files(folder, files)


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes texts by their paths below a folder; returns the folder."""
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
