"""Params count, whether they are written into a field or read by the stage itself."""

from support.toys import INDEX, pipeline, stage

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import File, Params
from aidn_pipeline.core.component import component
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PortRef, StageSpec
from aidn_pipeline.core.stage import StageContext
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.store import Store


@component("stage", "told")
def told(params: Params, ctx: StageContext) -> File:
    """Writes what it was given."""
    return ctx.save(File, repr(ctx.load(params)).encode())


def test_a_stage_that_reads_params_runs_again_when_they_change(tmp_path):
    index = Index([*INDEX, spec_of(told)])
    reader = StageSpec(
        name="told", stage={"use": "told"}, inputs={"params": (PortRef.parse("tune.params"),)}
    )
    texts = []
    with Store.open(tmp_path / "home", durability="process") as store:
        for values in ([1, 2], [1, 3], [1, 2]):
            tune = stage("tune", "tune", {"file": "start.file"}, values=values)
            spec = pipeline(stage("start", "write"), tune, reader)
            result = run_pipeline(spec, store, index, tmp_path)
            file = store.files(result.stages["told"].outputs["file"])[""]
            texts.append((result.stages["told"].action, file.read_text()))
    assert texts == [("run", "{'by': 2}"), ("run", "{'by': 3}"), ("reuse", "{'by': 2}")]
