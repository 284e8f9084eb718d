"""A project's code as a run began with it: what is imported later must still be that.

A fingerprint says which code made a result, by what was read when the run was planned. A process of
its own imports a stage's code when it starts, hours later perhaps, and its file may be another one.
"""

from collections.abc import Mapping
from pathlib import Path

from aidn_pipeline.core.index import Index
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
    spec = index.find("stage", stage["use"])
    paths = {path for _, inner, _, _ in components(index, spec, stage) for path in inner.code}
    changed = [
        path
        for path in sorted(paths & sources.keys())
        if not (project / path).is_file() or hash_file(project / path) != sources[path]
    ]
    if changed:
        raise StageFailed(
            f"the code of stage {name!r} was edited while the run was going",
            where=", ".join(changed),
            remedy="run the same command again: it uses the new code, and what that does not "
            "concern is reused",
        )
