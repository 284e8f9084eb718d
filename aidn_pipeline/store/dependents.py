"""What depends on an object, and the command that makes it again."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aidn_pipeline.store.facts import Contents, Facts, ids_in, input_ids, record_ids, stage_name

POINTS = "metric points"
"""The port of what no later stage reads: only a forced run makes it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependents:
    """What depends on an object.

    Attributes:
        made_by: `stage.port` of the work that gave it.
        stages: names of the stages that worked on it, directly or through others.
        runs: ids of the runs that hold any of these, the newest first.
        models: versions, as `digits@1`.
        bundles: ids of the bundles that it went into.
        command: what makes it again; empty if nothing that is recorded does.
    """

    made_by: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """The `used_by` of a finding."""
        return {
            "made_by": list(self.made_by),
            "stages": list(self.stages),
            "runs": list(self.runs),
            "models": list(self.models),
            "bundles": list(self.bundles),
        }

    def __str__(self) -> str:
        parts = [
            ("", self.made_by),
            ("stages ", self.stages),
            ("runs ", self.runs),
            ("models ", self.models),
            ("bundles ", tuple(digest[:15] for digest in self.bundles)),
        ]
        told = [word + _few(names) for word, names in parts if names]
        return "; ".join(told) or "nothing that is recorded"


def _few(names: tuple[str, ...], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


class Uses:
    """Who uses which object, by the records of a store."""

    def __init__(self, facts: Facts, contents: Contents) -> None:
        self._facts = facts
        self._makers: dict[str, list[tuple[str, str]]] = {}
        self._wholes: dict[str, set[str]] = {}
        self._readers: dict[str, list[str]] = {}
        self._models: dict[str, list[str]] = {}
        for fingerprint, record in facts.stages.items():
            for port, digest, folder in record_ids(record):
                for part in (digest, *((contents.files(digest) or ()) if folder else ())):
                    self._makers.setdefault(part, []).append((fingerprint, port))
                    self._wholes.setdefault(part, set()).add(digest)
            for digest in input_ids(record):
                self._readers.setdefault(digest, []).append(fingerprint)
        for (kind, _), value in facts.names.items():
            if kind == "version":
                for digest, _ in ids_in(value):
                    for part in (digest, *self._files(digest, contents)):
                        model = f"{value['name']}@{value['version']}"
                        if model not in self._models.setdefault(part, []):
                            self._models[part].append(model)

    def _files(self, digest: str, contents: Contents) -> Iterable[str]:
        return (contents.files(digest) or ()) if digest in self._facts.folders else ()

    def of(self, digest: str) -> Dependents:
        """What depends on an object."""
        makers = self._makers.get(digest, [])
        later = self._later(self._wholes.get(digest, set()))
        models = list(self._models.get(digest, ()))
        bundles = []
        for fingerprint in dict.fromkeys([*(maker for maker, _ in makers), *later]):
            for output in self._facts.stages[fingerprint]["outputs"].values():
                models += self._models.get(output["digest"], ())
                if output["kind"] == "bundle":
                    bundles.append(output["digest"])
        touched = {fingerprint for fingerprint, _ in makers} | set(later)
        return Dependents(
            made_by=_once(f"{self._name(f)}.{port}" for f, port in makers),
            stages=_once(self._name(f) for f in later),
            runs=tuple(self._runs(touched)),
            models=_once(models),
            bundles=_once(bundles),
            command=self._command(makers),
        )

    def _name(self, fingerprint: str) -> str:
        return stage_name(self._facts.stages[fingerprint])

    def _later(self, artifacts: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        pending = list(artifacts)
        while pending:
            for reader in self._readers.get(pending.pop(), ()):
                if reader not in found:
                    found[reader] = None
                    outputs = self._facts.stages[reader]["outputs"].values()
                    pending += (output["digest"] for output in outputs)
        return list(found)

    def _runs(self, fingerprints: set[str]) -> list[str]:
        did = {self._facts.stages[f]["observed"].get("run") for f in fingerprints}
        return [
            run
            for run, record in reversed(self._facts.runs.items())
            if run in did or fingerprints & set(record["stages"].values())
        ]

    def _command(self, makers: list[tuple[str, str]]) -> str:
        for fingerprint, port in reversed(makers):
            for run in self._runs({fingerprint}):
                return command(self._facts.runs[run], self._facts.stages[fingerprint], port)
        return ""


def command(run: Mapping[str, Any], record: Mapping[str, Any], port: str) -> str:
    """The command that makes an output of a run's stage again once it is missing."""
    facts, parent = run["facts"], record["observed"].get("parent")
    words = ["aidn-run", f"recipe={facts.get('asked', run['recipe'])}", *facts.get("overrides", ())]
    # A finished stage is not asked again for what only it had use for.
    if parent or port == POINTS:
        words += ["--force", str(parent or stage_name(record))]
    return " ".join(map(shlex.quote, words))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
