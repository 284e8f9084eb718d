"""A project that runs and is emptied again and again, and what an undisturbed run of it gives."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.config.indexes import cache_of
from aidn_pipeline.config.project import find_project
from aidn_pipeline.store.journal import scan
from aidn_pipeline.store.objects import hash_file
from support.killing import Ended, Run, warm_up
from support.mill import write_mill


@dataclass(frozen=True, slots=True)
class Scenario:
    """A recipe that is killed.

    Attributes:
        name: for `--only`.
        arguments: of the command line.
        share: of the series, in parts.
        fresh: whether each run is an interpreter of its own.
        workers: whether its stages run in processes of their own.
    """

    name: str
    arguments: tuple[str, ...]
    share: int
    fresh: bool = False
    workers: bool = False


class Yard:
    """One project folder of a scenario, emptied between two numbers; its expectations."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.project = folder / scenario.name / "project"
        self.project.mkdir(parents=True)
        write_mill(self.project)
        self.seconds = 0.0
        self.expected: dict[str, Any] = {}
        self.expected_ran: Counter[str] = Counter()

    def prepare(self) -> None:
        """Runs the recipe undisturbed, twice: once for the imports, once for the clock."""
        arguments = [*self.scenario.arguments, "--json"]
        if not self.scenario.fresh:
            self._judge(warm_up(arguments, self.project))
            self.empty()
        ended = Run(arguments, self.project, fresh=self.scenario.fresh).wait()
        self._judge(ended)
        self.seconds = ended.seconds
        self.expected = self.outcome(json.loads(ended.out))
        self.expected_ran = Counter(self.ran())

    def _judge(self, ended: Ended) -> None:
        if ended.code:
            raise SystemExit(f"the undisturbed {self.scenario.name} failed:\n{ended.err[-3000:]}")

    def empty(self, *, cache: bool = False) -> None:
        """Removes everything that runs made; the list of components too if `cache`."""
        store = self.project / ".aidn"
        for path in [*store.iterdir(), self.project / "bundles", *self.project.glob("*.log")]:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        if cache:
            shutil.rmtree(cache_of(find_project(self.project)), ignore_errors=True)
        (self.project / "in_place.txt").unlink(missing_ok=True)

    def outcome(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that must equal an undisturbed run."""
        bundles = self.project / "bundles"
        return {
            "status": answer.get("status"),
            "outputs": {name: s["outputs"] for name, s in answer.get("stages", {}).items()},
            "metrics": answer.get("metrics"),
            "model": answer.get("model"),
            "bundle": {
                str(p.relative_to(bundles)): hash_file(p)
                for p in sorted(bundles.rglob("*"))
                if p.is_file()
            },
            "versions": [key for kind, key, _ in self.lines() if kind == "version"],
            "left": self.left_over(),
        }

    def lines(self) -> Iterator[tuple[str, str, Any]]:
        """Kind, key and value of each line of the store's journal."""
        for line in scan(self.project / ".aidn" / "journal" / "000001.log"):
            yield line.payload["kind"], line.payload["key"], line.payload["value"]

    def ran(self) -> list[str]:
        """What stages wrote down of what they did."""
        log = self.project / "ran.log"
        return log.read_text().splitlines() if log.exists() else []

    def left_over(self) -> list[str]:
        """Files that only a live or an interrupted run has."""
        store = self.project / ".aidn"
        inside = [p for part in ("work", "tmp", "quarantine") for p in (store / part).glob("*")]
        outside = [*self.project.rglob(".*.new"), *self.project.rglob(".*.old")]
        known = {"format.json", "locks", "journal", "index.sqlite", "objects", "schemas"}
        known |= {"work", "tmp", "quarantine"}
        strange = [p for p in store.iterdir() if p.name not in known]
        return sorted(str(p.relative_to(self.project)) for p in [*inside, *outside, *strange])
