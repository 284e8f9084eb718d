"""What must stay: everything that kept runs, names, live processes and unfinished work reach."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.facts import Contents, Facts, ids_in, input_ids, record_ids, stage_name
from aidn_pipeline.store.journal import scan
from aidn_pipeline.store.pins import pinned
from aidn_pipeline.store.store import Store

KEEP_RUNS = 10
"""Runs of each recipe that are kept by default, the newest."""

LIVE = "a live process"
MEASURED = "what was measured"
HISTORY = frozenset({"metrics", "params"})
"""Kinds that stay for ever, as metric points do."""
NO_RECORD: Mapping[str, Any] = {"outputs": {}, "observed": {}}


@dataclass(frozen=True, slots=True)
class Reached:
    """What stays, and why.

    Attributes:
        objects: why an id stays; an id that is not there may go.
        stages: why a stage record stays whole.
        whole: whether every kept folder's manifest could be read; if not, an object that no record
            names may be a file of it.
        runs: ids of the runs that stay, with what they printed.
    """

    objects: Mapping[str, str]
    stages: Mapping[str, str]
    whole: bool
    runs: frozenset[str]


def reached(store: Store, facts: Facts, contents: Contents, *, keep_runs: int) -> Reached:
    """Everything that must stay, as it is now.

    Pins are read before the work journals, and these before the store's journal: what a process
    needs goes from the one to the next before it leaves the other, and is always seen.

    Args:
        store: the store; reading it changes nothing.
        facts: of its journal; they catch up here.
        contents: of its objects.
        keep_runs: runs of each recipe that stay, the newest.

    Raises:
        CorruptObject: if the journal is damaged.
    """
    live = pinned(store.root, store.locks)
    unfinished = list(_named_by_work(store.root / "work"))
    facts.catch_up()
    marks = _Marks(facts, contents)
    for (kind, key), value in facts.names.items():
        marks.name(key.replace("/", " ") if kind == "ref" else _version(key, value), value)
    marks.registering()
    for run in kept_runs(store, facts, keep_runs):
        marks.run(run, f"run {run}")
    marks.needed_by_the_living(live)
    marks.ids(unfinished, "unfinished work")
    marks.follow()
    marks.measured()
    marks.whole_anyway()
    return Reached(marks.objects, marks.stages, marks.whole, frozenset(marks.runs))


def _version(key: str, value: Any) -> str:
    if isinstance(value, dict) and {"noun", "name", "version"} <= value.keys():
        return f"{value['noun']} {value['name']}@{value['version']}"
    return key


def kept_runs(store: Store, facts: Facts, number: int) -> list[str]:
    """The newest runs of each recipe, its last one that was done, and those that live."""
    kept = []
    seen: dict[str, int] = {}
    done: set[str] = set()
    for run, record in reversed(facts.runs.items()):
        recipe = record["recipe"]
        last_done = record["status"] == "done" and recipe not in done
        if last_done:
            done.add(recipe)
        if seen.get(recipe, 0) < number or last_done or store.locks.held(f"run/{run}"):
            kept.append(run)
        seen[recipe] = seen.get(recipe, 0) + 1
    return kept


def _named_by_work(folder: Path) -> Iterator[tuple[str, bool]]:
    for work in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            for line in scan(work / "journal.log"):
                if line.payload["kind"] not in ("attempt", "checkpoint", "retain"):
                    yield from ids_in(line.payload)
        except CorruptObject:
            # Its stage will not read it either: the work starts again.
            continue


class _Marks:
    """Marks, from the roots on."""

    def __init__(self, facts: Facts, contents: Contents) -> None:
        self._facts = facts
        self._contents = contents
        self._makers = facts.makers()
        self._collected = {
            digest
            for fingerprint in facts.collected
            for _, digest, _ in record_ids(facts.stages.get(fingerprint, NO_RECORD))
        }
        self._by_run: dict[str, list[str]] = {}
        for fingerprint, record in facts.stages.items():
            self._by_run.setdefault(record["observed"].get("run", ""), []).append(fingerprint)
        self._pending: list[str] = []
        self.objects: dict[str, str] = {}
        self.stages: dict[str, str] = {}
        self.whole = True
        self.runs: set[str] = set()

    def name(self, why: str, value: Any) -> None:
        """Marks what a version, a tag or a pin names: ids of bytes or of work, and runs."""
        found = list(ids_in(value))
        self.ids(found, why)
        for digest, _ in found:
            self._stage(digest, why)
            self._stage(self._makers.get(digest, ""), why)
        target = value.get("target") if isinstance(value, dict) else None
        if isinstance(target, str) and target in self._facts.runs:
            self.run(target, why)

    def run(self, run: str, why: str) -> None:
        """Marks what a run did or reused, and the nested work that it did or went on with."""
        self.runs.add(run)
        done = self._by_run.get(run, ())
        for fingerprint in (*self._facts.runs[run]["stages"].values(), *done):
            self._stage(fingerprint, why)
        for fingerprint in done:
            for nested in self._nested_of_others(self._facts.stages[fingerprint]):
                self._stage(nested, why)

    def _nested_of_others(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Nested work of a stage that was done in earlier runs."""
        yield from record["observed"].get("reused", ())
        name = stage_name(record)
        for run in record["observed"].get("continues", ()):
            for nested in self._by_run.get(run, ()):
                if self._facts.stages[nested]["observed"].get("parent") == name:
                    yield nested

    def needed_by_the_living(self, pins: Iterable[str]) -> None:
        """Marks what is pinned: bytes, and work as a whole."""
        for digest in pins:
            self.ids([(digest, False)], LIVE)
            self._stage(digest, LIVE)

    def registering(self) -> None:
        """Marks the work that gave a registered version its document, and what was exported."""
        documents: dict[str, str] = {}
        for fingerprint, record in self._facts.stages.items():
            for output in record["outputs"].values():
                if output["kind"] != "model_version":
                    continue
                named = (self.objects.get(d, "") for d, _ in self._contents.named(output))
                if why := next(filter(None, named), ""):
                    documents[output["digest"]] = why
                    self._stage(fingerprint, why)
        for fingerprint, record in self._facts.stages.items():
            if any(output["kind"] == "bundle" for output in record["outputs"].values()):
                whys = [documents[digest] for digest in input_ids(record) if digest in documents]
                self._stage(fingerprint, whys[0] if whys else "")

    def _stage(self, fingerprint: str, why: str) -> None:
        if why and fingerprint in self._facts.stages and fingerprint not in self.stages:
            self.stages[fingerprint] = why
            self._pending.append(fingerprint)

    def follow(self) -> None:
        """Marks the bytes of marked work, what it was made from, and so on."""
        while self._pending:
            fingerprint = self._pending.pop()
            record, why = self._facts.stages[fingerprint], self.stages[fingerprint]
            self.ids(((digest, folder) for _, digest, folder in record_ids(record)), why)
            for output in record["outputs"].values():
                self.ids(self._contents.named(output), why)
            for digest in input_ids(record):
                self.ids([(digest, False)], why)
                self._stage(self._makers.get(digest, ""), why)

    def measured(self) -> None:
        """Marks what was measured and chosen, of all work: small, and what runs are compared by."""
        for record in self._facts.stages.values():
            for output in record["outputs"].values():
                if output["kind"] in HISTORY:
                    self.ids([(output["digest"], False)], MEASURED)
            for points in record["observed"].get("points", ()):
                self.ids([(points["digest"], False)], MEASURED)

    def whole_anyway(self) -> None:
        """Marks work whose outputs all stay for others: it is reused as it is."""
        for fingerprint, record in self._facts.stages.items():
            outputs = [output["digest"] for output in record["outputs"].values()]
            if fingerprint not in self.stages and all(d in self.objects for d in outputs):
                self.stages[fingerprint] = next((self.objects[d] for d in outputs), MEASURED)

    def ids(self, found: Iterable[tuple[str, bool]], why: str) -> None:
        """Marks objects; a folder's with all its files."""
        for digest, folder in found:
            self.objects.setdefault(digest, why)
            if folder or digest in self._facts.folders:
                files = self._contents.files(digest)
                if files is None and digest not in self._collected:
                    self.whole = False
                for file in files or ():
                    self.objects.setdefault(file, why)
