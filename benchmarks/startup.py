"""CPU seconds of commands with nothing to run, as multiples of an empty Python process.

    python benchmarks/startup.py [--rounds 15] [--sizes 5,1000,10000] [--json]

Projects of so many trivial stages are run beforehand. Each round then does every command once, one
after the other, so that what else the machine does falls on all of them alike. A command's figure
is the median of its user and system CPU seconds over that of `python -c pass`. Commands go through
the installed script and, as `entry`, without what such a script imports itself;
for `touched` a file of the project's code got another time and the same content. Exits with 1 if
a limit is exceeded, 2 if a command fails.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from many import write_project

LIMITS = {
    "import": 5.0,
    "entry, version": 1.2,
    "entry, help": 2.5,
    "up to date, 5": 1.9,
    "entry, up to date, 5": 1.25,
    "entry, up to date, 1000": 1.8,
    "entry, up to date, 10000": 5.5,
    "touched, 5": 3.0,
    "touched, 1000": 5.0,
}
"""Allowed multiples of bare Python; commands without one are only measured."""
MOST_MIB = {"up to date, 1000": 25.0, "up to date, 10000": 60.0}
"""Memory that the process may hold at its peak, in MiB."""
BELIEVED_S = 2.2
"""Seconds until a file is old enough to be remembered."""
ENTRY = [sys.executable, "-c", "import sys; from aidn_pipeline.entry import main; sys.exit(main())"]


def _nothing() -> None:
    """Nothing has to be done before a command."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is measured.

    Attributes:
        words: of the command.
        folder: it is run in.
        before: is done before, unmeasured.
        says: what it must print.
    """

    words: list[str]
    folder: Path
    before: Callable[[], None] = _nothing
    says: str = ""


def commands(home: Path, sizes: list[int]) -> dict[str, Command]:
    """What is measured, by name; `bare` is what the others are divided by."""
    program = Path(sys.executable).with_name("aidn-run")
    if not program.exists():
        raise SystemExit("aidn-run is not installed beside this Python")
    home.mkdir(exist_ok=True)
    found = {
        "bare": Command([sys.executable, "-c", "pass"], home),
        "import": Command([sys.executable, "-c", "import aidn_pipeline"], home),
        "version": Command([str(program), "--version"], home),
        "entry, version": Command([*ENTRY, "--version"], home),
        "help": Command([str(program), "--help"], home),
        "entry, help": Command([*ENTRY, "--help"], home),
        "list": Command([str(program), "list"], home),
        "plan": Command([str(program), "recipe=digits", "--plan"], home),
    }
    for size in sizes:
        folder = home / str(size)
        write_project(folder, size)
        words = ["recipe=many"]
        done = Command([str(program), *words], folder, says="up to date")
        found |= {
            f"up to date, {size}": done,
            f"entry, up to date, {size}": Command([*ENTRY, *words], folder, says="up to date"),
            f"touched, {size}": Command(
                done.words, folder, (folder / "touches" / "touch.py").touch, "up to date"
            ),
        }
        for pause in (0.0, BELIEVED_S):
            # The first run makes all; the second finds files that are old enough.
            time.sleep(pause)
            spent(Command(done.words, folder), home.parent)
    return found


def spent(command: Command, home: Path) -> tuple[float, float]:
    """CPU seconds of one run of the command, its children included, and its peak in MiB.

    Raises:
        SystemExit: with 2 if the command fails.
    """
    command.before()
    output = home / "output.txt"
    environment = os.environ | {
        "AIDN_TRUST": "1",
        "NO_COLOR": "1",
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    # As a user has it: what is imported again is not compiled again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with output.open("wb") as file:
        process = subprocess.Popen(
            command.words,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=command.folder,
            env=environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = output.read_text(errors="replace")
    if process.returncode or command.says not in said:
        print(said, file=sys.stderr)
        print(f"{' '.join(command.words)} exited with {process.returncode}", file=sys.stderr)
        raise SystemExit(2)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(rounds: int, sizes: list[int]) -> dict[str, dict[str, float]]:
    """Median CPU seconds of each command, their multiple of bare Python's, and peak memory."""
    folder = Path(tempfile.mkdtemp())
    try:
        named = commands(folder / "home", sizes)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in named}
        for number in range(rounds + 1):
            for name, command in named.items():
                figures = spent(command, folder)
                # The first round compiles byte code and fills caches.
                if number:
                    found[name].append(figures)
    finally:
        shutil.rmtree(folder)
    bare = statistics.median(seconds for seconds, _ in found["bare"])
    return {
        name: {
            "cpu_s": round(statistics.median(seconds for seconds, _ in figures), 4),
            "ratio": round(statistics.median(seconds for seconds, _ in figures) / bare, 2),
            "peak_mib": round(max(mib for _, mib in figures), 1),
        }
        for name, figures in found.items()
    }


def main() -> int:
    """Measures and prints; the exit code says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command")
    parser.add_argument("--sizes", default="5,1000,10000", help="stages of the projects")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = measure(options.rounds, [int(size) for size in options.sizes.split(",")])
    if options.json:
        print(
            json.dumps({"format": 1, "rounds": options.rounds, "commands": found}, sort_keys=True)
        )
    else:
        for name, figures in found.items():
            limit = f"   limit {LIMITS[name]:g}x" if name in LIMITS else ""
            print(
                f"{name:26} {figures['cpu_s'] * 1000:8.1f} ms {figures['ratio']:6.2f}x "
                f"{figures['peak_mib']:6.1f} MiB{limit}"
            )
    over = [n for n, limit in LIMITS.items() if n in found and found[n]["ratio"] > limit]
    over += [
        f"{n} (memory)" for n, m in MOST_MIB.items() if n in found and found[n]["peak_mib"] > m
    ]
    if over:
        print(f"above the limit: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
