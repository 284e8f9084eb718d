"""Seconds of a stage in a process of its own, beside what such a process costs by other ways.

    python benchmarks/executor.py [--rounds 20] [--json]

Each round does, one after the other, so that what else the machine does falls on all alike:

- `spawn`: a fresh interpreter that imports torch and ends: what a stage costs where every task
  imports for itself;
- `fork`: a bare fork of this process, which has imported torch, and the child's end: the floor;
- `task`: an empty task on the executor `processes` whose server has imported what a training
  imports: asked for, forked, answered, reaped, its log looked at;
- `stage`: a stage of a run on the same executor in the same way, with its lock, its record and its
  commit (`durability: process`).

Figures are medians of wall seconds. Exits with 1 if `task` costs more than 1/40 of `spawn`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import File
from aidn_pipeline.core.component import component
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.events import Event
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.stage import StageContext
from aidn_pipeline.engine.executors.base import Ended, Task
from aidn_pipeline.engine.executors.processes import ProcessExecutor
from aidn_pipeline.engine.stopping import StopFlag
from aidn_pipeline.engine.work import StageWork, place_of
from aidn_pipeline.store.store import Store

LIMIT = 1 / 40
"""Of the seconds of `spawn` that `task` may cost."""
PRELOAD = ("torch", "pyarrow", "aidn_pipeline.stages.train", "aidn_pipeline.training.trainer")


@component("stage", "empty")
def empty(ctx: StageContext, *, number: int = 0) -> File:
    """Keeps a number, so that each is another piece of work.

    Args:
        ctx: the services.
        number: the number.
    """
    return ctx.save(File, str(number).encode())


def nothing(
    _payload: Mapping[str, Any], _emit: Callable[[Event], None], _stop: StopFlag
) -> Mapping[str, Any]:
    """An empty task."""
    return {}


def spawn() -> None:
    """A fresh interpreter that imports torch."""
    subprocess.run([sys.executable, "-c", "import torch"], check=True)


def fork() -> None:
    """A fork of this process, which has imported torch, and its end."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def wait(executor: ProcessExecutor, task: Task) -> None:
    """Starts a task and waits for its end.

    Raises:
        SystemExit: with 2 if it gave no answer.
    """
    executor.start(task)
    while True:
        for told in executor.wait(None):
            if isinstance(told, Ended):
                if told.answer is None:
                    print(told.error or told.exit_code, file=sys.stderr)
                    raise SystemExit(2)
                return


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Median wall seconds of each, and what part of `spawn` that is."""
    for name in PRELOAD:
        import_module(name)
    # By its own name: the server does not know this script as `__main__`.
    own = Path(__file__).stem
    index = Index([spec_of(import_module(own).empty)])
    seconds: dict[str, list[float]] = {name: [] for name in ("spawn", "fork", "task", "stage")}
    tasks = ProcessExecutor(1, entry=f"{own}:nothing")
    stages = ProcessExecutor(1, entry="aidn_pipeline.engine.work:perform_task")
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / ".aidn", durability="process") as store,
    ):
        place = place_of(store, index, Path(folder))

        def stage_task(number: int) -> Task:
            description = complete(index, "stage", {"use": "empty", "number": number})
            work = StageWork(
                name="empty",
                configured=description,
                effective=description,
                inputs={},
                run="benchmark",
                seed=0,
                project=Path(folder),
                place=place,
            )
            log = Path(folder) / "logs" / f"{number}.log"
            return Task(name="empty", payload=work.to_json(), log=log, preload=(own, *PRELOAD))

        for number in range(rounds + 1):
            log = Path(folder) / "logs" / f"task-{number}.log"
            task = Task(name="nothing", payload={}, log=log, preload=(own, *PRELOAD))
            each: dict[str, Callable[[], None]] = {
                "spawn": spawn,
                "fork": fork,
                "task": lambda task=task: wait(tasks, task),
                "stage": lambda number=number: wait(stages, stage_task(number)),
            }
            for name, do in each.items():
                began = time.perf_counter()
                do()
                # The first round starts the servers and fills caches.
                if number:
                    seconds[name].append(time.perf_counter() - began)
        tasks.close()
        stages.close()
    base = statistics.median(seconds["spawn"])
    return {
        name: {
            "wall_s": round(statistics.median(s), 5),
            "of_spawn": round(statistics.median(s) / base, 5),
        }
        for name, s in seconds.items()
    }


def main() -> int:
    """Measures and prints; the exit code says whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps({"format": 1, "rounds": options.rounds, "seconds": found}, sort_keys=True))
    else:
        for name, figures in found.items():
            limit = "   limit 1/40 of spawn" if name == "task" else ""
            part = f"1/{1 / figures['of_spawn']:.1f} of spawn"
            print(f"{name:6} {figures['wall_s'] * 1000:9.1f} ms  {part}{limit}")
    if found["task"]["of_spawn"] > LIMIT:
        print("above the limit: task", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
