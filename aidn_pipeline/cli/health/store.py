"""The store, without opening it: a store that cannot be opened is what one asks about."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aidn_pipeline.cli.health import places
from aidn_pipeline.cli.health.finding import Finding, doubtful, sound, told, wrong
from aidn_pipeline.cli.health.lock_probe import FREE, HELD
from aidn_pipeline.cli.text import seconds, size
from aidn_pipeline.config.builtin import PACKAGE
from aidn_pipeline.errors import AidnError
from aidn_pipeline.store.disk import typed
from aidn_pipeline.store.journal import scan
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.store import check_header

JOURNAL = ("journal", "000001.log")
TIMEOUT_S = 30.0


def examine(root: Path) -> Iterator[Finding]:
    """Looks at it; the only things written are trial files, which go again."""
    if root.is_symlink() and not root.exists():
        yield from places.links(iter([root]))
        return
    yield from _readable(root)
    there = places.nearest_existing(root)
    if there.is_dir():
        yield from places.file_system(there)
        yield places.space(there)
    blocked = places.writable(there)
    if blocked is not None:
        yield blocked
    else:
        yield from _written(root, there)
    if root.is_dir():
        if (finding := places.owner(root)) is not None:
            yield finding
        with contextlib.suppress(OSError):
            yield from _inside(root)


def _readable(root: Path) -> Iterator[Finding]:
    header = root / "format.json"
    try:
        with typed(root, "reading the store"):
            if not header.exists():
                yield sound("no store yet: the first run makes it", str(root))
                return
            check_header(header)
        records = list(_journal(root))
    except AidnError as error:
        if isinstance(error.__cause__, PermissionError):
            yield wrong(
                "the store may not be read", str(root), f"make it yours: `chmod -R u+rwX '{root}'`"
            )
        else:
            yield told(error)
        return
    yield sound(f"store: its format is read here, {len(records)} records are sound", str(root))
    newest = max((r["value"]["started"] for r in records if r["kind"] == "run"), default=0.0)
    if newest > time.time() + 60:
        yield doubtful(
            f"the newest run began {seconds(newest - time.time())} from now: a clock was wrong",
            str(root),
            "set this machine's clock; runs are listed by their time",
        )


def _journal(root: Path) -> Iterator[dict[str, Any]]:
    for line in scan(root.joinpath(*JOURNAL)):
        yield line.payload


def _written(root: Path, there: Path) -> Iterator[Finding]:
    if (finding := places.skew(there)) is not None:
        yield finding
    locks = root / "locks"
    # Opening it would make what is missing, or what a link leads to: a store has the file itself.
    if (root / "format.json").is_file() and locks.is_file() and not locks.is_symlink():
        yield _lock_test(locks, root)
    else:
        with tempfile.TemporaryDirectory(dir=there, prefix=".doctor-") as folder:
            yield _lock_test(Path(folder) / "locks", there)


def _lock_test(file: Path, place: Path) -> Finding:
    """Two processes want one lock: the second gets it only when the first lets it go."""
    locks, name = Locks(file), "doctor"
    remedy = "name a folder on a local disk with AIDN_HOME: two runs would not see each other"
    try:
        with typed(file, "taking a lock"):
            mine = locks.acquire(name, wait=False)
    except AidnError as error:
        return wrong(f"locks do not work: {error.problem}", str(place), remedy)
    if mine is None:
        return sound("locks: another doctor is trying them", str(place))
    try:
        beside = _ask(file, name)
    finally:
        locks.release(mine)
    after = _ask(file, name)
    if (beside, after) == (HELD, FREE):
        return sound("locks hold between processes", str(place))
    return wrong(
        f"locks do not work: another process found a held one {beside}, and a free one {after}",
        str(place),
        remedy,
    )


def _ask(file: Path, name: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "aidn_pipeline.cli.health.lock_probe"],
            input=json.dumps([str(file.resolve()), name]),
            capture_output=True,
            text=True,
            # Not the working folder, which comes first on the path: it may be a stranger's.
            cwd=PACKAGE.parent,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "stuck"
    return done.stdout.strip() or (done.stderr.strip().splitlines() or ["silent"])[-1]


def _inside(root: Path) -> Iterator[Finding]:
    locks = Locks(root / "locks")
    yield from _held(root, locks)
    stale = [f for f in _folders(root / "tmp") if not locks.held(f"tmp/{f.name}")]
    if stale:
        yield doubtful(
            f"{len(stale)} temporary folders of processes that died, {size(_bytes(stale))}",
            str(root / "tmp"),
            "nothing to do: the next run clears them away",
        )
    work = [f for f in _folders(root / "work") if not locks.held(f"work/{f.name}")]
    if work:
        noun = "piece" if len(work) == 1 else "pieces"
        yield sound(
            f"{len(work)} {noun} of unfinished work, {size(_bytes(work))}: the same command "
            "continues it",
            str(root / "work"),
        )


def _held(root: Path, locks: Locks) -> Iterator[Finding]:
    names = {"format": "opening the store", "version": "giving out a version"}
    names |= {f"work/{f.name}": f"the work {f.name[:12]}" for f in _folders(root / "work")}
    held = [what for name, what in names.items() if locks.held(name)]
    if not held:
        return
    who = "; ".join(_holders(root / "locks")) or "a process of another machine or user"
    yield doubtful(
        f"a lock is held for {', '.join(held)}, by {who}",
        str(root / "locks"),
        "let it finish, or end that process: the lock goes with it, nothing has to be deleted",
    )


def _holders(file: Path) -> Iterator[str]:
    """Processes that have the file open: the kernel does not say who holds such a lock."""
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        try:
            if any(fd.readlink() == file.resolve() for fd in (entry / "fd").iterdir()):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                command = b" ".join(words).decode(errors="replace").strip()
                yield f"process {entry.name} ({command[:60]})"
        except OSError:
            # It ended meanwhile, or is another user's.
            continue


def _folders(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else []


def _bytes(folders: list[Path]) -> int:
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)
