"""The bench of a store: results, unfinished work, metric points, trash, pins of a live process."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aidn_pipeline.core.events import Event, StageStarted
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import RunResult, run_pipeline
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.check import Finding, check
from aidn_pipeline.store.facts import Facts
from aidn_pipeline.store.gc import Collector, purge, undo
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.repair import repair
from aidn_pipeline.store.store import Store
from aidn_pipeline.tracking.segment import merge, read_segment
from support.flips import WrongResult, clone
from support.toys import INDEX, pipeline, stage, whole

Served = dict[str, dict[str, bytes]]


class StopAtCount:
    """Asks for an end when the stage `count` has begun: it stops after its first step."""

    def on_event(self, event: Event) -> None:
        """Raises the signal."""
        if isinstance(event, StageStarted) and event.stage == "count":
            signal.raise_signal(signal.SIGINT)


def short(text: str = "gone") -> PipelineSpec:
    """A pipeline whose results go to the trash once it was run with another text."""
    return replace(pipeline(stage("start", "write", text=text)), name="short")


def other() -> PipelineSpec:
    """The pipeline that is interrupted twice."""
    return whole("other", steps=5)


class StoreBench:
    """A store in which all that can lie about does lie about."""

    unmended = frozenset({"journal", "format"})

    def __init__(self, folder: Path) -> None:
        self.root, self.copy = folder / "sound", folder / "copy"
        self._fill(self.root)
        self.kinds: Mapping[str, Sequence[Path]] = self._kinds()
        self._expected: dict[str, Served] = {}
        self._points: dict[str, dict[str, list[tuple[int, float]]]] = {}
        self._learn(folder / "learning")

    def _fill(self, root: Path) -> None:
        with Store.open(root, durability="process") as store:
            run_pipeline(short(), store, INDEX, root.parent)
            run_pipeline(short("stays"), store, INDEX, root.parent)
        with Store.open(root, durability="process") as store:
            Collector(store, keep_runs=0).apply()
        with Store.open(root, durability="process") as store:
            run_pipeline(whole(), store, INDEX, root.parent)
            for _ in range(2):
                stopped = run_pipeline(
                    other(), store, INDEX, root.parent, listeners=[StopAtCount()]
                )
                assert stopped.status == "interrupted"
        # A process that died while it had things in its hands, such as pins.
        live = Store.open(root, durability="process")
        record = next(r for r in live.records.iterate("stage") if "count" in r["component"])
        live.hold(live.records.stage(record["fingerprint"]).outputs.values())  # type: ignore[union-attr]
        live.holders.say(record["family"], "a run")
        self.live, self.family = live.scratch.folder.name, record["family"]

    def _kinds(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(p for p in self.root.rglob("*") if p.is_file() and p.stat().st_size):
            relative = path.relative_to(self.root)
            found.setdefault(_kind(relative, path), []).append(relative)
        return found

    def _learn(self, folder: Path) -> None:
        clone(self.root, folder, written)
        with Store.open(folder, durability="process") as store:
            for spec in (whole(), other(), short()):
                result = run_pipeline(spec, store, INDEX, self.root.parent)
                assert result.status == "done"
                key = _key(spec)
                self._expected[key] = served(store, result)
                self._points[key] = points(store, result)

    def use(self, kind: str) -> str:
        """Pins, plan, run again, resume, read, take back from the trash, read again."""
        told = self._collect() if kind == "pins" else ""
        if kind == "holder":
            self._ask()
        with Store.open(self.copy, durability="process") as store:
            told += _told(check(store))
            told += "".join(self._compare(store, spec) for spec in (whole(), other()))
        with Store.open(self.copy, durability="process") as store:
            undo(store)
            told += _told(check(store))
            return told + self._compare(store, short())

    def _collect(self) -> str:
        """A collection beside a live process whose pins are damaged; what it says."""
        lock = Locks(self.copy / "locks").acquire(f"tmp/{self.live}")
        assert lock is not None
        try:
            with Store.open(self.copy, durability="process") as store:
                Collector(store, keep_runs=0).apply()
                purge(store)
        except CorruptObject as error:
            return f"{error.problem}; "
        finally:
            Locks(self.copy / "locks").release(lock)
        return ""

    def _ask(self) -> None:
        """Who works on what: whatever is answered, it is answered."""
        lock = Locks(self.copy / "locks").acquire(f"tmp/{self.live}")
        assert lock is not None
        try:
            with Store.open(self.copy, durability="process") as store:
                str(store.holders.of(self.family))
        finally:
            Locks(self.copy / "locks").release(lock)

    def _compare(self, store: Store, spec: PipelineSpec) -> str:
        make_plan(spec, store, INDEX, self.root.parent)
        result = run_pipeline(spec, store, INDEX, self.root.parent)
        if result.error is not None:
            raise result.error
        key = _key(spec)
        if (found := served(store, result)) != self._expected[key]:
            raise WrongResult(f"{key}: {differing(found, self._expected[key])}")
        try:
            found_points = points(store, result)
        except CorruptObject as error:
            return f"{error.problem}; "
        for name, series in found_points.items():
            wanted = self._points[key].get(name, [])
            if not set(series) <= set(wanted):
                raise WrongResult(f"{key}: points of {name}: {series} instead of {wanted}")
        return ""

    def repair(self) -> None:
        """`aidn-run check --repair`."""
        with Store.open(self.copy, durability="process") as store:
            repair(store)


def _key(spec: PipelineSpec) -> str:
    return f"{spec.name} {spec.stages['start'].stage['text']}"


def _kind(relative: Path, path: Path) -> str:
    first, last = relative.parts[0], relative.name
    if first == "work":
        names = {"journal.log": "work journal", "points": "points", "checkpoints": "checkpoint"}
        return names.get(relative.parts[2], "work file")
    if first == "objects":
        beginning = path.read_bytes()[:8]
        return {b'["tree",': "manifest", b"AIDNSEG1": "sealed points"}.get(beginning, "object")
    names = {"format.json": "format", "index.sqlite": "index", "journal": "journal"}
    return last if last in ("pins", "holder") else names.get(first, first)


def written(path: Path) -> bool:
    """Whether a store's file may be written to again."""
    return "objects" not in path.parts and "checkpoints" not in path.parts


def served(store: Store, result: RunResult) -> Served:
    """All bytes that a run's stages gave, through the store."""
    return {
        name: {
            f"{port}/{file}": path.read_bytes()
            for port, artifact in ended.outputs.items()
            for file, path in store.files(artifact).items()
        }
        for name, ended in result.stages.items()
    }


def points(store: Store, result: RunResult) -> dict[str, list[tuple[int, float]]]:
    """The metric points of a run's stages, as they are shown."""
    facts = Facts(store)
    found = {}
    for name, ended in result.stages.items():
        sealed = facts.stages[ended.fingerprint or ""]["observed"].get("points", ())
        segments = [read_segment(store.objects.verified(part["digest"])) for part in sealed]
        found[name] = merge(segments).get("value", [])
    return found


def differing(found: Served, expected: Served) -> list[str]:
    """What differs."""
    return [name for name in expected if found.get(name) != expected[name]]


def _told(findings: Sequence[Finding]) -> str:
    unsaid = [f for f in findings if not (f.path and f.problem and f.remedy)]
    assert not unsaid, unsaid
    return "".join(f"{finding.problem}; " for finding in findings)
