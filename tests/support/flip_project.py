"""The bench of a project: a bundle that is served, a trained model, the list of components."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.data.dataset import DatasetView
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.servable import Servable
from aidn_pipeline.store.repair import repair
from aidn_pipeline.store.store import Store
from support.flips import WrongResult, clone
from support.mill import write_mill

TRAINED = ("digits_train", "trainer.epochs=1", "~stages.register.gate")
PLAIN = ("small", "run.durability=process")
BUNDLE = Path("bundles") / "digits" / "1"
CACHE = "cached"
"""The user's cache, in the project: what is in it is flipped as well."""


class ProjectBench:
    """A project with code of its own, in which a model was trained. Needs `AIDN_TRUST=1`."""

    unmended = frozenset({"bundle document", "bundle weights", "project journal"})

    def __init__(self, folder: Path) -> None:
        # What is cached depends on the project's path: all is made where the copies will be.
        self.root, self.copy = folder / "sound", folder / "project"
        self.copy.mkdir(parents=True)
        write_mill(self.copy)
        self._trained = facts_of(self._built(TRAINED))
        self._plain = facts_of(self._built(PLAIN))
        self._served = self._answers()
        clone(self.copy, self.root, lambda _: True)
        self.kinds: Mapping[str, Sequence[Path]] = {
            "bundle document": [BUNDLE / "model.json"],
            "bundle weights": [BUNDLE / "weights.safetensors"],
            "components": self._below(CACHE),
            "trained": self._below(".aidn/objects"),
            "project journal": self._below(".aidn/journal"),
        }

    def _below(self, place: str) -> list[Path]:
        found = (p for p in (self.root / place).rglob("*") if p.is_file() and p.stat().st_size)
        return sorted(path.relative_to(self.root) for path in found)

    def _built(self, words: Sequence[str]) -> AiModelResult:
        recipe, *changes = words
        builder = AiModelBuilder.from_recipe(recipe, self.copy).configure(*changes)
        builder.plan()
        return builder.build().check()

    def _answers(self) -> dict[str, Any]:
        model = Servable.load(self.copy / BUNDLE)
        example = model.example
        return {
            "name": model.name,
            "version": model.version,
            "signature": model.signature,
            "example": example,
            "answers": model.predict([example, [0.0] * 64, [8.0] * 64]),
        }

    def use(self, kind: str) -> str:
        """Loads and predicts; runs again, opens what was made, and predicts."""
        if kind.startswith("bundle"):
            _same("served", self._answers(), self._served)
            return ""
        if kind == "components":
            _same("plain", facts_of(self._built(PLAIN)), self._plain)
            return ""
        _same("trained", facts_of(self._built(TRAINED)), self._trained)
        _same("plain", facts_of(self._built(PLAIN)), self._plain)
        return ""

    def repair(self) -> None:
        """`aidn-run check --repair`."""
        with Store.open(self.copy / ".aidn", durability="process") as store:
            repair(store)


def facts_of(result: AiModelResult) -> dict[str, Any]:
    """What a run gave: ids, metrics, what its artifacts say when they are opened, answers."""
    ids = {
        name: {port: artifact.digest for port, artifact in ended.outputs.items()}
        for name, ended in result.stages.items()
    }
    opened = {
        f"{name}.{port}": _read(result.artifact(f"{name}.{port}"))
        for name, ended in result.stages.items()
        for port in ended.outputs
    }
    again = AiModelResult.of_run(result.run or "", result.project)
    facts = {"ids": ids, "opened": opened, "metrics": dict(result.metrics)}
    facts["again"] = [dict(again.metrics), again.model]
    if "train" in result.stages:
        facts["answers"] = result.predict([[0.0] * 64, [8.0] * 64])
    return facts


def _read(value: Any) -> Any:
    if isinstance(value, DatasetView):
        return [value.table().to_pydict(), value.signature]
    if isinstance(value, Mapping):
        return {name: _read(part) for name, part in value.items()}
    return value.read_bytes() if isinstance(value, Path) else value


def _same(what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    wrong = [key for key in expected if found.get(key) != expected[key]]
    if wrong:
        raise WrongResult(f"{what}: {wrong}: {str(found[wrong[0]])[:200]}")
