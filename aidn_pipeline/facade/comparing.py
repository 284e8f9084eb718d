"""Two runs side by side: configuration, code, packages, data, results and metrics."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from aidn_pipeline.config.indexes import outlines
from aidn_pipeline.config.outline import changed_parts, recalled
from aidn_pipeline.core.artifact import Dataset, Metrics, Params
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.outcome import StageResult, run_status
from aidn_pipeline.engine.reasons import changed
from aidn_pipeline.facade.information import snapshot_of
from aidn_pipeline.facade.runs import stage_records
from aidn_pipeline.store.store import Store

State = Literal["same work", "same result", "other result", "only in a", "only in b", "no result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two runs.

    Attributes:
        overrides: what was changed of the recipe.
        metrics: those that say most of it.
    """

    run: str
    recipe: str
    status: str
    started: float
    seconds: float | None
    overrides: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value of the configuration, of the environment or found by a sweep, that differs.

    Attributes:
        name: its path below the stages it is in.
        stages: which those are; empty for what is no stage's.
    """

    name: str
    stages: tuple[str, ...]
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A component whose code differs: a file of the project, or the version of a built-in one.

    Attributes:
        file: of the project; empty for a built-in component.
        parts: functions, classes and methods in it, as far as they are known.
    """

    component: str
    file: str
    parts: tuple[str, ...]
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Data that differ: a file outside of the store, or a data set that a stage gave.

    Attributes:
        name: the file, or `stage.port`.
        old: what it was, in words; empty if it was not there.
        new: what it is.
    """

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric of a stage in both runs; None where it was not measured."""

    stage: str
    name: str
    old: float | None
    new: float | None

    @property
    def differs(self) -> bool:
        """Whether the two are not the same figure; two that are no number are."""
        both_nan = self.old != self.old and self.new != self.new
        return self.old != self.new and not both_nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two runs. What is equal is left out, but for metrics.

    Attributes:
        found: values that sweeps found.
        stages: how the work of each stage compares, in the order of the runs.
    """

    a: Side
    b: Side
    config: tuple[Setting, ...]
    found: tuple[Setting, ...]
    environment: tuple[Setting, ...]
    code: tuple[Code, ...]
    packages: tuple[Setting, ...]
    data: tuple[Data, ...]
    stages: Mapping[str, State]
    metrics: tuple[Figure, ...]

    @property
    def differs(self) -> bool:
        """Whether anything does but when, where and how fast it was done."""
        work = any(state not in ("same work", "no result") for state in self.stages.values())
        parts = (self.config, self.found, self.environment, self.code, self.packages, self.data)
        return work or any(parts) or any(figure.differs for figure in self.metrics)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        value = asdict(self)
        value["stages"] = dict(self.stages)
        return {"format": 1, "differs": self.differs, **value}


def compare(a: Mapping[str, Any], b: Mapping[str, Any], store: Store) -> Comparison:
    """Compares two runs by their records.

    Args:
        a: record of the one, the older mostly.
        b: record of the other.
        store: that both are in.
    """
    records = stage_records(a, store), stage_records(b, store)
    configs = a["facts"].get("config", {}), b["facts"].get("config", {})
    return Comparison(
        a=_side(a, store),
        b=_side(b, store),
        config=tuple(_config(*configs)),
        found=tuple(_found(*(_values(r, store, Params) for r in records))),
        environment=tuple(
            _settings(a["facts"].get("environment", {}), b["facts"].get("environment", {}))
        ),
        code=tuple(_code(*records)),
        packages=tuple(_settings(*(_merged(r, "packages") for r in records))),
        data=tuple(_data(*records, store)),
        stages=_states(a, b, *records),
        metrics=tuple(_figures(*(_values(r, store, Metrics) for r in records))),
    )


Records = Mapping[str, StageRecord]


def _side(record: Mapping[str, Any], store: Store) -> Side:
    facts = record["facts"]
    return Side(
        run=record["run"],
        recipe=record["recipe"],
        status=run_status(store, record),
        started=record["started"],
        seconds=facts.get("seconds"),
        overrides=tuple(facts.get("overrides", ())),
    )


def _config(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Setting]:
    for key in ("name", "seed", "run"):
        yield from (
            Setting(name=path, stages=(), old=old, new=new)
            for path, old, new in changed(a.get(key), b.get(key), key)
        )
    alike: dict[tuple[str, str, str], tuple[list[str], Any, Any]] = {}
    stages_a, stages_b = a.get("stages", {}), b.get("stages", {})
    for stage in (name for name in stages_a if name in stages_b):
        for path, old, new in changed(stages_a[stage], stages_b[stage]):
            same = (path, repr(old), repr(new))
            alike.setdefault(same, ([], old, new))[0].append(stage)
    for (path, _, _), (stages, old, new) in alike.items():
        yield Setting(name=path, stages=tuple(stages), old=old, new=new)


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Setting]:
    for name, old, new in changed(a, b, nested=False):
        yield Setting(name=name, stages=(), old=old, new=new)


def _merged(records: Records, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in records.values():
        found.update(record.hashed.get(key, {}))
    return found


def _code(a: Records, b: Records) -> Iterator[Code]:
    old, new = _merged(a, "versions"), _merged(b, "versions")
    told = set[tuple[str, str, str]]()
    for key in sorted(old.keys() & new.keys()):
        before, now = old[key], new[key]
        if before == now:
            continue
        if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
            yield Code(component=key, file="", parts=(), old=before, new=now)
            continue
        for file, one, other in changed(before, now, nested=False):
            if (file, str(one), str(other)) in told:
                continue  # of several components that use the file the first is named
            told.add((file, str(one), str(other)))
            parts = tuple(_parts(one, other))
            yield Code(component=key, file=file, parts=parts, old=one, new=other)


def _parts(old: str | None, new: str | None) -> Iterable[str]:
    if old is None or new is None:
        return ["the file is new" if old is None else "no longer used"]
    folder = outlines()
    before, now = recalled(folder, old), recalled(folder, new)
    return changed_parts(before, now) if before is not None and now is not None else []


def _data(a: Records, b: Records, store: Store) -> Iterator[Data]:
    for file, old, new in changed(_merged(a, "files"), _merged(b, "files"), nested=False):
        yield Data(name=file, old=(old or "")[:11], new=(new or "")[:11])
    sets = _datasets(a, store), _datasets(b, store)
    for name in dict.fromkeys([*sets[0], *sets[1]]):
        old, new = sets[0].get(name, ("", "")), sets[1].get(name, ("", ""))
        if old[0] != new[0]:
            yield Data(name=name, old=old[1], new=new[1])


def _datasets(records: Records, store: Store) -> dict[str, tuple[str, str]]:
    found = {}
    for stage, record in records.items():
        for port, artifact in record.outputs.items():
            if isinstance(artifact, Dataset):
                alone = StageResult(
                    action="reuse", reason="", status="done", outputs={port: artifact}
                )
                info = snapshot_of({stage: alone}, store) if store.has(artifact) else None
                words = f"{info.rows} rows, " if info is not None else ""
                found[f"{stage}.{port}"] = (artifact.digest, words + artifact.digest[:11])
    return found


def _states(
    a: Mapping[str, Any], b: Mapping[str, Any], of_a: Records, of_b: Records
) -> dict[str, State]:
    names = (list(r["facts"].get("order", r["stages"])) for r in (a, b))
    orders = [set(r["facts"].get("order", r["stages"])) for r in (a, b)]
    return {
        name: _state(of_a.get(name), of_b.get(name), name in orders[0], name in orders[1])
        for name in dict.fromkeys(n for some in names for n in some)
    }


def _state(a: StageRecord | None, b: StageRecord | None, in_a: bool, in_b: bool) -> State:
    if not in_b:
        return "only in a"
    if not in_a:
        return "only in b"
    if a is None or b is None:
        return "no result" if a is b else "other result"
    if a.fingerprint == b.fingerprint:
        return "same work"
    digests = [{port: artifact.digest for port, artifact in r.outputs.items()} for r in (a, b)]
    return "same result" if digests[0] == digests[1] else "other result"


Values = Mapping[str, Mapping[str, Any]]


def _values(records: Records, store: Store, kind: type[Any]) -> Values:
    """What JSON artifacts of a kind hold, by stage; what is no longer there is left out."""
    found: dict[str, dict[str, Any]] = {}
    for stage, record in records.items():
        for artifact in record.outputs.values():
            if isinstance(artifact, kind) and store.has(artifact):
                found.setdefault(stage, {}).update(store.read_json(artifact))
    return found


def _found(a: Values, b: Values) -> Iterator[Setting]:
    for stage in dict.fromkeys([*a, *b]):
        for one in _settings(a.get(stage, {}), b.get(stage, {})):
            yield Setting(name=one.name, stages=(stage,), old=one.old, new=one.new)


def _figures(a: Values, b: Values) -> Iterator[Figure]:
    for stage in dict.fromkeys([*a, *b]):
        one, other = a.get(stage, {}), b.get(stage, {})
        for name in sorted({*one, *other}):
            if not name.startswith("baseline_"):
                yield Figure(stage=stage, name=name, old=one.get(name), new=other.get(name))
