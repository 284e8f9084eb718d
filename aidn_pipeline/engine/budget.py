"""What a run may use of the machine, and whether each of its stages can have what it claims."""

import os
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.schedule import Budget
from aidn_pipeline.errors import ConfigError

VISIBLE = "CUDA_VISIBLE_DEVICES"
NVIDIA = Path("/proc/driver/nvidia/gpus")
CONTAINER = Path("/sys/fs/cgroup/memory.max")
UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def machine_budget() -> Budget:
    """All cores that this process may use, all memory, and the NVIDIA devices that it sees."""
    return Budget(cpu=float(_cores()), gpu=_devices(), memory=_memory())


def run_budget(spec: PipelineSpec) -> Budget:
    """The budget of a run: `run.resources`, and the machine where that says nothing.

    Raises:
        ConfigError: if a stage claims more than that; it could never start.
    """
    machine = machine_budget()
    given: Mapping[str, Any] = spec.run.get("resources") or {}
    budget = Budget(
        cpu=given.get("cpu", machine.cpu),
        gpu=given.get("gpu", machine.gpu),
        memory=given.get("memory", machine.memory),
    )
    for name, stage in spec.stages.items():
        key = "" if stage.skip else budget.lacking(stage.resources)
        if key:
            wanted, there = getattr(stage.resources, key), getattr(budget, key)
            path = f"stages.{name}.resources.{key}"
            origin = spec.origins.get(path, "")
            raise ConfigError(
                f"stage {name!r} claims {amount(key, wanted)}, "
                f"and the run has {amount(key, there)}: it could never start",
                where=f"{origin} ({path})" if origin else path,
                remedy=f"lower it, or set `run.resources.{key}` to what the machine has",
            )
    return budget


def amount(key: str, value: float) -> str:
    """A claim in words: `4 cores`, `1 gpu`, `2 GiB of memory`."""
    if key == "memory":
        unit, size = next(((u, s) for u, s in UNITS if value >= s), ("bytes", 1))
        return f"{value / size:.4g} {unit} of memory"
    noun = "core" if key == "cpu" else "gpu"
    return f"{value:g} {noun}{'' if value == 1 else 's'}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        # A container may have less than its machine.
        return min(whole, int(CONTAINER.read_text()))
    except (OSError, ValueError):
        return whole


def device_names(count: int) -> list[str]:
    """Names of the devices of a run, to be handed to its stages one by one.

    Args:
        count: of the run's budget; more than are seen are numbered.
    """
    visible = _visible()
    seen = [] if visible is None else visible
    return [*seen[:count], *map(str, range(len(seen), count))]


def _devices() -> int:
    visible = _visible()
    if visible is not None:
        return len(visible)
    return len(list(NVIDIA.iterdir())) if NVIDIA.is_dir() else 0


def _visible() -> list[str] | None:
    text = os.environ.get(VISIBLE)
    if text is None:
        return None
    # As CUDA reads it: what stands behind a name that is none counts for nothing.
    return list(takewhile(lambda one: one not in ("", "-1"), map(str.strip, text.split(","))))
