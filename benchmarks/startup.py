"""CPU seconds of starting up, as multiples of an empty Python process.

    python benchmarks/startup.py [--rounds 15] [--json]

Each round runs every command once, one after the other, so that what else the machine does falls on
all of them alike. A command's figure is the median of its user and system CPU seconds over that of
`python -c pass`. Exits with 1 if a limit is exceeded, 2 if a command fails.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LIMITS = {"import": 5.0, "help": 8.0}
"""Allowed multiples of bare Python; commands without one are only measured."""


def commands() -> dict[str, list[str]]:
    """What is measured, by name; `bare` is what the others are divided by."""
    script = Path(sys.executable).with_name("aidn-run")
    program = str(script) if script.exists() else shutil.which("aidn-run")
    found = {
        "bare": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import aidn_pipeline"],
    }
    if program is None:
        print("aidn-run is not installed: only the import is measured", file=sys.stderr)
        return found
    return found | {
        "help": [program, "--help"],
        "list": [program, "list"],
        "plan": [program, "recipe=digits", "--plan"],
    }


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system seconds of one run of the command, its children included.

    Raises:
        SystemExit: with 2 if the command fails.
    """
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"AIDN_HOME": str(folder / "store"), "NO_COLOR": "1"},
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(output.read_text(errors="replace"), file=sys.stderr)
        print(f"{' '.join(command)} exited with {process.returncode}", file=sys.stderr)
        raise SystemExit(2)
    return usage.ru_utime + usage.ru_stime


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU seconds of each command, and their multiple of bare Python's."""
    named = commands()
    seconds: dict[str, list[float]] = {name: [] for name in named}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, command in named.items():
                spent = cpu_seconds(command, Path(folder))
                # The first round compiles byte code and fills caches.
                if number:
                    seconds[name].append(spent)
    bare = statistics.median(seconds["bare"])
    return {
        name: {
            "cpu_s": round(statistics.median(s), 4),
            "ratio": round(statistics.median(s) / bare, 2),
        }
        for name, s in seconds.items()
    }


def main() -> int:
    """Measures and prints; the exit code says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(
            json.dumps({"format": 1, "rounds": options.rounds, "commands": found}, sort_keys=True)
        )
    else:
        for name, figures in found.items():
            limit = f"   limit {LIMITS[name]:g}x" if name in LIMITS else ""
            print(f"{name:8} {figures['cpu_s'] * 1000:8.1f} ms {figures['ratio']:6.2f}x{limit}")
    over = [
        name for name, limit in LIMITS.items() if name in found and found[name]["ratio"] > limit
    ]
    if over:
        print(f"above the limit: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
