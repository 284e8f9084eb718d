"""A result held against what it was to come to: the bytes of the run that it is again."""

from dataclasses import replace

from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.errors import NotReproduced
from aidn_pipeline.facade.result import AiModelResult


def judged(result: AiModelResult, spec: PipelineSpec) -> AiModelResult:
    """The result; failed, if `run.strict` is set and the bytes are not those of the run before."""
    if result.rerun is None or not spec.run.get("strict") or result.error is not None:
        return result
    try:
        result.rerun.refuse_differing()
    except NotReproduced as error:
        # What was made is kept: it is what the code comes to now.
        return replace(result, status="failed", error=error)
    return result
