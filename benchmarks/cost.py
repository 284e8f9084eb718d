"""What one trivial stage costs, beside doit, Hamilton, and the disk's own durable commit.

    pip install 'aidn-pipeline[bench]'
    python benchmarks/cost.py [--rounds 3] [--sizes 5,1000] [--linear 10000] [--json]

The stage is a function of a project that writes a number; a recipe repeats it by `matrix`. Whole
commands are timed, ours and theirs in turn, so that what else the machine does falls on all alike.
A figure is the median of CPU seconds, user and system, of the process and its children; the cost of
a stage is the slope between two sizes. Flushes are waited for, not computed: for them seconds on
the clock are compared, in one process, in turn. Exits with 1 if a limit is exceeded, 2 if a command
fails.
"""

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from many import write_project

from aidn_pipeline.core.artifact import File
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.store.store import Store

LIMITS = {
    "run / doit": 0.6,
    "run / hamilton": 0.1,
    "one commit / floor": 1.3,
    "commit in a group / floor": 0.5,
    "run, 10x the stages": 11.0,
    "rerun, 10x the stages": 11.0,
    "plan, 10x the stages": 11.0,
}
"""Allowed ratios."""
KILOBYTE = 1000
COMMITS = 64
"""Commits of one round; two groups of 32."""

DODO = """from pathlib import Path


def write(name):
    Path("out", name).write_text(name)


def task_touch():
    for number in range({count}):
        yield {{
            "name": str(number),
            "actions": [(write, [str(number)])],
            "targets": [f"out/{{number}}"],
            "uptodate": [True],
        }}
"""
DRIVER = """import nodes
from hamilton import driver

built = driver.Builder().with_modules(nodes).with_cache(path="cache").build()
built.execute([f"s{{n}}" for n in range({count})])
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A command with what is there before it.

    Attributes:
        name: of the tool and of what it does.
        prepare: makes a folder ready for the command; not timed.
        command: what is timed.
    """

    name: str
    prepare: Callable[[Path], None]
    command: list[str]


def jobs(count: int, python: str) -> Iterator[Job]:
    """All that is measured with this many stages."""
    aidn = [sys.executable, "-m", "aidn_pipeline.cli.main"]
    yield Job("run", lambda folder: write_project(folder, count), [*aidn, "recipe=many"])
    yield Job("rerun", lambda folder: _finished(folder, count), [*aidn, "recipe=many"])
    yield Job("plan", lambda folder: write_project(folder, count), [*aidn, "plan", "recipe=many"])
    if _has(python, "doit"):
        yield Job("doit", lambda folder: _doit(folder, count), [python, "-m", "doit", "run"])
    if _has(python, "hamilton"):
        yield Job("hamilton", lambda folder: _hamilton(folder, count), [python, "run.py"])


def _has(python: str, module: str) -> bool:
    if python == sys.executable:
        return find_spec(module) is not None
    return subprocess.run([python, "-c", f"import {module}"], check=False).returncode == 0


def _finished(folder: Path, count: int) -> None:
    write_project(folder, count)
    cpu_seconds([sys.executable, "-m", "aidn_pipeline.cli.main", "recipe=many"], folder)


def _doit(folder: Path, count: int) -> None:
    (folder / "out").mkdir(parents=True)
    (folder / "dodo.py").write_text(DODO.format(count=count))


def _hamilton(folder: Path, count: int) -> None:
    folder.mkdir()
    nodes = (f"def s{n}() -> str:\n    return '{n}'\n" for n in range(count))
    (folder / "nodes.py").write_text("\n\n".join(nodes))
    (folder / "run.py").write_text(DRIVER.format(count=count))


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system seconds of one run of the command, its children included.

    Raises:
        SystemExit: with 2 if the command fails.
    """
    # What an up-to-date answer from memory costs is told by `startup.py`.
    quiet = {"AIDN_MEMO": "0", "AIDN_TRUST": "1", "NO_COLOR": "1"}
    quiet["HAMILTON_TELEMETRY_ENABLED"] = "false"
    environment = os.environ | quiet
    environment.pop("AIDN_HOME", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=folder, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(output.read_text(errors="replace")[-2000:], file=sys.stderr)
        print(f"{' '.join(command)} exited with {process.returncode}", file=sys.stderr)
        raise SystemExit(2)
    return usage.ru_utime + usage.ru_stime


Medians = dict[tuple[str, int], float]


def measure(sizes: list[int], rounds: int, python: str, names: tuple[str, ...] = ()) -> Medians:
    """Median CPU seconds of each job at each size."""
    found: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".cost-") as place:
        for number in range(rounds):
            for size in sizes:
                for job in jobs(size, python):
                    if names and job.name not in names:
                        continue
                    folder = Path(place) / f"{job.name}-{size}-{number}"
                    job.prepare(folder)
                    seconds = cpu_seconds(job.command, folder)
                    found.setdefault((job.name, size), []).append(seconds)
                    shutil.rmtree(folder)
    return {key: statistics.median(seconds) for key, seconds in found.items()}


def slopes(found: Medians, small: int, large: int) -> dict[str, float]:
    """CPU seconds of one stage more, by job."""
    names = dict.fromkeys(name for name, _ in found)
    return {n: (found[n, large] - found[n, small]) / (large - small) for n in names}


def floor(folder: Path) -> float:
    """Seconds of one durable commit without a store: a file, its folder, a row in SQLite."""
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    db = sqlite3.connect(folder / "index", isolation_level=None)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE record (name BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID")
    started = time.perf_counter()
    for number in range(COMMITS):
        path = folder / f"{number}.new"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        os.write(fd, b"x" * KILOBYTE)
        os.fsync(fd)
        os.close(fd)
        path.rename(folder / str(number))
        os.fsync(here)
        db.execute("INSERT INTO record VALUES (?, ?)", (b"%020d" % number, "0" * 60))
    seconds = (time.perf_counter() - started) / COMMITS
    db.close()
    os.close(here)
    return seconds


def commits(folder: Path, *, together: bool) -> float:
    """Seconds of one commit of a file of 1 kB to a store, alone or 32 together."""
    Store.open(folder, durability="full").close()
    for shard in range(256):
        # As in every store that is in use.
        (folder / "objects" / f"{shard:02x}").mkdir(parents=True)
    with Store.open(folder, durability="full") as store:
        started = time.perf_counter()
        if together:
            with store.group.gathering():
                _commit(store)
        else:
            _commit(store)
        return (time.perf_counter() - started) / COMMITS


def _commit(store: Store) -> None:
    for number in range(COMMITS):
        ref = store.objects.put(b"%0*d" % (KILOBYTE, number))
        name = f"b3:{number:064x}"
        record = StageRecord(
            fingerprint=name,
            family=name,
            base=name,
            component="stage/touch",
            hashed={},
            extends={},
            outputs={"file": File(ref.digest, ref.size)},
            observed={"points": []},
        )
        store.group.commit(record)


def durable(rounds: int) -> dict[str, float]:
    """Median seconds of a commit, of the floor and of the store, in turn on the same disk."""
    found: dict[str, list[float]] = {"floor": [], "one commit": [], "commit in a group": []}
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".cost-") as place:
        for number in range(rounds):
            found["floor"].append(floor(Path(place) / f"floor-{number}"))
            for name, together in (("one commit", False), ("commit in a group", True)):
                folder = Path(place) / f"{together}-{number}"
                found[name].append(commits(folder, together=together))
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def main() -> int:
    """Measures and prints; the exit code says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each command")
    parser.add_argument("--sizes", default="5,1000", help="two numbers of stages")
    parser.add_argument("--linear", type=int, default=0, help="a third one, to see growth")
    parser.add_argument("--peers", default=sys.executable, help="a python with doit and hamilton")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    small, large = (int(size) for size in options.sizes.split(","))
    found = measure([small, large], options.rounds, options.peers)
    stage = slopes(found, small, large)
    ratios = {
        f"run / {peer}": stage["run"] / stage[peer]
        for peer in ("doit", "hamilton")
        if peer in stage
    }
    if options.linear:
        ours = ("run", "rerun", "plan")
        more = measure([options.linear], 1, options.peers, ours)
        for name in ours:
            growth = more[name, options.linear] - found[name, small]
            ratios[f"{name}, {options.linear // large}x the stages"] = growth / (
                found[name, large] - found[name, small]
            )
    flushed = durable(options.rounds)
    for name in ("one commit", "commit in a group"):
        ratios[f"{name} / floor"] = flushed[name] / flushed["floor"]
    show(options.json, found, stage, flushed, ratios)
    over = [name for name, limit in LIMITS.items() if ratios.get(name, 0) > limit]
    if over:
        print(f"above the limit: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


def show(
    as_json: bool,
    found: Medians,
    stage: dict[str, float],
    flushed: dict[str, float],
    ratios: dict[str, float],
) -> None:
    """Prints what was found."""
    if as_json:
        value = {
            "format": 1,
            "cpu_s": {f"{name} {size}": round(s, 4) for (name, size), s in found.items()},
            "stage_cpu_ms": {name: round(s * 1000, 4) for name, s in stage.items()},
            "commit_ms": {name: round(s * 1000, 4) for name, s in flushed.items()},
            "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
        }
        print(json.dumps(value, sort_keys=True))
        return
    for (name, size), seconds in found.items():
        print(f"{name:10} {size:6} stages {seconds:8.3f} CPU s")
    for name, seconds in stage.items():
        print(f"{name:10} {seconds * 1000:8.3f} CPU ms a stage")
    for name, seconds in flushed.items():
        print(f"{name:18} {seconds * 1000:8.3f} ms on the clock")
    for name, ratio in ratios.items():
        limit = f"   limit {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name:26} {ratio:6.2f}x{limit}")


if __name__ == "__main__":
    raise SystemExit(main())
