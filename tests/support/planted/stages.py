"""Stages and exporters with one fault each."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save

from aidn_pipeline.core.artifact import Bundle, File, Metrics, ModelVersion, artifact_from_json
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.stage import NoInputs, Stage, StageContext
from aidn_pipeline.export.bundle import (
    DOCUMENT,
    WEIGHTS,
    build_predictor,
    bundle_document,
    load_bundle,
    read_weights,
)
from aidn_pipeline.testing.examples import example_dataset, example_version
from aidn_pipeline.testing.export import ExportSuite
from aidn_pipeline.testing.stage import StageSuite
from aidn_pipeline.training.inference import read_description
from support.planted.fault import planted


@dataclass(frozen=True)
class Out:
    file: File


@component("stage", "planted_doubling")
@dataclass(frozen=True, kw_only=True)
class Doubling(Stage[NoInputs, Out]):
    """Changes a field when it is made."""

    number: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", 2 * self.number)

    def run(self, inputs: NoInputs, ctx: StageContext) -> Out:
        return Out(ctx.save(File, str(self.number).encode()))


@component("stage", "planted_made_up")
def made_up(ctx: StageContext) -> File:
    """Gives a handle to nothing."""
    return File("b3:" + "0" * 64, 3)


@component("stage", "planted_words")
def words(ctx: StageContext) -> Metrics:
    """Saves a word as a metric."""
    return ctx.save(Metrics, {"accuracy": "high"})


@component("stage", "planted_global_draw")
def global_draw(ctx: StageContext) -> File:
    """Draws from the global generator."""
    return ctx.save(File, str(random.random()).encode())


@component("stage", "planted_set")
def unsorted(ctx: StageContext) -> File:
    """Joins a set."""
    return ctx.save(File, ",".join({f"word {i}" for i in range(50)}).encode())


@component("stage", "planted_marker_first")
def marker_first(ctx: StageContext) -> File:
    """Says that a file is whole before it is there."""
    marker, data = ctx.workdir / "done", ctx.workdir / "data"
    if not marker.exists():
        marker.write_text("")
        data.write_text("all of it")
    return ctx.save(File, data.read_bytes() if data.exists() else b"")


@component("stage", "planted_fewer_writes")
def fewer_writes(ctx: StageContext) -> File:
    """Keeps notes only when it is called from elsewhere than above its work folder."""
    if not ctx.workdir.resolve().is_relative_to(Path.cwd().resolve()):
        for number in range(9):
            (ctx.workdir / f"note-{number}").write_text("far away")
    return ctx.save(File, b"always the same")


@component("stage", "planted_half")
def half(ctx: StageContext) -> File:
    """Gives what it has when it is asked to stop."""
    return ctx.save(File, b"half" if ctx.stop_requested else b"the whole")


@component("stage", "planted_logger")
def logger(ctx: StageContext) -> File:
    """Leaves a file in the project."""
    (ctx.project / "log.txt").write_text("ran")
    return ctx.save(File, b"ran")


@component("stage", "planted_vandal")
def vandal(file: File, ctx: StageContext) -> File:
    """Works in place."""
    path = ctx.files(file)[""]
    text = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(text.upper())
    return ctx.save(File, text.upper())


@component("stage", "planted_pickler")
def pickler(ctx: StageContext) -> File:
    """Saves a pickle (of the number 1)."""
    return ctx.save(File, b"\x80\x04K\x01.")


@component("stage", "planted_workers")
@dataclass(frozen=True, kw_only=True)
class Workers(Stage[NoInputs, Out]):
    """The number of workers shows in the result."""

    workers: int = setting(1, semantic=False)

    def run(self, inputs: NoInputs, ctx: StageContext) -> Out:
        return Out(ctx.save(File, bytes(self.workers)))


@component("stage", "planted_adder")
@dataclass(frozen=True, kw_only=True)
class Adder(Stage[NoInputs, Out]):
    """Starts at the shorter result, and does all steps again."""

    steps: int = setting(3, extends=True)

    def run(self, inputs: NoInputs, ctx: StageContext) -> Out:
        value = 0
        if ctx.predecessor is not None:
            value = int(ctx.files(ctx.predecessor.outputs["file"])[""].read_bytes())
        return Out(ctx.save(File, str(value + self.steps).encode()))


@component("stage", "planted_rounded")
def rounded(version: ModelVersion, ctx: StageContext) -> Bundle:
    """Exports other weights than those of the checkpoint, with golden rows to match."""
    said = ctx.load(version)
    files = ctx.files(artifact_from_json(said["checkpoint"]))
    description = read_description(files["checkpoint.json"])
    tensors = {n: (t * 4).round() / 4 for n, t in read_weights(files["state.safetensors"]).items()}
    ref = ctx.save(File, save({f"model/{name}": tensor for name, tensor in tensors.items()}))
    predictor = build_predictor(description, tensors, ctx.index)
    rows = torch.tensor(description["golden"]["rows"])
    golden = {**description["golden"], "outputs": predictor.outputs(rows).tolist()}
    document = bundle_document(
        {**description, "golden": golden}, ref, {"name": "example", "version": 1}
    )
    return ctx.save(Bundle, {DOCUMENT: document, WEIGHTS: ctx.refs(ref)[""]})


def text(self, bench):
    return {"file": bench.save(File, b"text")}


def version(self, bench):
    return {"version": example_version(bench, example_dataset(bench))}


def restless(self, folder):
    outputs = load_bundle(folder, self.subject.index).outputs
    return lambda rows: outputs(rows) + 1e-6 * torch.rand(1)


KILL = "test_a_kill_at_any_write_changes_nothing"
FAULTS = [
    planted(
        StageSuite,
        "test_its_description_builds_it_again",
        {"use": "planted_doubling"},
        components=(Doubling,),
    ),
    planted(StageSuite, "test_it_gives_what_its_ports_promise", made_up),
    planted(StageSuite, "test_an_output_holds_what_its_kind_says", words),
    planted(StageSuite, "test_the_same_work_gives_the_same_bytes", global_draw),
    planted(StageSuite, "test_another_process_gives_the_same_bytes", unsorted),
    planted(StageSuite, KILL, marker_first),
    planted(StageSuite, KILL, fewer_writes),
    planted(StageSuite, "test_a_wish_to_stop_changes_nothing", half),
    planted(StageSuite, "test_it_writes_nothing_outside_its_work_folder", logger),
    # After a kill its input is damaged.
    planted(StageSuite, "test_it_leaves_its_inputs_as_they_are", vandal, (KILL,), inputs=text),
    planted(StageSuite, "test_no_output_holds_a_pickle", pickler),
    planted(
        StageSuite,
        "test_a_field_without_meaning_changes_no_byte",
        Workers(),
        indifferent={"workers": 4},
    ),
    planted(
        StageSuite, "test_a_longer_run_continues_to_the_same_bytes", Adder(), shorter={"steps": 2}
    ),
    planted(
        ExportSuite, "test_the_bundle_answers_like_the_checkpoint", rounded, inputs=version,
        kill_points=2,
    ),
    planted(
        ExportSuite, "test_the_bundle_can_be_loaded", {"use": "export"}, inputs=version,
        load=restless, kill_points=2,
    ),
]  # fmt: skip
