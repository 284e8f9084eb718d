"""Flip single bits of everything a project keeps, and see that nothing wrong is ever served.

    python tests/crash/flip_series.py --flips 5000 --results flips.jsonl

Two benches: a store with results, unfinished work, metric points, a trash and a live process's
pins; and a project with a trained model, its bundle and its list of components. For each flip a
copy is planned, run again, resumed, read, checked and predicted from: what comes out must equal
what the sound copy gives, at once or after an error of ours that names the damage. Results are
appended to a file, so the series can be stopped and continued. Exit code 0 only if no flip was bad.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.flip_project import CACHE, ProjectBench
from support.flip_store import StoreBench, written
from support.flips import Bench, judged, places
from support.series import Rows

SHARE = 5
"""Of so many flips one is in the project, which takes longer."""


@contextmanager
def benches(names: Sequence[str]) -> Iterator[dict[str, Bench]]:
    """The benches, in a folder that goes afterwards."""
    os.environ["AIDN_TRUST"] = "1"
    os.environ.pop("AIDN_HOME", None)
    folder = Path(tempfile.mkdtemp(prefix="aidn-flips-"))
    cached = os.environ.get("XDG_CACHE_HOME")
    # In the project, so that it is copied and flipped with all else of it.
    os.environ["XDG_CACHE_HOME"] = str(folder / "project" / "project" / CACHE)
    try:
        found: dict[str, Bench] = {}
        if "store" in names:
            found["store"] = StoreBench(folder / "store")
        if "project" in names:
            found["project"] = ProjectBench(folder / "project")
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop("XDG_CACHE_HOME")
        if cached is not None:
            os.environ["XDG_CACHE_HOME"] = cached


def series(flips: int, results: Path | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """The whole series; as many of each bench as are in `results` already are passed over."""
    done = Rows(results)
    parts = {name: 1 if name == "project" and len(names) > 1 else SHARE - 1 for name in names}
    with benches(names) as found:
        for name, bench in found.items():
            wanted = flips * parts[name] // sum(parts.values())
            before = sum(row["bench"] == name for row in done)
            for place in islice(places(bench), before, wanted):
                verdict = judged(bench, place, writable(name))
                done.add({"bench": name, "good": verdict.good, **verdict.to_json()})
    return done


def writable(name: str) -> Callable[[Path], bool]:
    """Which files of a bench may be written to again."""
    return written if name == "store" else (lambda _: True)


def told(rows: Sequence[Mapping[str, Any]]) -> str:
    """The summary: verdicts by kind, then what was bad."""
    bad = [row for row in rows if not row["good"]]
    slowest = max((row["seconds"] for row in rows), default=0.0)
    text = [f"{len(rows)} flips, {len(bad)} bad, the slowest took {slowest:.1f} s of a processor"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row for row in rows if row["kind"] == kind]
        words = Counter(row["word"] if row["good"] else "BAD" for row in mine)
        counts = ", ".join(f"{word} {count}" for word, count in sorted(words.items()))
        text.append(f"  {kind}: {len(mine)}: {counts}")
    return "\n".join([*text, *map(json.dumps, bad)])


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=500)
    parser.add_argument("--only", action="append", choices=["store", "project"])
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    rows = series(options.flips, options.results, options.only or ["store", "project"])
    print(told(rows))
    raise SystemExit(not all(row["good"] for row in rows))


if __name__ == "__main__":
    main()
