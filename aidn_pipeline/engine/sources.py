"""A project's code as a run began with it: what is imported later must still be that.

A fingerprint says which code made a result, by what was read when the run was planned. A process of
its own imports a stage's code when it starts, hours later perhaps, and its file may be another one;
the runner's own process does so as well, once, and has the code in its memory from then on.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from aidn_pipeline.core.describe import load_target
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.core.stage import Description
from aidn_pipeline.engine.fingerprint import components
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.store.objects import hash_file


def sources_of(index: Index, project: Path) -> dict[str, str]:
    """Digests of the bytes of every file of the project that a component's code consists of."""
    paths = sorted({path for spec in index for path in spec.code})
    return {path: hash_file(project / path) for path in paths if (project / path).is_file()}


def refuse_changed(
    sources: Mapping[str, str], name: str, stage: Description, index: Index, project: Path
) -> None:
    """Refuses a stage whose code was edited since the run began.

    Args:
        sources: as `sources_of` gave it then.
        name: of the stage.
        stage: its description.
        index: the components.
        project: the project's root.

    Raises:
        StageFailed: naming the files.
    """
    paths = {path for inner in _with_code(stage, index) for path in inner.code}
    changed = [path for path in sorted(paths & sources.keys()) if not _is(path, sources, project)]
    if changed:
        raise StageFailed(
            f"the code of stage {name!r} was edited while the run was going",
            where=", ".join(changed),
            remedy="run the same command again: it uses the new code, and what that does not "
            "concern is reused",
        )


class Imported:
    """The project's code in the runner's own process: what is imported there stays what it was."""

    def __init__(self, index: Index, project: Path) -> None:
        """Notes the code as it is now; what is imported already is known to be that."""
        self._index = index
        self._project = project
        self._waiting = sources_of(index, project)
        self._forget(self._loaded())

    def bring(self, name: str, stage: Description) -> None:
        """Imports the code of a stage, unless it was edited before that.

        Raises:
            StageFailed: naming the files.
        """
        if not self._waiting:
            return
        refuse_changed(self._waiting, name, stage, self._index, self._project)
        for inner in _with_code(stage, self._index):
            # What cannot be imported is told when the stage is built.
            with suppress(Exception):
                load_target(inner)
        loaded = self._loaded()
        # Once more: it may have been edited between the look and the import.
        refuse_changed(self._waiting, name, stage, self._index, self._project)
        self._forget(loaded)

    def _loaded(self) -> set[str]:
        files = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
        return {path for path in self._waiting if str(self._project / path) in files}

    def _forget(self, loaded: set[str]) -> None:
        kept = {path for path in loaded if _is(path, self._waiting, self._project)}
        self._waiting = {path: d for path, d in self._waiting.items() if path not in kept}


def _with_code(stage: Description, index: Index) -> Iterator[ComponentSpec]:
    spec = index.find("stage", stage["use"])
    return (inner for _, inner, _, _ in components(index, spec, stage) if inner.code)


def _is(path: str, sources: Mapping[str, str], project: Path) -> bool:
    file = project / path
    return file.is_file() and hash_file(file) == sources[path]
