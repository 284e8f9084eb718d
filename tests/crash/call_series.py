"""Hit every mutating file call of a scenario, over all its processes, and do the same again.

    python tests/crash/call_series.py --scenario wide --executor processes --results calls.jsonl
    python tests/crash/call_series.py --scenario new --fault enospc --sticky

The calls are those of the C library, counted over the runner and all its children together, also
where they go past the store's own seam: SQLite, copies, project files. A kill ends everybody at
once (`kill one`: whoever made the call, without which cells that may fail go on); `torn` writes
half before that. `enospc`, `edquot`, `efbig` and `eio` fail the call, with `--sticky` all later
ones too: the error must be typed and name a path. After each, what was acknowledged must be there,
and the same again must end equal to an undisturbed doing. Results are appended to a file, so the
series can be stopped and continued. Exit code 0 only if every point passed.
"""

import argparse
import ctypes
import errno
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import faultfs
from support.calls import EXECUTOR, SCENARIOS
from support.faultfs import Fault, Faults
from support.series import Rows

from aidn_pipeline.errors import AidnError, StorageFull, StorageUnwritable
from aidn_pipeline.testing.faults import CRASHED

LIMIT_S = 120
OUTLIVING_S = 20
"""Seconds in which a loaded machine ends the processes of a dead runner."""
FULL = ("enospc", "edquot", "efbig")
WORDS = {
    "enospc": ["no space left"],
    "edquot": ["quota"],
    "efbig": ["size limit"],
    "eio": ["failed before"],
}
"""What an error says of its cause, beside what the system calls it."""


@dataclass(frozen=True)
class Point:
    """One call that is hit."""

    scenario: str
    fault: Fault
    at: int
    sticky: bool = False

    @property
    def key(self) -> str:
        return f"{self.scenario}/{self.fault}/{self.at}{'+' if self.sticky else ''}"


class Series:
    """Points in scenarios, each in a folder of its own."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._calls: dict[str, list[str]] = {}
        self._expected: dict[str, dict[str, Any]] = {}
        self._learned: dict[str, Any] = {}

    def calls(self, name: str) -> list[str]:
        """The calls of an undisturbed doing; what it comes to is kept."""
        if name not in self._calls:
            scenario = SCENARIOS[name]
            with _folder() as folder:
                scenario.prepare(folder)
                with self._faults.armed(folder / "drive"):
                    status, told = self._child(scenario.act, folder)
                if status:
                    raise SystemExit(f"{name} fails undisturbed: {told}")
                self._calls[name] = self._faults.calls()
                self._learned[name] = scenario.learn(folder)
                self._expected[name] = scenario.state(folder)
        return self._calls[name]

    def hit(self, point: Point) -> dict[str, Any]:
        """One point, with what went wrong."""
        scenario = SCENARIOS[point.scenario]
        calls = self.calls(point.scenario)
        began = time.monotonic()
        problems: list[str] = []
        status, fired = -1, False
        told: dict[str, Any] = {}
        with _folder() as folder:
            scenario.prepare(folder)
            drive = folder / "drive"
            try:
                with self._faults.armed(drive, point.fault, point.at, sticky=point.sticky):
                    status, told = self._child(scenario.act, folder)
                    fired = self._faults.fired
                problems += _ended_well(point, status, told, fired=fired)
                problems += scenario.promises(folder, self._learned[point.scenario])
                # Which executor it is changes nothing, and this one starts at once.
                with _inline():
                    after, error = self._child(scenario.act, folder)
                if after:
                    problems.append(f"the same again failed: {error}")
                else:
                    problems += _differences(scenario.state(folder), self._expected[point.scenario])
            except Exception:  # noqa: BLE001 - whatever it is, it is a finding
                problems.append(f"a person is needed: {traceback.format_exc()[-1500:]}")
        return {
            **asdict(point),
            "key": point.key,
            "call": calls[point.at - 1] if point.at <= len(calls) else "",
            "fired": fired,
            "status": status,
            "told": told,
            "seconds": round(time.monotonic() - began, 2),
            "problems": problems,
        }

    def _child(self, act: Callable[[Path], int | None], folder: Path) -> tuple[int, dict[str, Any]]:
        """Does it in a child; returns its wait status and the error it ended with."""
        answer = folder / "answer"
        answer.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            code = CRASHED
            try:
                os.setsid()
                self._faults.run_here()
                signal.alarm(LIMIT_S)
                code = act(folder) or 0
            except AidnError as error:
                code = error.exit_code
                answer.write_text(json.dumps(error.to_json()))
            except BaseException:  # noqa: BLE001 - nothing may get out of a forked child
                answer.write_text(json.dumps({"traceback": traceback.format_exc()[-3000:]}))
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        _outlived(child)
        told = json.loads(answer.read_text()) if answer.exists() else {}
        answer.unlink(missing_ok=True)
        return status, told


@contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="aidn-call-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _inline() -> Iterator[None]:
    chosen = os.environ.pop(EXECUTOR, None)
    try:
        yield
    finally:
        if chosen is not None:
            os.environ[EXECUTOR] = chosen


def _adopt() -> None:
    """Makes orphans of its children this process's own, so that they can be waited for."""
    adopting = 36  # PR_SET_CHILD_SUBREAPER
    if ctypes.CDLL(None, use_errno=True).prctl(adopting, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _outlived(runner: int) -> None:
    """Waits for what the runner started, which dies with it.

    Raises:
        AssertionError: if something lives on.
    """
    end = time.monotonic() + OUTLIVING_S
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.005)
        except ChildProcessError:
            return
    raise AssertionError(f"a process of the run {runner} outlives it")


def _ended_well(point: Point, status: int, told: dict[str, Any], *, fired: bool) -> list[str]:
    if point.fault in ("kill", "torn"):
        return [] if not fired or status == signal.SIGKILL else [f"status {status} after a kill"]
    if point.fault == "kill one":
        killed = status == signal.SIGKILL or os.WIFEXITED(status)
        return [] if killed and "traceback" not in told else [f"status {status}: {told}"]
    if status == 0:
        return []  # nothing depended on the call
    wanted = StorageFull if point.fault in FULL else StorageUnwritable
    if told.get("type", wanted.__name__) != wanted.__name__:
        return [f"not a {wanted.__name__}: status {status}, {told}"]
    causes = (os.strerror(getattr(errno, point.fault.upper())).lower(), *WORDS[point.fault])
    says_why = any(cause in told.get("problem", "").lower() for cause in causes)
    named = told.get("where") and told["remedy"]
    return [] if says_why and named else [f"says too little: status {status}, {told}"]


def _differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [
        f"{key}: {found[key]} instead of {value}"[:800]
        for key, value in expected.items()
        if found[key] != value
    ]


def points(
    one: Series,
    scenario: str,
    fault: Fault,
    *,
    sticky: bool = False,
    stride: int = 1,
    part: int = 0,
) -> list[Point]:
    """Every call that the fault can hit, or every `stride`th of them, beginning with `part`."""
    calls = one.calls(scenario)
    hit = [n for n, c in enumerate(calls, 1) if fault != "torn" or c.startswith("write ")]
    return [Point(scenario, fault, n, sticky) for n in hit[part::stride]]


def series(one: Series, wanted: Sequence[Point], results: Path | None) -> list[dict[str, Any]]:
    """The points; those that are in `results` already are not done again."""
    done = Rows(results)
    known = done.known("key")
    for point in wanted:
        if point.key in known:
            continue
        done.add(one.hit(point))
    return done


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--fault", choices=get_args(Fault), action="append")
    parser.add_argument("--sticky", action="store_true")
    parser.add_argument("--executor", default="inline")
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--at", type=int)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    if why := faultfs.missing():
        raise SystemExit(why)
    control = faultfs.preloaded()
    if control is None:
        faultfs.start_again()
    os.environ[EXECUTOR] = options.executor
    _adopt()
    one = Series(Faults(control))
    rows = []
    faults: list[Fault] = options.fault or ["kill", "torn"]
    for scenario in options.scenario or list(SCENARIOS):
        for fault in faults:
            wanted = points(
                one,
                scenario,
                fault,
                sticky=options.sticky,
                stride=options.stride,
                part=options.part,
            )
            if options.at:
                wanted = [Point(scenario, fault, options.at, options.sticky)]
            keys = {point.key for point in wanted}
            mine = [row for row in series(one, wanted, options.results) if row["key"] in keys]
            rows += mine
            bad = sum(bool(row["problems"]) for row in mine)
            fired = sum(row["fired"] for row in mine)
            print(f"{scenario} {fault}: {len(mine)} points, {fired} hit, {bad} bad", flush=True)
    bad_rows = [row for row in rows if row["problems"]]
    for row in bad_rows:
        print(json.dumps(row))
    raise SystemExit(bool(bad_rows))


if __name__ == "__main__":
    main()
