"""The executor that `run.executor` names, and what it cannot run."""

import importlib
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.executors.base import Executor
from aidn_pipeline.engine.executors.inline import InlineExecutor
from aidn_pipeline.engine.stopping import StopFlag, can_limit
from aidn_pipeline.errors import ConfigError

INLINE = "inline"
ENTRY = "aidn_pipeline.engine.work:perform_task"
"""What another process calls with the payload of a task."""
PER_CORE = 4
"""Stages at once for each core of the budget, whatever little they claim."""


def open_executor(
    kind: str,
    *,
    work: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    stop: StopFlag,
    cores: float,
) -> Executor:
    """An executor, to be closed.

    Args:
        kind: `inline`, or the name of a module beside this one with a function `open_executor`.
        work: what the inline one does, with what is open in this process.
        stop: whether an end was asked for.
        cores: of the run's budget.
    """
    if kind == INLINE:
        return InlineExecutor(work, stop)
    # Nobody who runs inline pays for the imports of another one.
    module = importlib.import_module(f"aidn_pipeline.engine.executors.{kind}")
    executor: Executor = module.open_executor(entry=ENTRY, slots=max(1, ceil(cores) * PER_CORE))
    return executor


def refuse_unfit(spec: PipelineSpec, index: Index, *, inside: bool) -> None:
    """Refuses what the executor cannot do.

    Args:
        spec: what is to be run.
        index: the components.
        inside: whether stages run in this process.

    Raises:
        ConfigError: for components of the running program, which no other process can import; for
            a time limit where it cannot be kept.
    """
    live = [] if inside else [item for item in index if item.module == "__main__"]
    if live:
        raise ConfigError(
            f"{live[0].key} is defined in the running program, where no other process finds it",
            where=f"run.executor ({live[0].module}:{live[0].attribute})",
            remedy="set run.executor=inline, or move it to a module that is imported",
        )
    limited = [name for name, stage in spec.stages.items() if stage.timeout_s is not None]
    if inside and limited and not can_limit():
        raise ConfigError(
            f"the timeout of stage {limited[0]!r} cannot be kept outside the main thread",
            where=f"stages.{limited[0]}.timeout_s",
            remedy="set run.executor=processes, or call from the main thread",
        )
