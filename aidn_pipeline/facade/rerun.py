"""A run done again: with its configuration and its data, held against what it came to."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aidn_pipeline.config.selection import forced
from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.fingerprint import configuration
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.engine.reasons import changed, code_changes, show
from aidn_pipeline.errors import NotReproduced, NotReproducible
from aidn_pipeline.facade.handed import is_handed
from aidn_pipeline.facade.runs import stage_records
from aidn_pipeline.store.store import Store

SHOWN = 6
"""Outputs that are told of at once."""
Outputs = Mapping[str, Mapping[str, str]]
"""Digests by stage and port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What a run that is one again came to.

    Attributes:
        of: id of the run that was done again.
        changed: code and packages that are not those of that run.
        expected: digests of that run's outputs, by stage and port.
        differs: outputs with other bytes, as `stage.port`; None before they are known.
        compared: how many outputs were compared.
    """

    of: str
    changed: tuple[str, ...] = ()
    expected: Outputs
    differs: tuple[str, ...] | None = None
    compared: int = 0

    @property
    def same(self) -> bool | None:
        """Whether all bytes are the same; None if that is not known."""
        return None if self.differs is None or not self.compared else not self.differs

    def to_json(self) -> dict[str, Any]:
        """The `rerun` object of `--json`."""
        return {
            "of": self.of,
            "changed": list(self.changed),
            "same": self.same,
            "differs": list(self.differs or ()),
        }

    def to_facts(self) -> dict[str, Any]:
        """The form in the record of the run."""
        expected = {name: dict(ports) for name, ports in self.expected.items()}
        return {"of": self.of, "changed": list(self.changed), "outputs": expected}

    def with_outputs(self, stages: Mapping[str, StageResult]) -> "Rerun":
        """The same, held against what the stages gave."""
        pairs = {
            f"{name}.{port}": (digest, stages[name].outputs[port].digest)
            for name, ports in self.expected.items()
            for port, digest in ports.items()
            if name in stages and port in stages[name].outputs
        }
        differs = tuple(key for key, (old, new) in pairs.items() if old != new)
        return replace(self, differs=differs, compared=len(pairs))

    def __str__(self) -> str:
        if self.differs is None:
            return f"of {self.of}"
        if self.differs:
            few = ", ".join(self.differs[:SHOWN])
            more = f" and {len(self.differs) - SHOWN} more" if len(self.differs) > SHOWN else ""
            return f"of {self.of}: other bytes in {few}{more}"
        outputs = "its 1 output" if self.compared == 1 else f"all {self.compared} outputs"
        return f"of {self.of}: the same bytes in {outputs}"

    def refuse_differing(self) -> None:
        """Checks that all bytes are the same.

        Raises:
            NotReproduced: naming the outputs.
        """
        if self.differs:
            raise NotReproduced(
                f"the rerun {self}",
                where=f"run {self.of}",
                remedy="code that draws random numbers takes them from `ctx.rng(NAME)`; the same "
                "command without --strict keeps the result",
            )


def rerun_recorded(record: Mapping[str, Any], stages: Mapping[str, StageResult]) -> Rerun | None:
    """What the record of a run says of the one that it did again; None if it is no such run."""
    facts = record["facts"].get("rerun")
    if facts is None:
        return None
    found = Rerun(of=facts["of"], changed=tuple(facts["changed"]), expected=facts["outputs"])
    return found.with_outputs(stages)


def planned_rerun(record: Mapping[str, Any] | None, notes: Sequence[str]) -> dict[str, Any] | None:
    """The `rerun` object of a plan: what has changed is among its notes, the bytes are not known.

    Args:
        record: of the run that would be done again; None if it is none.
        notes: of the pipeline that is planned.
    """
    if record is None:
        return None
    since = _since(record)
    told = tuple(note.removeprefix(since) for note in notes if note.startswith(since))
    return Rerun(of=record["run"], changed=told, expected={}).to_json()


def _since(record: Mapping[str, Any]) -> str:
    return f"since run {record['run']}: "


def held_to(
    spec: PipelineSpec, record: Mapping[str, Any], store: Store, index: Index, project: Path
) -> tuple[PipelineSpec, Rerun]:
    """The pipeline with the data of the run that it is again, and what it is held against.

    The results of stages that read the outside are taken from the run: their files may have
    changed since.

    Args:
        spec: of the run, as `recorded_spec` gives it.
        record: of the run.
        store: where it was made.
        index: the components as they are now.
        project: the root that paths are against.

    Raises:
        NotReproducible: if a file has changed and what was read of it is gone; if `run.strict` is
            set and code or packages have changed.
    """
    before, anew = stage_records(record, store), forced(spec)
    stages, changes = dict[str, StageSpec](), dict[str, list[str]]()
    notes: list[str] = []
    for name, stage in spec.stages.items():
        old = before.get(name)
        if old is None or stage.skip:
            stages[name] = stage
            continue
        now = configuration(index, stage.stage, seed=spec.seed, project=project)
        files, since = _moved(old, now), list(_changes(old, now))
        reads = not stage.inputs and any(isinstance(a, Dataset) for a in old.outputs.values())
        handed = is_handed(stage)
        if files or handed or (since and reads and name not in anew):
            if not old.is_withdrawn and store.hold(old.outputs.values(), old.fingerprint):
                stages[name] = replace(stage, taken=old.fingerprint)
                why = "; ".join([*(f"{path} changed" for path in files), *since])
                if why:
                    notes.append(f"{name} is taken from run {record['run']}, since when {why}")
                continue
            if handed:
                raise _lost(name, record)
            if files:
                raise _gone(name, files, old, record)
        stages[name] = stage
        for text in since:
            changes.setdefault(text, []).append(name)
    told = tuple(f"{text} ({_few(names)})" for text, names in changes.items())
    held = Rerun(of=record["run"], changed=told, expected=_outputs(before))
    if told and spec.run.get("strict"):
        raise NotReproducible(
            f"since run {record['run']}: {'; '.join(told)}",
            where=spec.origins.get("run.strict", "run.strict"),
            remedy="bring back what has changed, or leave out --strict: the bytes are compared",
        )
    notes += [f"{_since(record)}{text}" for text in told]
    return replace(spec, stages=stages, notes=(*spec.notes, *notes)), held


def _moved(old: StageRecord, now: Mapping[str, Any]) -> list[str]:
    """Files that are not what the stage read."""
    return [
        path
        for path, digest in old.hashed.get("files", {}).items()
        if now["files"].get(path) != digest
    ]


def _changes(old: StageRecord, now: Mapping[str, Any]) -> Iterator[str]:
    yield from code_changes(old.hashed.get("versions", {}), now["versions"])
    for name, a, b in changed(old.hashed.get("packages", {}), now["packages"]):
        yield f"package {name} {show(a)} -> {show(b)}"
    for what, is_now in (("python", _minor(platform.python_version())), ("machine", MACHINE)):
        was = old.observed.get(what, is_now)
        was = _minor(was) if what == "python" else was
        if was != is_now:
            yield f"{what} {was} -> {is_now}"


MACHINE = platform.machine()


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _gone(
    name: str, files: Sequence[str], old: StageRecord, record: Mapping[str, Any]
) -> NotReproducible:
    digest = old.hashed["files"][files[0]]
    return NotReproducible(
        f"{', '.join(files)} changed since run {record['run']}, and what stage {name!r} made of it "
        "is no longer in the store",
        where=files[0],
        remedy=f"put the file back as it was, {digest[:15]}...: then it is read again",
    )


def _lost(name: str, record: Mapping[str, Any]) -> NotReproducible:
    return NotReproducible(
        f"the data that a program handed over for run {record['run']} are no longer in the store",
        where=f"stages.{name}.source",
        remedy="hand them over again: `AiModelBuilder.from_recipe(...).build((X, y))`",
    )


def _outputs(before: Mapping[str, StageRecord]) -> dict[str, dict[str, str]]:
    return {
        name: {port: artifact.digest for port, artifact in old.outputs.items()}
        for name, old in before.items()
    }


def _few(names: Sequence[str]) -> str:
    # Cells of a matrix are told under its name.
    found = list(dict.fromkeys(name.partition("[")[0] for name in names))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
