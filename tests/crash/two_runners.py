"""Two runners of one recipe at once: no work is done twice, and who waits says for whom.

    python tests/crash/two_runners.py --rounds 200 --results runners.jsonl

Half of the rounds start both together. In the others the first is frozen (SIGSTOP) in the middle of
a stage and the second started: it must name the holder within a second, and wait, or be refused
with `run.wait=false`. Then the first wakes, or is killed while it is frozen and the second takes
over from its last checkpoint. Afterwards both must have what an undisturbed run has, every piece of
work must have been done and committed once, and nothing may be left. Results are appended to a
file, so the series can be stopped and continued. Exit code 0 only if no round was bad.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.killing import Run, adopt_orphans, orphans
from support.series import Rows
from support.yard import Scenario, Yard

RECIPE = ("recipe=small", "run.durability=process")
SLOW = ("stages.count.pause=0.05",)
"""So that the first can be frozen in the middle of it."""
NO_WAIT = "run.wait=false"
WAITS = re.compile(r"^(\S+): waits for process (\d+) ", re.MULTILINE)
PROMPT_S = 1.0
KINDS = ("together", "wakes", "together", "killed", "together", "refused")
LIMIT_S = 600.0


class Round:
    """One round in an emptied project."""

    def __init__(self, yard: Yard, number: int, kind: str) -> None:
        self.yard = yard
        self.number = number
        self.kind = kind
        self.problems: list[str] = []
        self.waited = 0
        self.told_s: float | None = None
        self.since_start_s: float | None = None

    def row(self) -> dict[str, Any]:
        """Does it; what is written down of it."""
        self.yard.empty()
        play: dict[str, Callable[[], None]] = {
            "together": self._together,
            "wakes": self._wakes,
            "killed": self._killed,
            "refused": self._refused,
        }
        play[self.kind]()
        self.problems += [f"still alive: {orphan}" for orphan in orphans()]
        return {
            "number": self.number,
            "kind": self.kind,
            "waited": self.waited,
            "told_s": self.told_s,
            "since_start_s": self.since_start_s,
            "problems": self.problems,
        }

    def _run(self, log: str, *more: str) -> Run:
        return Run([*RECIPE, *more], self.yard.project, log=log)

    def _together(self) -> None:
        # Lines of progress come on stderr beside the object.
        runs = [self._run(log, "--json") for log in ("first", "second")]
        for run in runs:
            self._ended_well(run)
        self.waited = sum(len(WAITS.findall(run.err.read_text())) for run in runs)
        self._as_if_alone()

    def _ended_well(self, run: Run) -> None:
        ended = run.wait(LIMIT_S)
        if ended.code:
            self.problems.append(f"exit code {ended.code}: {ended.err[-1500:]}")
            return
        outputs = {n: s["outputs"] for n, s in json.loads(ended.out)["stages"].items()}
        if outputs != self.yard.expected["outputs"]:
            self.problems.append(f"other outputs: {outputs}"[:1000])

    def _as_if_alone(self, *, again: int = 0) -> None:
        """Everything was done and committed once; `again` steps may have been begun twice."""
        twice = Counter(self.yard.ran()) - self.yard.expected_ran
        kept = [line for line in twice if ": kept " in line]
        if twice.total() > again or kept or self.yard.expected_ran - Counter(self.yard.ran()):
            self.problems.append(f"not done once: {twice}")
        commits = Counter(key for kind, key, _ in self.yard.lines() if kind == "stage")
        if set(commits.values()) != {1}:
            self.problems.append(f"committed again: {commits}")
        found = self.yard.outcome({**self.yard.expected, "stages": {}})
        self.problems += [
            f"{key}: {found[key]} instead of {self.yard.expected[key]}"[:600]
            for key in ("bundle", "versions", "left")
            if found[key] != self.yard.expected[key]
        ]

    def _frozen(self) -> Run:
        """The first runner, stopped in the middle of the stage `count`."""
        first = self._run("first", *SLOW, "--json")
        while not any(": kept 1" in line and "count 5 " in line for line in self.yard.ran()):
            if first.poll() is not None:
                raise AssertionError(f"ended early: {first.err.read_text()}")
            time.sleep(0.002)
        os.kill(first.pid, signal.SIGSTOP)
        return first

    def _told(self, run: Run, first: Run, text: Callable[[], str]) -> None:
        """Waits until the second runner names the holder; notes how long that took."""
        until, begun = time.monotonic() + LIMIT_S, None
        while not (found := WAITS.findall(text())):
            if begun is None and "count: " in text():
                begun = time.monotonic()
            if run.poll() is not None or time.monotonic() > until:
                self.problems.append(f"nobody was named: {text()}")
                return
            time.sleep(0.005)
        self.waited = len(found)
        now = time.monotonic()
        self.told_s, self.since_start_s = (
            round(now - (begun or now), 3),
            round(now - run.started, 3),
        )
        if found != [("count", str(first.pid))]:
            self.problems.append(f"{found} instead of process {first.pid}")
        if self.told_s > PROMPT_S:
            self.problems.append(f"the holder was named after {self.told_s} s")

    def _wakes(self) -> None:
        first = self._frozen()
        second = self._run("second", *SLOW, "--json")
        self._told(second, first, second.err.read_text)
        time.sleep(0.1)
        os.kill(first.pid, signal.SIGCONT)
        for run in (first, second):
            self._ended_well(run)
        self._as_if_alone()

    def _killed(self) -> None:
        first = self._frozen()
        second = self._run("second", *SLOW, "--json")
        self._told(second, first, second.err.read_text)
        first.kill("runner")
        self._ended_well(second)
        # The next run sweeps what the dead one had in its hands.
        self._ended_well(self._run("third", *SLOW, "--json"))
        self._as_if_alone(again=1)

    def _refused(self) -> None:
        first = self._frozen()
        second = self._run("second", *SLOW, NO_WAIT)
        ended = second.wait(LIMIT_S)
        self.since_start_s = round(ended.seconds, 3)
        if ended.code == 0 or str(first.pid) not in ended.err:
            self.problems.append(f"not refused by name ({ended.code}): {ended.err[-800:]}")
        os.kill(first.pid, signal.SIGCONT)
        self._ended_well(first)
        self._as_if_alone()


@contextmanager
def prepared() -> Iterator[Yard]:
    """The project with its expectations."""
    os.environ["AIDN_TRUST"] = "1"
    os.environ.pop("AIDN_HOME", None)
    adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="aidn-two-"))
    try:
        yard = Yard(Scenario("small", RECIPE, 1), folder)
        yard.prepare()
        yield yard
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def can_refuse(yard: Yard) -> bool:
    """Whether `run.wait` is known here."""
    return Run([*RECIPE, NO_WAIT, "--plan"], yard.project).wait().code == 0


def series(rounds: int, results: Path | None, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """The whole series; numbers that are in `results` already are not done again."""
    done = Rows(results)
    known = done.known("number")
    with prepared() as yard:
        if not can_refuse(yard):
            print(f"no rounds of `{NO_WAIT}`: it is not known here")
            kinds = [kind for kind in kinds if kind != "refused"]
        for number in range(rounds):
            if number not in known:
                done.add(Round(yard, number, kinds[number % len(kinds)]).row())
    return done


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--only", action="append", choices=sorted(set(KINDS)))
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    rows = series(options.rounds, options.results, options.only or KINDS)
    bad = [row for row in rows if row["problems"]]
    print(f"{len(rows)} rounds, {len(bad)} bad")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row for row in rows if row["kind"] == kind]
        waited = sum(bool(row["waited"]) for row in mine)
        text = f"  {kind}: {len(mine)}; one waited in {waited}"
        if since := sorted(row["since_start_s"] for row in mine if row["since_start_s"]):
            told = max(row["told_s"] or 0.0 for row in mine)
            text += f"; named {told:.2f} s after it came to the stage at most, and after its start "
            text += f"{since[len(since) // 2]:.2f} s (median), {since[-1]:.2f} s at most"
        print(text)
    for row in bad:
        print(json.dumps(row))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
