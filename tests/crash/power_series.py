"""Cut the power at random moments, do the same again, and compare with an undisturbed doing.

    python tests/crash/power_series.py --fs ext4 --cuts 200 --results cuts.jsonl
    python tests/crash/power_series.py --fs ext4 --every-call 1 --results calls.jsonl

Needs root, Linux and `mkfs` of the file system: each cut is the shutdown ioctl on an image on a
loop device, which loses what was not flushed, as a power cut does; the acknowledgements lie on
another file system. A third of the cuts come up to 3 s after the last command's end. After each the
image is mounted again: what was acknowledged must be there and hash-right, and the same command
again must end equal to an undisturbed one. Results are appended to a file, so the series can be
stopped and continued. Exit code 0 only if every cut ended as if nothing had happened.

`--every-call N` cuts before every Nth mutating call of the store instead, in both ways: one loses
everything that was not flushed, the other file contents while names and sizes got through.

`--calibrate` does the same with a store that flushes nothing, which must lose things: it shows that
the series can fail. Its exit code is 0 only if something was lost.
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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.acknowledging import acknowledged, keep
from support.drive import LOSING_ALL, LOSING_DATA, CuttingDisk, Drive, FileSystem, missing
from support.power import (
    SCENARIOS,
    broken_promises,
    fingerprints,
    forked,
    left,
    prepare,
    state,
)
from support.series import Rows

from aidn_pipeline.store.disk import Disk

AFTER_S = 3.0
"""Longest time between the end of a command and a cut."""
ORDER = ("fresh", "upkeep", "fresh", "mending")
"""Scenarios of the cuts at random moments, in turn."""


@dataclass(frozen=True)
class Cut:
    """When, where and how.

    Attributes:
        share: moment as a share of the scenario's time, or of the time after its end.
        call: number of the mutating call that it comes before; 0 for a cut at a moment.
    """

    number: int
    scenario: str
    what: int
    share: float = 0.0
    call: int = 0
    after: bool = False


@dataclass(frozen=True)
class Undisturbed:
    """What a scenario comes to when nobody disturbs it."""

    state: dict[str, Any]
    keys: dict[str, str]
    seconds: float
    calls: int


class Series:
    """Cuts on one kind of file system."""

    def __init__(self, kind: FileSystem, *, durable: bool = True) -> None:
        self._kind: FileSystem = kind
        self._durable = durable
        self._known: dict[str, Undisturbed] = {}

    def cut(self, cut: Cut) -> dict[str, Any]:
        """One cut of one scenario, with what went wrong."""
        expected = self.undisturbed(cut.scenario)
        folder = Path(tempfile.mkdtemp(prefix="aidn-cut-"))
        lost: list[str] = []
        problems: list[str] = []
        try:
            with Drive(self._kind) as drive:
                home, project = drive.root / "home", folder / "project"
                self._prepare(drive, cut.scenario, home, project)
                ended = self._until_cut(drive, cut, project, expected.seconds)
                said = acknowledged(project)
                drive.power_on()
                try:
                    lost += broken_promises(home, project, expected.keys)
                    problems += self._again(cut.scenario, home, project, expected)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                    where = getattr(error, "where", "")
                    problems.append(f"a person is needed: {error!r} at {where}")
        finally:
            shutil.rmtree(folder)
        return {
            **asdict(cut),
            "ended": ended,
            "acknowledged": len(said),
            "last": said[-1]["what"] if said else "",
            "lost": lost,
            "problems": problems,
        }

    def _prepare(self, drive: Drive, scenario: str, home: Path, project: Path) -> None:
        prepare(scenario, home, project)
        drive.power_on()  # unmounted in between, so that the beginning is safe

    def undisturbed(self, scenario: str) -> Undisturbed:
        """The scenario's end, done once."""
        if scenario not in self._known:
            folder = Path(tempfile.mkdtemp(prefix="aidn-undisturbed-"))
            with Drive(self._kind) as drive:
                home, project = drive.root / "home", folder / "project"
                self._prepare(drive, scenario, home, project)
                disk = CuttingDisk(drive, durable=self._durable)
                began = time.monotonic()
                SCENARIOS[scenario](home, project, disk)
                seconds = time.monotonic() - began
                keys = fingerprints(project / "past") | fingerprints(project)
                found = state(home)
            shutil.rmtree(folder)
            self._known[scenario] = Undisturbed(found, keys, seconds, disk.calls)
        return self._known[scenario]

    def _until_cut(self, drive: Drive, cut: Cut, project: Path, seconds: float) -> bool:
        """Starts it and cuts; True if it had ended before."""
        disk = CuttingDisk(drive, cut.call, cut.what, durable=self._durable)
        child = forked(
            lambda: SCENARIOS[cut.scenario](drive.root / "home", project, disk), project / "errors"
        )
        if cut.after or cut.call:
            status = os.waitpid(child, 0)[1]
            if status not in (0, signal.SIGKILL) or (status and not cut.call):
                raise SystemExit((project / "errors").read_text())
            time.sleep(cut.share * AFTER_S)
            if status == 0:
                drive.cut(cut.what)
            return status == 0
        time.sleep(cut.share * seconds)
        said = len(acknowledged(project))
        drive.cut(cut.what)
        # Unlike a power cut the ioctl takes its time: a flush that waits meanwhile may be told that
        # its transaction is over, which it is, unwritten. What is said from here on is no promise.
        ended = os.waitpid(child, os.WNOHANG)
        if ended[0] == 0:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        keep(project, said)
        return ended == (child, 0)

    def _again(self, scenario: str, home: Path, project: Path, expected: Undisturbed) -> list[str]:
        disk = Disk(durable=False)
        errors = project / "again"
        if os.waitpid(forked(lambda: SCENARIOS[scenario](home, project, disk), errors), 0)[1]:
            return [f"the same again failed: {errors.read_text()[-1500:]}"]
        found = state(home)
        return [
            f"{key}: {found[key]} instead of {value}"[:600]
            for key, value in expected.state.items()
            if found[key] != value
        ] + [f"left over: {name}" for name in left(home)]


def at_random(cuts: int, seed: int) -> list[Cut]:
    """Cuts at random moments, a third of them after the end."""
    return [
        Cut(
            number=number,
            scenario=ORDER[number % len(ORDER)],
            what=LOSING_DATA if number % 5 == 4 else LOSING_ALL,
            share=random.Random(f"{seed}/{number}").random(),
            after=number % 3 == 2,
        )
        for number in range(cuts)
    ]


def at_every_call(one: Series, stride: int) -> list[Cut]:
    """A cut in both ways before every mutating call, or every `stride`th of them."""
    found = [
        (scenario, call, what)
        for scenario in SCENARIOS
        for what in (LOSING_ALL, LOSING_DATA)
        for call in range(1, one.undisturbed(scenario).calls + 1)
    ]
    return [
        Cut(number, scenario, what, call=call)
        for number, (scenario, call, what) in list(enumerate(found))[::stride]
    ]


def series(one: Series, cuts: Sequence[Cut], results: Path | None) -> list[dict[str, Any]]:
    """The cuts; those whose numbers are in `results` already are not done again."""
    done = Rows(results)
    known = done.known("number")
    for cut in cuts:
        if cut.number in known:
            continue
        done.add(one.cut(cut))
    return done


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--fs", choices=("ext4", "xfs"), default="ext4")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--every-call", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--calibrate", action="store_true")
    options = parser.parse_args()
    if why := missing(options.fs):
        raise SystemExit(why)
    one = Series(options.fs, durable=not options.calibrate)
    cuts = (
        at_every_call(one, options.every_call)
        if options.every_call
        else at_random(options.cuts, options.seed)
    )
    rows = series(one, cuts, options.results)
    bad = [row for row in rows if row["lost"] or row["problems"]]
    said, after = (sum(row[key] for row in rows) for key in ("acknowledged", "ended"))
    lost = sum(len(row["lost"]) for row in rows)
    print(
        f"{options.fs}: {len(rows)} cuts, {after} of them after the end; {said} acknowledgements, "
        f"{lost} lost; {len(bad)} cuts bad"
    )
    for row in bad:
        print(json.dumps(row))
    raise SystemExit(not bad if options.calibrate else bool(bad))


if __name__ == "__main__":
    main()
