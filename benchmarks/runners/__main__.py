"""CPU seconds of the same stages in make, doit, Snakemake, Kedro, DVC and this product.

    python -m venv peers; peers/bin/pip install doit snakemake kedro kedro-datasets dvc
    python benchmarks/runners --python peers/bin/python [--sizes 5,100,1000] [--rounds 5] [--json]

The stages are chains of five: the first reads a file of the project and writes a small file, each
other one reads the file before it and writes the next. 5 stages are one chain, 1,000 are 200. They
are written as each tool's users would write the shortest: pattern rules for make; a task creator
with Python actions and `file_dep` for doit, the target's own checksums for the rest; two rules with
wildcards for Snakemake; nodes made in a loop and a catalog pattern for Kedro; `matrix:` in
`dvc.yaml`, and in our recipe. Every tool runs its own command in its own project:

    first     nothing was run yet
    rerun     nothing changed; no output may be written again
    touched   the file of the project has another time and the same content
    plan      says what would run where nothing was run yet

make and Snakemake go by times: make runs everything again for `touched`; Snakemake looks at the
checksum of a small file. Kedro's rerun is `--only-missing-outputs`: it looks whether outputs exist,
not whether they are still right. doit and Kedro have no plan; `dvc repro --dry` ends with an error
where the output of an earlier stage is not there. At 1,000 stages DVC's first run takes minutes, by
the square of their number: what it would leave is written instead, and not timed; its rerun must
then find everything done. Larger sizes are run first once only.

Each round does every command once, one after the other, so that what else the machine does falls on
all of them alike. Figures are medians of user and system CPU seconds of the process and all that it
starts, and their multiples of `python -c pass`. No tool reports home. Exits with 1 if a limit is
exceeded, 2 if a command fails or does what it should not.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools import Tool, tools

LIMITS = {
    ("aidn-run, plain script", "rerun", 5): {"bare": 1.25, "doit": 1 / 5, "dvc": 1 / 35},
    ("aidn-run", "rerun", 5): {"bare": 1.9},
    ("aidn-run", "rerun", 1000): {
        "bare": 1.8,
        "doit": 1 / 4,
        "kedro": 1 / 4,
        "snakemake": 1 / 50,
        "dvc": 1 / 50,
    },
    ("aidn-run", "plan", 100): {"snakemake": 1 / 3},
    ("aidn-run", "plan", 1000): {"snakemake": 1 / 3},
}
"""How many times another's CPU seconds ours may take, of the same job."""
BELIEVED_S = 2.2
"""Seconds until a file is old enough to be remembered."""
ONCE = 100
"""From so many stages on, a first run and a plan are measured once and in three rounds."""
BARE = ("bare", "rerun", 0)
Key = tuple[str, str, int]


@dataclass(slots=True)
class Bench:
    """What is measured, where.

    Attributes:
        home: folder for everything.
        seconds: found so far, by tool, job and number of stages.
    """

    home: Path
    seconds: dict[Key, list[float]] = field(default_factory=dict)

    def time(self, key: Key, words: list[str], folder: Path, tool: Tool | None = None) -> str:
        """Runs a command, keeps its CPU seconds, and gives what it printed.

        Raises:
            SystemExit: with 2 if it fails.
        """
        quiet = {"NO_COLOR": "1", "XDG_CACHE_HOME": str(self.home / "cache")}
        environment = os.environ | quiet | (tool.environment if tool else {})
        # As a user has it: what is imported again is not compiled again.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        output, errors = self.home / "output.txt", self.home / "errors.txt"
        with output.open("wb") as file, errors.open("wb") as other:
            process = subprocess.Popen(
                words, stdout=file, stderr=other, cwd=folder, env=environment
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = output.read_text(errors="replace")
        if process.returncode:
            said += errors.read_text(errors="replace")
            _fail(f"{' '.join(words)} exited with {process.returncode}", said)
        self.seconds.setdefault(key, []).append(usage.ru_utime + usage.ru_stime)
        return said

    def bare(self) -> None:
        """An empty Python process."""
        self.time(BARE, [sys.executable, "-c", "pass"], self.home)

    def project(self, tool: Tool, stages: int, name: str) -> Path:
        """A new project of a tool, in which nothing was run."""
        folder = self.home / f"{tool.name}-{stages}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "source.txt").write_text("source\n")
        tool.write(folder, stages)
        return folder

    def first(self, tool: Tool, stages: int, name: str) -> Path:
        """A project that was run, its first run timed."""
        folder = self.project(tool, stages, name)
        if tool.done is not None and stages >= 1000:
            tool.done(folder, stages)
        else:
            self.time((tool.name, "first", stages), tool.run, folder, tool)
        if len(made(folder)) < stages:
            _fail(f"{tool.name} made {len(made(folder))} of {stages} files")
        return folder

    def again(self, tool: Tool, stages: int, folder: Path) -> None:
        """A second run, and one after a file was touched."""
        before = made(folder)
        words = tool.rerun or tool.run
        said = self.time((tool.name, "rerun", stages), words, folder, tool)
        if made(folder) != before or tool.says not in said:
            _fail(f"{tool.name} ran something again", said)
        (folder / "source.txt").touch()
        self.time((tool.name, "touched", stages), words, folder, tool)

    def plan(self, tool: Tool, stages: int, folder: Path) -> None:
        """A plan of what was never run."""
        if not tool.plan:
            return
        said = self.time((tool.name, "plan", stages), tool.plan, folder, tool)
        if tool.says and len(json.loads(said)["stages"]) != stages:
            _fail(f"{tool.name} planned another number of stages", said[:2000])
        if made(folder):
            _fail(f"{tool.name} made something of a plan")


def made(folder: Path) -> dict[str, int]:
    """When each output was written."""
    places = (folder / "out", folder / ".aidn" / "objects")
    return {
        str(path): path.stat().st_mtime_ns
        for place in places
        for path in place.rglob("*")
        if path.is_file()
    }


def _fail(problem: str, said: str = "") -> None:
    print(said[-3000:], problem, sep="\n", file=sys.stderr)
    raise SystemExit(2)


def measure(bench: Bench, found: list[Tool], sizes: list[int], rounds: int) -> None:
    """Every job of every tool at every size."""
    for stages in sizes:
        done = {tool.name: bench.first(tool, stages, "done") for tool in found}
        unbuilt = {tool.name: bench.project(tool, stages, "unbuilt") for tool in found}
        # What was just written is looked at once more; only then it is believed to be the same.
        time.sleep(BELIEVED_S)
        for tool in found:
            bench.time((tool.name, "second", stages), tool.rerun or tool.run, done[tool.name], tool)
        for number in range(rounds if stages < ONCE else min(rounds, 3)):
            bench.bare()
            for tool in found:
                if number and stages < ONCE:
                    bench.first(tool, stages, "first")
                bench.again(tool, stages, done[tool.name])
                bench.plan(tool, stages, unbuilt[tool.name])
        for folder in (*done.values(), *unbuilt.values()):
            shutil.rmtree(folder)


def over(medians: dict[Key, float]) -> list[str]:
    """The limits that are exceeded, in words."""
    problems = []
    for (name, job, stages), limits in LIMITS.items():
        for other, limit in limits.items():
            theirs = medians.get(BARE if other == "bare" else (other, job, stages))
            ours = medians.get((name, job, stages))
            if ours is not None and theirs is not None and ours > limit * theirs:
                problems.append(
                    f"{name}, {job} of {stages}: {ours / theirs:.3f}x {other}, limit {limit:.3f}x"
                )
    return problems


def main() -> int:
    """Measures and prints; the exit code says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--python", default=sys.executable, help="of the peers' environment")
    parser.add_argument("--sizes", default="5,100,1000", help="numbers of stages, times five")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    offered = list(tools(options.python))
    skipped = {tool[0]: tool[1] for tool in offered if isinstance(tool, tuple)}
    found = [tool for tool in offered if isinstance(tool, Tool)]
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.bare()
        measure(bench, found, sizes, options.rounds)
    medians = {k: statistics.median(v) for k, v in bench.seconds.items() if k[1] != "second"}
    problems = over(medians)
    show(medians, skipped, problems, as_json=options.json)
    return 1 if problems else 0


def show(
    medians: dict[Key, float], skipped: dict[str, str], problems: list[str], *, as_json: bool
) -> None:
    """Prints what was found."""
    bare = medians[BARE]
    rows = [
        {"tool": name, "job": job, "stages": stages, "cpu_s": round(s, 4), "ratio": s / bare}
        for (name, job, stages), s in sorted(medians.items(), key=lambda item: item[0][2:0:-1])
    ]
    if as_json:
        value = {"format": 1, "runs": rows, "skipped": skipped, "exceeded": problems}
        print(json.dumps(value))
    else:
        for row in rows:
            print(
                f"{row['stages']:5} {row['job']:8} {row['tool']:24} "
                f"{row['cpu_s'] * 1000:10.1f} ms {row['ratio']:9.2f}x"
            )
        for name, install in skipped.items():
            print(f"{name}: skipped, not installed: {install}")
    for problem in problems:
        print(f"above the limit: {problem}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
