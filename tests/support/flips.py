"""Flip single bits of files and see whether anything wrong is ever served.

A bench is a folder with its sound files by kind, and a way to do with a copy of it what its readers
do. For each flip the folder is cloned, one bit is wrong, and the readers come.
"""

import os
import random
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from aidn_pipeline.errors import AidnError

SMALL = 4096
"""Bytes of files of which every bit is tried, if there is time."""
SLOWEST_S = 5.0
"""Of a processor, for a use of a damaged copy, with what is done anew in it."""
GOOD = ("equal", "named", "mended by the same command", "mended by repair", "refused")


class WrongResult(AssertionError):
    """Something was served that is not what was kept."""


class Bench(Protocol):
    """Files, and what is done with them.

    Attributes:
        root: the sound folder.
        copy: where its clones are made; readers may depend on the path.
        kinds: files below the root by what they are.
        unmended: kinds that nothing but a copy of the file can mend.
    """

    root: Path
    copy: Path
    kinds: Mapping[str, Sequence[Path]]
    unmended: frozenset[str]

    def use(self, kind: str) -> str:
        """Does what readers do with the copy; returns what told of damage, if anything did.

        Raises:
            WrongResult: if anything differs from what the sound folder gives.
        """
        ...

    def repair(self) -> None:
        """What a person does who was told of damage."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """One bit."""

    kind: str
    path: Path
    bit: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a flip.

    Attributes:
        word: `equal`, with nothing said; `named`, with all results equal; `mended by ...`, with
            all results equal after that; `refused`, where only a copy of the file helps; else what
            is bad.
        seconds: of a processor that the slowest use took.
        said: the error that named the damage.
    """

    place: Place
    word: str
    seconds: float
    said: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing wrong was served, and nothing broke."""
        return self.word in GOOD and self.seconds <= SLOWEST_S

    def to_json(self) -> dict[str, Any]:
        """A line of the results."""
        return {
            "kind": self.place.kind,
            "path": str(self.place.path),
            "bit": self.place.bit,
            "word": self.word,
            "seconds": round(self.seconds, 3),
            "said": self.said,
        }


def places(bench: Bench, seed: int = 0) -> Iterator[Place]:
    """Places, one of each kind in turn: of small files every bit once, of large ones any."""
    decks = [_deck(bench, kind, seed) for kind in bench.kinds]
    while decks:
        for deck in tuple(decks):
            place = next(deck, None)
            if place is None:
                decks.remove(deck)
            else:
                yield place


def _deck(bench: Bench, kind: str, seed: int) -> Iterator[Place]:
    dice = random.Random(f"{kind} {seed}")
    files = bench.kinds[kind]
    sizes = {path: (bench.root / path).stat().st_size for path in files}
    bits = [(p, b) for p in files if sizes[p] <= SMALL for b in range(sizes[p] * 8)]
    dice.shuffle(bits)
    small = iter(bits)
    large = [path for path in files if sizes[path] > SMALL]
    for n in count():
        # Files of both sizes take turns by their number.
        if large and (n % len(files) < len(large) or not bits):
            path = dice.choice(large)
            yield Place(kind, path, dice.randrange(sizes[path] * 8))
        elif (found := next(small, None)) is not None:
            yield Place(kind, *found)
        elif not large:
            return


def clone(root: Path, copy: Path, written: Callable[[Path], bool]) -> None:
    """Makes a copy in which files are shared by hard links but those that may be written to."""
    shutil.rmtree(copy, ignore_errors=True)

    def share(source: str, target: str) -> None:
        if written(Path(source)):
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    shutil.copytree(root, copy, copy_function=share)


def flip(path: Path, bit: int) -> None:
    """Turns one bit; the file is a new one, so that no hard link of it is touched."""
    status = path.stat()
    wrong = bytearray(path.read_bytes())
    wrong[bit // 8] ^= 1 << (bit % 8)
    path.unlink()
    path.write_bytes(wrong)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def judged(bench: Bench, place: Place, written: Callable[[Path], bool]) -> Verdict:
    """Flips a bit in a fresh copy and lets the readers come, until all is as it was."""
    clone(bench.root, bench.copy, written)
    flip(bench.copy / place.path, place.bit)
    slowest, said = 0.0, ""
    for word in ("equal", "mended by the same command", "mended by repair"):
        started = time.process_time()
        try:
            if word == "mended by repair":
                with suppress(AidnError):
                    bench.repair()
            told = bench.use(place.kind)
        except AidnError as error:
            said = said or f"{type(error).__name__}: {error.problem}"
            if not error.problem or not (error.where or error.remedy):
                return Verdict(place, "an error without a place", slowest, said)
        except WrongResult as error:
            return Verdict(place, f"WRONG: {error}"[:300], slowest, said)
        except Exception:  # noqa: BLE001 - whatever is no error of ours is what is looked for
            return Verdict(place, f"CRASHED: {traceback.format_exc()[-1500:]}", slowest, said)
        else:
            slowest = max(slowest, time.process_time() - started)
            named = "named" if told and word == "equal" else word
            return Verdict(place, named, slowest, said or told)
        slowest = max(slowest, time.process_time() - started)
    mends = place.kind not in bench.unmended
    return Verdict(place, "NOT MENDED" if mends else "refused", slowest, said)
