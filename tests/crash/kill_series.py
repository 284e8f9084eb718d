"""Kill whole recipes at random moments, run them again, and compare with undisturbed runs.

    python tests/crash/kill_series.py --kills 1000 --results kills.jsonl
    python tests/crash/kill_series.py --kills 20 --only digits
    python tests/crash/kill_series.py --calibrate

Each number of the series is one project: its recipe is killed at a random moment of its own
duration, every third one again during the resume, and then the same command is run to its end.
What is killed is the whole family of processes, the runner alone, or one of its workers (with
`run.executor=processes`). Afterwards nothing acknowledged may be lost or done again, every byte
must equal an undisturbed run's, nothing may need a person, no run may be listed as running, and
no file or process may be left over. Results are appended to a file, so that the series can be
stopped and continued; it goes on until so many kills have hit a running process. `--calibrate`
plants faults and sees that the same checks find each of them. Exit code 0 only if all is well.
"""

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.killing import Run, Target, adopt_orphans, orphans
from support.series import Rows
from support.yard import Scenario, Yard

from aidn_pipeline.engine.outcome import run_status
from aidn_pipeline.store.check import check
from aidn_pipeline.store.group import MOST
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.records import Records
from aidn_pipeline.store.scratch import Scratch
from aidn_pipeline.store.store import Store

DONE = re.compile(r"^(\S+): done in ", re.MULTILINE)
RUN = re.compile(r"^run (\S+): ", re.MULTILINE)
KEPT = re.compile(r"^(.*): (step|kept) (\d+)$")
TARGETS: tuple[Target, ...] = ("group", "runner", "worker")
PROCESSES = "run.executor=processes"
PLANTED = 60
"""Kills that a planted fault is looked for in; brief stages leave little time to hit it."""


TWO_TRIALS = ("stages.tune.num_trials=2", "trainer.epochs=2", "~stages.register.gate")
SCENARIOS = (
    Scenario("mill", ("recipe=mill",), 12),
    Scenario("small", ("recipe=small", "run.durability=process"), 24),
    Scenario("digits", ("recipe=digits", *TWO_TRIALS), 3),
    Scenario("images", ("recipe=digits", "pipeline=image", *TWO_TRIALS), 1),
    Scenario(
        "folds",
        ("recipe=wine_kfold", "stages.split.folds=2", "trainer.epochs=3", "~stages.register.gate"),
        1,
    ),
    Scenario(
        "fresh", ("recipe=digits_train", "trainer.epochs=3", "~stages.register.gate"), 1, True
    ),
    Scenario("workers", ("recipe=small", "run.durability=process", PROCESSES), 12, workers=True),
)


class Trial:
    """One number of the series."""

    def __init__(
        self,
        yard: Yard,
        number: int,
        target: Target,
        plant: Callable[[], None] | None = None,
        span: tuple[float, float] = (0.02, 0.99),
    ) -> None:
        self.yard = yard
        self.number = number
        self.target: Target = target
        self.plant = plant
        self.span = span
        self.dice = random.Random(number)
        # The other numbers look at the store from here, as the verbs `list` and `check` do.
        self.thorough = number % 5 == 0 or plant is not None
        self.acknowledged: list[str] = []
        self.moments: list[float] = []
        self.hits: list[bool] = []
        self.problems: list[str] = []

    def row(self) -> dict[str, Any]:
        """Does it all; what is written down of it."""
        self.yard.empty(cache=self.number % 8 == 7)
        spans = [self.span, *([(0.02, 0.7)] if self.number % 3 == 2 else [])]
        for least, most in spans:
            self._kill(self.dice.uniform(least, most) * self.yard.seconds)
        took = self._finish()
        return {
            "number": self.number,
            "scenario": self.yard.scenario.name,
            "target": self.target,
            "moments_s": [round(m, 3) for m in self.moments],
            "hits": self.hits,
            "acknowledged": len(self.acknowledged),
            "seconds": round(took, 2),
            "problems": self.problems,
        }

    def _run(self, arguments: Sequence[str], log: str, *, fresh: bool | None = None) -> Run:
        fresh = self.yard.scenario.fresh if fresh is None else fresh
        return Run(arguments, self.yard.project, fresh=fresh, plant=self.plant, log=log)

    def _kill(self, moment: float) -> None:
        run = self._run(self.yard.scenario.arguments, "killed")
        hit = run.sleep_until(moment) and run.kill(self.target, self.dice)
        ended = run.wait()
        self.moments.append(moment)
        self.hits.append(hit)
        self.problems += [f"still alive: {orphan}" for orphan in orphans()]
        if hit and self.target == "worker" and ended.code not in (0, 3):
            self.problems.append(f"a killed worker gave exit code {ended.code}: {ended.err[-500:]}")
        self._acknowledge(DONE.findall(ended.out))
        # Between the last line of a run and the end of its process it is done.
        allowed = ("interrupted", "done") if hit and ended.code < 0 else ()
        self._list(RUN.findall(ended.out), allowed)

    def _acknowledge(self, names: Sequence[str]) -> None:
        if not names:
            return
        kept = {
            value["observed"].get("stage")
            for kind, _, value in self.yard.lines()
            if kind == "stage"
        }
        self.problems += [f"lost: {name} was done and has no record" for name in {*names} - kept]
        self.acknowledged += names

    def _list(self, runs: Sequence[str], allowed: Sequence[str] = ()) -> None:
        """Nobody is said to run, and each run that was announced ended in one of these ways."""
        if self.thorough:
            listed = self._run(["list", "runs"], "list", fresh=False).wait()
            rows = [line.split() for line in listed.out.splitlines()[1:]]
            found = {row[0]: row[2] for row in rows if len(row) > 2}
            self.problems += [f"list runs: {listed.err[-500:]}"] if listed.code else []
        else:
            with Store.open(self.yard.project / ".aidn") as store:
                found = {r["run"]: run_status(store, r) for r in store.records.iterate("run")}
        self.problems += [f"stale: {run} is running" for run in found if found[run] == "running"]
        if allowed and not all(found.get(run) in allowed for run in runs):
            self.problems.append(f"{runs} should be {allowed}: {found}")

    def _check(self) -> None:
        if self.thorough:
            checked = self._run(["check", "--json"], "checked", fresh=False).wait()
            found = [checked.out[:1500] + checked.err[-500:]] if checked.code else []
        else:
            with Store.open(self.yard.project / ".aidn") as store:
                found = [f"{finding.problem} at {finding.path}" for finding in check(store)]
        self.problems += [f"check: {problem}" for problem in found]

    def _finish(self) -> float:
        ended = self._run([*self.yard.scenario.arguments, "--json"], "resumed").wait()
        try:
            answer: dict[str, Any] = json.loads(ended.out)
        except ValueError:
            answer = {}
        if ended.code:
            self.problems.append(f"exit code {ended.code}: {ended.err[-1500:]}")
        found, expected = self.yard.outcome(answer), self.yard.expected
        self.problems += [
            f"{key}: {found[key]} instead of {expected[key]}"[:1000]
            for key in expected
            if found[key] != expected[key]
        ]
        stages = answer.get("stages", {})
        self.problems += [
            f"lost: {name} was done, then {stages[name]['action']} again"
            for name in self.acknowledged
            if name in stages and stages[name]["action"] != "reuse"
        ]
        self.problems += self._twice()
        self.problems += [f"still alive: {orphan}" for orphan in orphans()]
        self._list([answer.get("run", "")], ["done"])
        self._check()
        return ended.seconds

    def _twice(self) -> Iterator[str]:
        """A step that was kept and then done again; more done twice than was interrupted."""
        lines = self.yard.ran()
        kept: set[tuple[str, str]] = set()
        for line in lines:
            if found := KEPT.match(line):
                work, verb, step = found.groups()
                if verb == "step" and (work, step) in kept:
                    yield f"lost: {line} had been kept"
                if verb == "kept":
                    kept.add((work, step))
        again = Counter(line for line in lines if ": kept " not in line)
        twice = sum(count - 1 for count in again.values())
        # Beside what was at work, what had gathered for the next flush: nobody was told of it.
        if twice > sum(self.hits) * (1 + MOST) and not self.yard.scenario.workers:
            yield f"{twice} pieces of work were done twice in {self.hits} kills"


@contextmanager
def yards(names: Sequence[str]) -> Iterator[dict[str, Yard]]:
    """Prepared projects of the scenarios that work here, by name."""
    os.environ["AIDN_TRUST"] = "1"
    os.environ.pop("AIDN_HOME", None)
    adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="aidn-kill-"))
    try:
        found = {}
        for scenario in SCENARIOS:
            if scenario.name in names:
                yard = Yard(scenario, folder)
                yard.prepare()
                found[scenario.name] = yard
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def series(
    names: Sequence[str], kills: int, results: Path | None, *, first: int = 0
) -> list[dict[str, Any]]:
    """The whole series; numbers that are in `results` already are not done again."""
    done = Rows(results)
    number = max((row["number"] for row in done), default=first - 1)
    with yards(names) as found:
        deck = [yard for yard in found.values() for _ in range(yard.scenario.share)]
        while sum(any(row["hits"]) for row in done) < kills:
            number += 1
            yard = deck[number * 7919 % len(deck)]
            targets = TARGETS if yard.scenario.workers else TARGETS[:2]
            done.add(Trial(yard, number, random.Random(number + 1).choice(targets)).row())
    return done


def forget_until_the_end() -> None:
    """A store that says done and writes later."""
    add, pending = Records.add, list[tuple[str, str, dict[str, Any]]]()

    def later(self: Records, kind: str, key: str, value: dict[str, Any]) -> None:
        if kind == "stage":
            pending.append((kind, key, value))
            return
        if value.get("status") == "done":
            for line in pending:
                add(self, *line)
        add(self, kind, key, value)

    setattr(Records, "add", later)  # noqa: B010 - a planted fault


def never_free() -> None:
    """Locks that outlive their owners."""
    setattr(Locks, "held", lambda self, name: True)  # noqa: B010 - a planted fault


def never_sweep() -> None:
    """A store that leaves what the dead left."""
    setattr(Scratch, "sweep", lambda self: None)  # noqa: B010 - a planted fault


def leave_a_child() -> None:
    """A runner whose child outlives it."""
    if os.fork() == 0:
        os.execlp("sleep", "sleep", "60")


FAULTS: dict[str, tuple[Callable[[], None] | None, str, str]] = {
    "a stage that writes in place": (None, "sloppy", "outputs: "),
    "records that are written later": (forget_until_the_end, "small", "lost: "),
    "locks that nobody frees": (never_free, "small", "stale: "),
    "temporary files that nobody sweeps": (never_sweep, "mill", "left: "),
    "a child that outlives its runner": (leave_a_child, "small", "still alive: "),
}
"""By what is planted: how, the recipe, and how the problem begins that must be found."""


def calibrate(kills: int) -> dict[str, int]:
    """The kill, from 1, that each planted fault was found by; 0 if so many did not find it."""
    found = dict.fromkeys(FAULTS, 0)
    with yards(["mill", "small"]) as sound:
        for name, (plant, recipe, beginning) in FAULTS.items():
            if recipe not in sound:
                folder = sound["mill"].project.parents[1]
                sound[recipe] = Yard(Scenario(recipe, (f"recipe={recipe}",), 1), folder)
                sound[recipe].prepare()
            for number in range(kills):
                # In the part of the run in which stages are at work.
                row = Trial(sound[recipe], number, "group", plant, span=(0.4, 0.95)).row()
                if any(problem.startswith(beginning) for problem in row["problems"]):
                    found[name] = number + 1
                    break
    return found


def told(rows: Sequence[Mapping[str, Any]]) -> str:
    """The summary of a series."""
    hits = sum(sum(row["hits"]) for row in rows)
    first = sum(any(row["hits"]) for row in rows)
    second = sum(len(row["hits"]) > 1 and all(row["hits"]) for row in rows)
    bad = sum(bool(row["problems"]) for row in rows)
    by = Counter((row["scenario"], row["target"]) for row in rows if any(row["hits"]))
    acknowledged = sum(row["acknowledged"] for row in rows)
    text = f"{len(rows)} numbers: {first} with a kill that hit a running process, {second} of them"
    text += f" with a second one; {hits} kills; {acknowledged} stages acknowledged; {bad} bad"
    lines = [text]
    lines += [f"  {name}, {target}: {count}" for (name, target), count in sorted(by.items())]
    lines += [json.dumps(row) for row in rows if row["problems"]]
    return "\n".join(lines)


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    usual = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--only", action="append", choices=[s.name for s in SCENARIOS])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--first", type=int, default=0, help="number of the first, for two series")
    parser.add_argument("--calibrate", action="store_true")
    options = parser.parse_args()
    if options.calibrate:
        found = calibrate(PLANTED)
        for name, count in found.items():
            ended = f"found by kill {count}" if count else f"NOT FOUND in {PLANTED} kills"
            print(f"{name}: {ended}")
        raise SystemExit(not all(found.values()))
    rows = series(options.only or usual, options.kills, options.results, first=options.first)
    print(told(rows))
    raise SystemExit(any(row["problems"] for row in rows))


if __name__ == "__main__":
    main()
