"""A crowd of processes on one store: overlapping recipes, collections, checks, and random kills.

    python tests/crash/crowd.py --seconds 300 --processes 8

For some time so many processes are kept alive on one project; each is a run of one of several
recipes that share stages, a collection (`gc --apply`, `--purge`, `--undo`) or a `check`. Random
ones are killed with SIGKILL. Every process that was not killed must end well: a run with the
outputs of an undisturbed one, a check without a finding. At the end `check` is clean, the index
says what the journal says, every recipe gives what it gives undisturbed, no work was committed
twice unless a collection came between, and nothing is left over. Exit code 0 only if all is well.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.killing import Ended, Run, adopt_orphans, orphans
from support.yard import Scenario, Yard

from aidn_pipeline.store.check import check
from aidn_pipeline.store.store import Store

PROCESS = "run.durability=process"
RECIPES: tuple[tuple[str, ...], ...] = (
    ("recipe=small", PROCESS),
    ("recipe=small", "seed=4", PROCESS),
    ("recipe=small", "stages.count.by=6", PROCESS),
    ("recipe=small", "stages.count.steps=7"),
    ("recipe=small", "stages.search.values=[1,3]", PROCESS),
    ("recipe=mill", PROCESS),
    ("recipe=mill", "stages.count.matrix.by=[5,7,9]", PROCESS),
)
UPKEEP: tuple[tuple[str, ...], ...] = (
    ("check", "--json"),
    ("check", "--json"),
    ("gc", "--apply", "--keep-runs", "0", "--json"),
    ("gc", "--apply", "--keep-runs", "2", "--json"),
    ("gc", "--purge", "--json"),
    ("gc", "--undo", "--json"),
)
NUMBERED = ("register", "pack")
"""Stages whose outputs hold a version's number, which depends on who came first."""
UPKEEP_SHARE = 0.2


@dataclass(slots=True)
class Member:
    """One process of the crowd."""

    arguments: tuple[str, ...]
    run: Run
    killed: bool = False


@dataclass(slots=True)
class Tally:
    """What happened."""

    ended: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    problems: list[str] = field(default_factory=list)


class Crowd:
    """The crowd; used once."""

    def __init__(self, yard: Yard, processes: int, seed: int) -> None:
        self.yard = yard
        self.dice = random.Random(seed)
        self.members: list[Member | None] = [None] * processes
        self.expected = {words: self._undisturbed(words) for words in RECIPES}
        self.tally = Tally()
        self.yard.empty()

    def _undisturbed(self, words: Sequence[str]) -> dict[str, Any]:
        self.yard.empty()
        ended = Run([*words, "--json"], self.yard.project).wait()
        if ended.code:
            raise SystemExit(f"the undisturbed {words} failed: {ended.err}")
        return outputs_of(ended)

    def crowd(self, seconds: float) -> None:
        """Keeps the processes going, and kills some."""
        until = time.monotonic() + seconds
        kill_at = time.monotonic() + self.dice.uniform(0.5, 2)
        while time.monotonic() < until:
            for place, member in enumerate(self.members):
                if member is None or self._over(member):
                    self.members[place] = self._start(place)
            if time.monotonic() > kill_at:
                kill_at = time.monotonic() + self.dice.uniform(0.2, 1.5)
                self._kill_one()
            time.sleep(0.01)
        for member in self.members:
            if member is not None:
                member.run.wait()
                self._over(member)
        self.tally.problems += [f"still alive: {orphan}" for orphan in orphans()]

    def _start(self, place: int) -> Member:
        upkeep = self.dice.random() < UPKEEP_SHARE
        words = self.dice.choice(UPKEEP if upkeep else RECIPES)
        arguments = words if upkeep else (*words, "--json")
        return Member(words, Run(arguments, self.yard.project, log=f"member{place}"))

    def _kill_one(self) -> None:
        alive = [m for m in self.members if m is not None and m.run.poll() is None]
        if alive:
            victim = self.dice.choice(alive)
            victim.killed = victim.run.kill("group")
            self.tally.killed += 1

    def _over(self, member: Member) -> bool:
        if member.run.poll() is None:
            return False
        ended, name = member.run.wait(), " ".join(member.arguments[:2])
        if member.killed and ended.code == -signal.SIGKILL:
            return True
        self.tally.ended[name] += 1
        if ended.code:
            self.tally.problems.append(
                f"{name}: {ended.code}: {ended.out[-800:]}{ended.err[-1500:]}"
            )
        elif member.arguments in self.expected and not self._equal(member.arguments, ended):
            self.tally.problems.append(f"{' '.join(member.arguments)}: other outputs")
        return True

    def _equal(self, words: tuple[str, ...], ended: Ended) -> bool:
        return outputs_of(ended) == self.expected[words]

    def afterwards(self) -> None:
        """What must hold when all is over."""
        problems = self.tally.problems
        with Store.open(self.yard.project / ".aidn") as store:
            problems += [f"check: {f.problem} at {f.path}" for f in check(store)]
        problems += self._index()
        problems += self._twice()
        for words in RECIPES:
            ended = Run([*words, "--json"], self.yard.project).wait()
            if ended.code or not self._equal(words, ended):
                problems.append(f"afterwards, {' '.join(words)}: {ended.code} {ended.err[-800:]}")
        with Store.open(self.yard.project / ".aidn") as store:
            problems += [f"check at the end: {f.problem} at {f.path}" for f in check(store)]
        problems += [f"left: {name}" for name in self.yard.left_over() if name != ".aidn/trash"]

    def _index(self) -> Iterator[str]:
        """Whether the index, made anew from the journal, has the rows that it has."""
        with Store.open(self.yard.project / ".aidn") as store:
            found = self._rows()
            store.records.rebuild()
        if found != (anew := self._rows()):
            counts, again = (list(map(len, rows)) for rows in (found, anew))
            yield f"the tables of the index have {counts} rows, made anew {again}"

    def _rows(self) -> list[Any]:
        with closing(sqlite3.connect(self.yard.project / ".aidn" / "index.sqlite")) as db:
            return [
                sorted(db.execute(f"SELECT * FROM {name}"), key=repr)
                for name in ("stage", "fact", "covered")
            ]

    def _twice(self) -> Iterator[str]:
        """Work that was committed again although no collection had taken its outputs."""
        there: set[str] = set()
        for kind, key, value in self.yard.lines():
            if kind == "gc" and value["verb"] == "remove":
                there -= set(value["stages"])
            if kind == "stage":
                if key in there:
                    yield f"committed twice: {value['observed'].get('stage')} {key[:15]}"
                there.add(key)


def outputs_of(ended: Ended) -> dict[str, Any]:
    """Ids by stage of what does not depend on who came first."""
    stages = json.loads(ended.out)["stages"]
    return {name: stage["outputs"] for name, stage in stages.items() if name not in NUMBERED}


def crowded(seconds: float, processes: int, seed: int) -> Tally:
    """Does it all."""
    os.environ["AIDN_TRUST"] = "1"
    os.environ.pop("AIDN_HOME", None)
    adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="aidn-crowd-"))
    try:
        yard = Yard(Scenario("mill", ("recipe=mill", PROCESS), 1), folder)
        yard.prepare()
        crowd = Crowd(yard, processes, seed)
        crowd.crowd(seconds)
        crowd.afterwards()
        return crowd.tally
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = crowded(options.seconds, options.processes, options.seed)
    print(f"{tally.ended.total()} ended by themselves, {tally.killed} killed")
    for name, count in sorted(tally.ended.items()):
        print(f"  {name}: {count}")
    print(f"{len(tally.problems)} problems")
    for problem in tally.problems:
        print(problem)
    raise SystemExit(bool(tally.problems))


if __name__ == "__main__":
    main()
