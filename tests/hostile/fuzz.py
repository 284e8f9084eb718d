"""Gives every reader bytes that a stranger could have written; counts errors that are not ours.

PYTHONPATH=.:tests python tests/hostile/fuzz.py --seconds 60 [--seed 0] [--only journal]

Prints a line for each reader; exit code 1 if one raised anything untyped or took longer than a
second. A case is told by its number: `--only READER --replay N` runs it again by itself.
"""

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.strangers import Reader, readers

from aidn_pipeline.errors import AidnError

SLOW_S = 1.0
MEMORY = 256 * 2**20


@dataclass(slots=True)
class Tally:
    """What came of one reader.

    Attributes:
        cases: executions.
        taken: that were read without an error.
        slowest: seconds, and the number of the case.
        grown: bytes by which the process's peak memory grew.
        failures: what was raised and is none of ours, by its last line, with the first case.
    """

    cases: int = 0
    taken: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    grown: int = 0
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether every case was read or refused, in time and in memory."""
        return not self.failures and self.slowest[0] <= SLOW_S and self.grown <= MEMORY


def fuzz(name: str, reader: Reader, seconds: float, seed: int, *, only: int | None = None) -> Tally:
    """Runs cases until the time is over, or just one.

    Args:
        name: of the reader.
        reader: what is tried.
        seconds: of process time.
        seed: of the cases: case n is the same each time.
        only: the number of a single case.
    """
    tally = Tally()
    before = _peak()
    until = time.process_time() + seconds
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        while time.process_time() < until and (only is None or tally.cases == 0):
            number = tally.cases if only is None else only
            data = reader.mutate(random.Random(f"{seed} {name} {number}"))
            _case(reader, data, Path(place) / "case", number, tally)
            if only is not None:
                sys.stdout.write(f"{data!r:.2000}\n")
    tally.grown = _peak() - before
    return tally


def _case(reader: Reader, data: bytes, folder: Path, number: int, tally: Tally) -> None:
    folder.mkdir()
    started = time.process_time()
    try:
        reader.read(data, folder)
        tally.taken += 1
    except AidnError:
        pass
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
        tally.failures.setdefault(key, (number, f"{error!r:.300}"))
    took = time.process_time() - started
    tally.slowest = max(tally.slowest, (took, number))
    tally.cases += 1
    shutil.rmtree(folder, ignore_errors=True)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzzes; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one reader")
    parser.add_argument("--replay", type=int, help="number of one case")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as seeds:
        known = readers(Path(seeds))
        chosen = [options.only] if options.only else list(known)
        share = options.seconds / len(chosen)
        sound = True
        for name in chosen:
            tally = fuzz(name, known[name], share, options.seed, only=options.replay)
            sound &= tally.is_sound
            sys.stdout.write(
                f"{name:<20} {tally.cases:>8} cases, {tally.taken:>7} read, slowest "
                f"{tally.slowest[0]:.3f} s (case {tally.slowest[1]}), "
                f"+{tally.grown / 2**20:.0f} MiB, {len(tally.failures)} untyped\n"
            )
            for key, (number, said) in tally.failures.items():
                sys.stdout.write(f"    {key} (case {number}): {said}\n")
            sys.stdout.flush()
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
