"""A result held against what it was to come to: the bytes of another run, or of a lock."""

from collections.abc import Callable
from dataclasses import replace

from aidn_pipeline.core.events import Notice
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.errors import AidnError
from aidn_pipeline.facade.frozen import differing_outputs
from aidn_pipeline.facade.result import AiModelResult


def judged(
    result: AiModelResult, spec: PipelineSpec, tell: Callable[[Notice], None]
) -> AiModelResult:
    """The result; failed, if bytes differ from those that it is held against.

    Args:
        result: of a run.
        spec: what was run.
        tell: told what was compared.
    """
    if result.error is not None:
        return result
    try:
        if result.rerun is not None and spec.run.get("strict"):
            result.rerun.refuse_differing()
        if spec.run.get("frozen") and result.workspace is not None and not result.smoke:
            outputs = {name: stage.outputs for name, stage in result.stages.items()}
            lock, compared = differing_outputs(spec, result.workspace.project, outputs)
            have = "1 output has" if compared == 1 else f"{compared} outputs have"
            held = f"; {have} the locked bytes" if compared else ""
            tell(Notice(text=f"nothing differs from {lock}{held}"))
    except AidnError as error:
        # What was made is kept: it is what the code comes to now.
        return replace(result, status="failed", error=error)
    return result
