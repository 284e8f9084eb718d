"""Cores, threads and graphics cards: what there is, and what torch makes of it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.health.finding import Finding, doubtful, sound, wrong

GROUPS = Path("/sys/fs/cgroup")
SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def examine(torch: Mapping[str, Any]) -> Iterator[Finding]:
    """Looks at them.

    Args:
        torch: what importing it showed; without `threads` it did not work.
    """
    cores = usable_cores()
    yield from _settings(cores)
    if "threads" in torch:
        yield _threads(int(torch["threads"]), cores)
        yield from _device(torch)


def usable_cores(groups: Path = GROUPS) -> int:
    """Cores this process may use: by its affinity, and by the limit of its control group."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = _limit(groups)
    return cores if limit is None else max(1, min(cores, round(limit)))


def _limit(groups: Path) -> float | None:
    try:
        quota, period = (groups / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            first = groups / "cpu"
            quota = (first / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (first / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return int(quota) / int(period)


def _settings(cores: int) -> Iterator[Finding]:
    for name in SETTINGS:
        value = os.environ.get(name)
        if value is None:
            continue
        counts = value.split(",") if name == "OMP_NUM_THREADS" else [value]
        if not all(part.strip().isdigit() and int(part) > 0 for part in counts):
            yield wrong(
                f"{name} is no number of threads: {value!r}",
                f"{name}={value}",
                f"unset it, or write `{name}={cores}`",
            )
        elif int(counts[0]) > cores:
            yield doubtful(
                f"{name} asks for {counts[0]} threads on {cores} cores: they wait for each other",
                f"{name}={value}",
                f"unset it, or write `{name}={cores}`",
            )


def _threads(threads: int, cores: int) -> Finding:
    noun = "core" if cores == 1 else "cores"
    if threads > cores:
        return doubtful(
            f"torch starts {threads} threads on {cores} {noun}: outside of training, which sets "
            "its own number, they wait for each other",
            "cores: affinity and control group",
            f"write `OMP_NUM_THREADS={cores}`",
        )
    return sound(f"threads: torch takes {threads} of {cores} {noun}; training takes its `threads`")


def _device(torch: Mapping[str, Any]) -> Iterator[Finding]:
    devices = torch["devices"]
    card = Path("/dev/nvidia0").exists()
    if devices:
        yield sound(f"torch {torch['version']} computes on {', '.join(devices)}, or on the CPU")
    elif card and torch["cuda"] is None:
        yield doubtful(
            f"a graphics card is there, and torch {torch['version']} is built for CPUs only",
            str(torch["file"]),
            "`pip install torch --index-url https://download.pytorch.org/whl/cu126`",
        )
    elif card:
        yield doubtful(
            f"a graphics card is there, and torch (CUDA {torch['cuda']}) cannot use it",
            "/dev/nvidia0",
            "see what `nvidia-smi` says: its driver may be older than this CUDA needs",
        )
    else:
        yield sound(f"torch {torch['version']} computes on the CPU")
