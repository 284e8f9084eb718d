"""Fill a real disk: the command line on a tmpfs of every size, then the same with room again.

    python tests/crash/disk_series.py --recipe plain --sizes 48 --results disk.jsonl
    python tests/crash/disk_series.py --recipe digits_train --sizes 6

Needs root and Linux. The project with its store, its cache and its temporary files lies on the
tmpfs. Where the space does not do, the command must end with exit code 1 or 3 and say what is full,
where, and what to do, without a traceback; then the tmpfs is made larger and the same command must
end as on a disk with room, with nothing left over. Results are appended to a file, so the series
can be stopped and continued. Exit code 0 only if every size passed.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import power
from support.calls import PLAIN
from support.series import Rows
from support.source import ROOT

PAGE = 4096
SAID = re.compile(r"^error: .*no space left.*\n(?:.*\n)*?  at: .*/.*\n  fix: .+", re.MULTILINE)


def missing() -> str:
    """Why no disk can be filled here; empty if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounting a tmpfs needs root and Linux"
    return ""


@contextmanager
def disk(size: int) -> Iterator[Path]:
    """A tmpfs of some bytes with the project on it."""
    folder = Path(tempfile.mkdtemp(prefix="aidn-full-"))
    _mount(folder, f"size={2**29}")
    try:
        shutil.copytree(PLAIN, folder / "project")
        (folder / "tmp").mkdir()
        _mount(folder, f"remount,size={size}")
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def _mount(folder: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(command, capture_output=True, check=True)


def run(recipe: str, folder: Path) -> tuple[int, str]:
    """The command line in a process of its own: exit code, and all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", f"recipe={recipe}"],
        cwd=folder / "project",
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIDN_TRUST": "1",
            "TMPDIR": str(folder / "tmp"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def state(folder: Path) -> dict[str, Any]:
    """What must equal a run on a disk with room."""
    found = power.state(folder / "project" / ".aidn")
    bundles = power.written(folder / "project" / "bundles")
    return {
        "stages": found["stages"],
        "wrong": found["wrong"],
        "left": found["left"],
        "versions": len(found["versions"]),
        "bundles": sorted(bundles),
        "temporary": sorted(p.name for p in (folder / "tmp").iterdir()),
    }


def one_size(recipe: str, size: int, expected: dict[str, Any]) -> dict[str, Any]:
    """One size, and the same command with room."""
    problems: list[str] = []
    with disk(size) as folder:
        code, said = run(recipe, folder)
        if code not in (0, 1, 3):
            problems.append(f"exit code {code}: {said[-800:]}")
        elif code and (not SAID.search(said) or "Traceback" in said):
            problems.append(f"says too little or too much: {said[-1500:]}")
        _mount(folder, f"remount,size={2**29}")
        again, then = run(recipe, folder)
        if again:
            problems.append(f"with room it still fails: {then[-800:]}")
        else:
            found = state(folder)
            problems += [
                f"{key}: {found[key]} instead of {value}"[:600]
                for key, value in expected.items()
                if found[key] != value
            ]
    error = re.search(r"^error: .*", said, re.MULTILINE)
    return {
        "recipe": recipe,
        "size": size,
        "code": code,
        "error": error[0] if error else "",
        "problems": problems,
    }


def series(recipe: str, sizes: int, results: Path | None) -> list[dict[str, Any]]:
    """All sizes; those in `results` already are not done again."""
    done = Rows(results)
    known = {row["size"] for row in done if row["recipe"] == recipe}
    with disk(2**29) as folder:
        before = used(folder)
        code, said = run(recipe, folder)
        if code:
            raise SystemExit(f"{recipe} fails on a disk with room: {said}")
        expected = state(folder)
        after = used(folder)
    for number in range(sizes):
        # From nothing to spare to what unfinished work needs beside what is left in the end.
        size = before + int((after - before) * 1.5 * number / sizes) // PAGE * PAGE
        if size in known:
            continue
        done.add(one_size(recipe, size, expected))
    return [row for row in done if row["recipe"] == recipe]


def fill(folder: Path, *, leaving: int) -> None:
    """Fills the tmpfs up to some bytes."""
    free = shutil.disk_usage(folder).free - leaving
    (folder / "rest").write_bytes(bytes(max(0, free)))


def used(folder: Path) -> int:
    """Bytes of the tmpfs that are in use."""
    return shutil.disk_usage(folder).used


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--recipe", default="plain")
    parser.add_argument("--sizes", type=int, default=48)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    rows = series(options.recipe, options.sizes, options.results)
    bad = [row for row in rows if row["problems"]]
    full = sum(row["code"] != 0 for row in rows)
    print(f"{options.recipe}: {len(rows)} sizes, {full} of them too small, {len(bad)} bad")
    for row in bad:
        print(json.dumps(row))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
