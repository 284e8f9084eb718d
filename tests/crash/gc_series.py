"""Collect garbage again and again beside running pipelines, and see that nothing needed went.

    python tests/crash/gc_series.py --rounds 200 --results gc.jsonl

In each round three processes run overlapping pipelines in one store while a fourth collects, purges
and undoes as fast as it can; in every third round one of the pipelines and the collector are killed
at a random moment. Every run must end as done with the outputs of an undisturbed one, the last run
and all versions must be whole, and `check` must find nothing. Results are appended to a file, so
the series can be stopped and continued. Exit code 0 only if no round was bad.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.series import Rows
from support.toys import INDEX, whole

from aidn_pipeline.engine.run import RunResult, run_pipeline
from aidn_pipeline.store.check import check
from aidn_pipeline.store.facts import Contents, Facts, record_ids
from aidn_pipeline.store.gc import Collector, purge, undo
from aidn_pipeline.store.store import Store

RUNNERS = 3
RUNS = 6
"""Of each runner, one after the other."""
TEXTS = ("a", "b", "c")
STEPS = (2, 3, 4)
LIMIT_S = 120


def run_once(home: Path, text: str, steps: int) -> tuple[RunResult, dict[str, list[str]]]:
    """One pipeline; its outputs are read through the store before that is closed."""
    with Store.open(home, durability="process") as store:
        result = run_pipeline(whole(text, steps), store, INDEX, home.parent)
        if result.status != "done":
            raise AssertionError(f"{result.status}: {result.error!r}")
        for ended in result.stages.values():
            for artifact in ended.outputs.values():
                store.files(artifact)
        return result, digests(result)


def digests(result: RunResult) -> dict[str, list[str]]:
    """Ids of the outputs by stage; a version's number depends on who came first."""
    return {
        name: sorted(artifact.digest for artifact in ended.outputs.values())
        for name, ended in result.stages.items()
        if name != "gate"
    }


@cache
def undisturbed(text: str, steps: int) -> dict[str, list[str]]:
    """What a run gives when nobody disturbs it."""
    with tempfile.TemporaryDirectory(prefix="aidn-undisturbed-") as folder:
        return run_once(Path(folder) / "home", text, steps)[1]


def runner(home: Path, seed: int) -> None:
    """A process that runs a few pipelines."""
    dice = random.Random(seed)
    for _ in range(RUNS):
        text, steps = dice.choice(TEXTS), dice.choice(STEPS)
        _, found = run_once(home, text, steps)
        if found != undisturbed(text, steps):
            raise AssertionError(f"other outputs for {text} and {steps} steps: {found}")


def collector(home: Path, seed: int, tally: Path) -> None:
    """A process that collects until it is told to end; a line for each says what it moved."""
    dice = random.Random(seed)
    while not tally.with_suffix(".end").exists():
        with Store.open(home, durability="process") as store:
            moved = Collector(store, keep_runs=dice.choice((0, 0, 1, 2))).apply().objects
            if dice.random() < 0.4:
                dice.choice((purge, undo))(store)
        with tally.open("a") as file:
            file.write(f"{moved}\n")
        time.sleep(dice.uniform(0, 0.003))


def forked(work: Callable[[], None], errors: Path) -> int:
    """Starts a child; what it raises is written to a file."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            signal.alarm(LIMIT_S)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may get out of a forked child
            errors.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    return child


def one_round(number: int) -> dict[str, Any]:
    """One round in a store of its own."""
    dice = random.Random(number)
    folder = Path(tempfile.mkdtemp(prefix="aidn-gc-"))
    home, tally = folder / "home", folder / "tally"
    try:
        run_once(home, "a", 2)
        children = [
            forked(lambda n=n: runner(home, number * 100 + n), folder / f"runner-{n}")  # type: ignore[misc]
            for n in range(RUNNERS)
        ]
        gc = forked(lambda: collector(home, number, tally), folder / "collector")
        killed: set[int] = set()
        if number % 3 == 2:
            time.sleep(dice.uniform(0.02, 0.8))
            killed = {dice.choice(children), gc}
            for child in killed:
                os.kill(child, signal.SIGKILL)
        codes = {child: os.waitpid(child, 0)[1] for child in children}
        tally.with_suffix(".end").touch()
        codes[gc] = os.waitpid(gc, 0)[1]
        problems = [
            f"{name}: {path.read_text()[-1500:]}"
            for name in (*(f"runner-{n}" for n in range(RUNNERS)), "collector")
            if (path := folder / name).exists()
        ]
        problems += [f"status {s}" for c, s in codes.items() if s and c not in killed]
        problems += after(home, dice)
        moved = [int(line) for line in tally.read_text().split()] if tally.exists() else []
        return {
            "number": number,
            "killed": len(killed),
            "collections": len(moved),
            "moved": sum(moved),
            "problems": problems,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def after(home: Path, dice: random.Random) -> list[str]:
    """What is wrong when all is over."""
    with Store.open(home, durability="process") as store:
        problems = [f"check: {f.problem} at {f.path}" for f in check(store)]
        facts = Facts(store)
        last = next(r for r in reversed(facts.runs.values()) if r["status"] == "done")
        for name, fingerprint in last["stages"].items():
            problems += missing(store, facts, fingerprint, f"last run, {name}")
        for version in store.records.iterate("version"):
            maker = facts.makers()[version["digest"]]
            problems += missing(store, facts, maker, f"toy@{version['version']}")
    try:
        text, steps = dice.choice(TEXTS), dice.choice(STEPS)
        if run_once(home, text, steps)[1] != undisturbed(text, steps):
            problems.append("the run after it all gave something else")
    except AssertionError as error:
        problems.append(f"the run after it all: {error}")
    with Store.open(home, durability="process") as store:
        Collector(store, keep_runs=0).apply()
        purge(store)
        problems += [f"check at the end: {f.problem}" for f in check(store)]
        store.recover()
    left = [p.name for part in ("work", "trash", "quarantine") for p in (home / part).glob("*")]
    # Work that was killed is there to be resumed; anything else is litter.
    return problems + [f"left over: {name}" for name in left if not (home / "work" / name).exists()]


def missing(store: Store, facts: Facts, fingerprint: str, what: str) -> list[str]:
    """Files of a result that are not there."""
    contents, record = Contents(store), facts.stages[fingerprint]
    return [
        f"{what}: {port} is missing {part[:15]}"
        for port, digest, folder in record_ids(record)
        for part in (digest, *((contents.files(digest) or ()) if folder else ()))
        if not store.objects.path(part).exists()
    ]


def series(rounds: int, results: Path | None) -> list[dict[str, Any]]:
    """The whole series; numbers that are in `results` already are not done again."""
    for text in TEXTS:
        for steps in STEPS:
            undisturbed(text, steps)
    done = Rows(results)
    known = done.known("number")
    for number in range(rounds):
        if number in known:
            continue
        done.add(one_round(number))
    return done


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    rows = series(options.rounds, options.results)
    bad = [row for row in rows if row["problems"]]
    collections, moved = (sum(row[key] for row in rows) for key in ("collections", "moved"))
    print(f"{len(rows)} rounds, {collections} collections moved {moved} objects, {len(bad)} bad")
    for row in bad:
        print(json.dumps(row))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
