"""Scenarios in which every file call is hit: how they begin, what is done, what it comes to.

Each has a folder: what is counted lies in its `drive`, acknowledgements in its `project`.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from aidn_pipeline.cli import new, run  # noqa: F401 - imported once, before anything is forked
from aidn_pipeline.cli.main import main
from aidn_pipeline.core.fingerprint import digest_bytes
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.store.disk import Disk
from support import power
from support.acknowledging import wide

EXECUTOR = "AIDN_TEST_EXECUTOR"
"""Environment variable with the executor of what is hit; the same again is done inline."""


PLAIN = Path(__file__).with_name("plain")
"""A project without torch."""


class Scenario(Protocol):
    """Something that is done in a folder."""

    def prepare(self, folder: Path) -> None:
        """Makes the folder ready."""
        ...

    def act(self, folder: Path) -> int | None:
        """Does it; returns an exit code, or None for 0."""
        ...

    def learn(self, folder: Path) -> Any:
        """What `promises` has to know of an undisturbed doing."""
        ...

    def promises(self, folder: Path, learned: Any) -> list[str]:
        """What was acknowledged and is not so."""
        ...

    def state(self, folder: Path) -> dict[str, Any]:
        """Everything that must equal an undisturbed doing."""
        ...


@dataclass(frozen=True)
class OnStore:
    """One of those whose power is cut, with one process and a disk that flushes nothing.

    A kill leaves what was written; `fsync` is counted by the library all the same.
    """

    name: str
    doing: Callable[[Path, Path, Disk], object]
    ignored: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        (folder / "drive").mkdir()
        power.prepare(self.name, folder / "drive" / "home", folder / "project")

    def act(self, folder: Path) -> None:
        self.doing(folder / "drive" / "home", folder / "project", Disk())

    def learn(self, folder: Path) -> dict[str, str]:
        past, project = folder / "project" / "past", folder / "project"
        return power.fingerprints(past) | power.fingerprints(project)

    def promises(self, folder: Path, learned: Any) -> list[str]:
        return power.broken_promises(folder / "drive" / "home", folder / "project", learned)

    def state(self, folder: Path) -> dict[str, Any]:
        found = power.state(folder / "drive" / "home")
        return {key: value for key, value in found.items() if key not in self.ignored}


def wider(text: str, steps: int) -> PipelineSpec:
    """Cells side by side, on the executor that is asked for."""
    return replace(wide(text, steps), run={"executor": os.environ.get(EXECUTOR, "inline")})


def in_parallel(home: Path, project: Path, disk: Disk) -> None:
    """A run of every kind of stage, then a collection, undone and done."""
    power.run(home, project, disk, steps=3, made=wider)
    power.upkeep(home, project, disk)


def told(said: str) -> dict[str, str]:
    """An error as the command line says it."""
    found = re.search(r"^error: (.+)\n(?:  at: (.+)\n)?(?:  fix: (.+)\n)?", said, re.MULTILINE)
    if found is None:
        return {"traceback": said}
    problem, where, remedy = (part or "" for part in found.groups())
    return {"problem": problem, "where": where, "remedy": remedy}


@dataclass(frozen=True)
class Command:
    """`aidn-run` in a project whose files, store and cache are all counted."""

    arguments: tuple[str, ...]
    files: Path | None = None
    final: str = ""
    """The project that it makes; once that is trusted the command ended, and is not given again."""

    def prepare(self, folder: Path) -> None:
        (folder / "project").mkdir()
        if self.files is not None:
            shutil.copytree(self.files, folder / "drive")
        else:
            (folder / "drive").mkdir()

    def act(self, folder: Path) -> int:
        drive = folder / "drive"
        if self.final and (drive / self.final).exists() and _trusted(drive):
            return 0
        # Compiled modules are of no project: what is left is compared file by file.
        sys.dont_write_bytecode = True
        os.environ |= {
            "AIDN_TRUST": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CACHE_HOME": str(drive / "cached"),
            "XDG_CONFIG_HOME": str(drive / "config"),
        }
        sys.path[:] = [path for path in sys.path if path]
        place = folder / "project" / "said"
        with chdir(drive), place.open("w") as said, redirect_stdout(said), redirect_stderr(said):
            code = main(self.arguments)
        if code:
            (folder / "answer").write_text(json.dumps(told(place.read_text())))
        return code

    def learn(self, folder: Path) -> None:
        return None

    def promises(self, folder: Path, learned: Any) -> list[str]:
        return []

    def state(self, folder: Path) -> dict[str, Any]:
        drive = folder / "drive"
        files = {
            p.relative_to(drive).as_posix(): digest_bytes(p.read_bytes())
            for p in sorted(drive.rglob("*"))
            if p.is_file() and not {".aidn", "cached", "config"} & set(p.relative_to(drive).parts)
        }
        home = drive / ".aidn"
        # Their names hold the folder's own path. What `new` could not cache, a run does.
        cached = drive.glob("cached/aidn/projects/*/*") if not self.final else ()
        return {
            "files": files,
            "cache": sorted(path.suffix for path in cached),
            "trusted": len(_trusted(drive)),
            **(power.state(home) if home.exists() else {}),
        }


def _trusted(drive: Path) -> list[Path]:
    return list(drive.glob("config/aidn/trust/*"))


SCENARIOS: dict[str, Scenario] = {
    # A trial of an interrupted run is none of the run that goes on: `gc` may take it.
    "wide": OnStore("fresh", in_parallel, ignored=("collected", "in_trash")),
    "fresh": OnStore("fresh", power.fresh),
    "upkeep": OnStore("upkeep", power.upkeep),
    "mending": OnStore("mending", power.mending),
    "command": Command(("recipe=plain",), files=PLAIN),
    "new": Command(("new", "table-app", "--kind", "table"), final="table-app"),
}
