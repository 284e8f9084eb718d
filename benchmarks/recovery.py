"""Seconds of opening a store whose index is missing, behind, or there, and of listing runs.

    python benchmarks/recovery.py [--records 100000] [--runs 10000] [--rounds 5] [--json]

Writes a journal of stage records and one of runs, then opens them. The floor is reading the same
bytes line by line and hashing each line, which no recovery can do without. Exits with 1 if a limit
is exceeded.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3

from aidn_pipeline.store.journal import encode
from aidn_pipeline.store.store import Store

LIMITS = {"open, no index": 1.0, "list 20 runs": 0.1}
"""Allowed CPU seconds, for 100,000 records and 10,000 runs."""
BEHIND = 1000
"""Lines that the index lacks."""


def stages(count: int) -> Iterator[dict[str, Any]]:
    """Records as trivial stages leave them, about 900 bytes each."""
    for number in range(count):
        name, family, digest = (
            f"b3:{blake3(b'%d %d' % (n, number)).hexdigest()}" for n in (1, 2, 3)
        )
        hashed = {"component": "stage/touch", "fields": {"use": "touch", "number": number}}
        rest = {
            "versions": {"stage/touch": 1},
            "seed": 0,
            "packages": {},
            "files": {},
            "inputs": {},
        }
        file = {"kind": "file", "digest": digest, "size": 5, "folder": False}
        host = {"host": "lab-3", "machine": "x86_64", "python": "3.12.1", "pid": 4711}
        observed = {
            "seconds": 0.001,
            "stage": f"touch[number={number}]",
            "attempt": 1,
            "points": [],
        }
        value = {
            "fingerprint": name,
            "family": family,
            "base": family,
            "component": "stage/touch",
            "hashed": {**hashed, **rest},
            "extends": {},
            "outputs": {"file": file},
            "observed": {**observed, **host, "started": 1.0, "run": "20260101-000000-abcdef"},
        }
        yield {"kind": "stage", "key": name, "value": value}


def runs(count: int) -> Iterator[dict[str, Any]]:
    """Finished runs of a few recipes."""
    for number in range(count):
        name = f"20260101-{number:06d}-abcdef"
        facts = {"asked": "digits", "overrides": [], "order": [], "config": {"stages": {}}}
        value = {
            "run": name,
            "recipe": f"recipe{number % 7}",
            "status": "done",
            "started": 1.0 + number,
            "stages": {},
            "facts": {**facts, "seconds": 1.0, "error": None},
        }
        yield {"kind": "run", "key": name, "value": value}


def make(root: Path, facts: Iterator[dict[str, Any]]) -> Path:
    """A store with these facts in its journal; gives the journal."""
    Store.open(root, durability="process").close()
    journal = root / "journal" / "000001.log"
    journal.parent.mkdir(exist_ok=True)
    with journal.open("wb") as file:
        for sequence, fact in enumerate(facts, 1):
            file.write(encode(sequence, fact))
    return journal


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def hash_lines(journal: Path) -> None:
    """The floor."""
    with journal.open("rb") as file:
        for line in file:
            blake3(line).hexdigest(8)


def opened(root: Path) -> None:
    """Opens the store; recovery is part of it."""
    Store.open(root, durability="process").close()


def cut(journal: Path, lines: int) -> bytes:
    """Takes the last lines off a journal; gives them."""
    data = journal.read_bytes()
    place = len(data)
    for _ in range(lines):
        place = data.rindex(b"\n", 0, place - 1) + 1
    journal.write_bytes(data[:place])
    return data[place:]


def measure(folder: Path, records: int, number_of_runs: int, rounds: int) -> dict[str, float]:
    """Median CPU seconds by what is done."""
    journal = make(folder / "stages", stages(records))
    make(folder / "runs", runs(number_of_runs))
    opened(folder / "runs")
    found: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        found.setdefault(name, []).append(spent(work))

    for _ in range(rounds):
        note("floor", lambda: hash_lines(journal))
        index = folder / "stages" / "index.sqlite"
        index.unlink(missing_ok=True)
        note("open, no index", lambda: opened(folder / "stages"))
        note("open", lambda: opened(folder / "stages"))
        index.unlink()
        tail = cut(journal, BEHIND)
        opened(folder / "stages")
        with journal.open("ab") as file:
            file.write(tail)
        note(f"open, {BEHIND} behind", lambda: opened(folder / "stages"))
        with Store.open(folder / "runs", durability="process") as store:
            note("list 20 runs", lambda: (store.records.runs(20), store.records.count_runs()))
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def main() -> int:
    """Measures and prints; the exit code says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=100_000, help="stage records")
    parser.add_argument("--runs", type=int, default=10_000, help="runs")
    parser.add_argument("--rounds", type=int, default=5, help="times that each thing is done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".recovery-") as folder:
        found = measure(Path(folder), options.records, options.runs, options.rounds)
    ratio = found["open, no index"] / found["floor"]
    if options.json:
        seconds = {name: round(s, 4) for name, s in found.items()}
        print(json.dumps({"format": 1, "cpu_s": seconds, "ratio": round(ratio, 2)}, sort_keys=True))
    else:
        for name, seconds in found.items():
            limit = f"   limit {LIMITS[name]:g} s" if name in LIMITS else ""
            print(f"{name:18} {seconds:8.4f} CPU s{limit}")
        print(f"{'no index / floor':18} {ratio:8.2f}x")
    over = [name for name, limit in LIMITS.items() if found[name] > limit]
    if over:
        print(f"above the limit: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
