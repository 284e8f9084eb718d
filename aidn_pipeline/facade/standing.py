"""What the answer of an up-to-date run rests on, as the lines of a memo."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline import memo
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.code import INSTALLED
from aidn_pipeline.config.indexes import code_files
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.trust import decision_file, needs_trust
from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.fingerprint import files
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.facade.result import AiModelResult
from aidn_pipeline.facade.workspace import Workspace
from aidn_pipeline.store.store import Store

ASKING = ("force", "from", "no_cache", "frozen")
"""Keys of `run` that ask for work, or for a look, although nothing changed."""
MOST_FILES = 20_000
"""Files of configs and data; with more, each run looks at them in full."""


def remember(arguments: list[str], result: AiModelResult, text: str, *, began_ns: int) -> None:
    """Remembers the answer of a run that went through; not if something changed meanwhile.

    Args:
        arguments: of the command line.
        result: what came of it.
        text: the answer that the same command gives while nothing changes.
        began_ns: when the command began, in nanoseconds since the epoch.
    """
    if result.workspace is None or result.smoke:
        return
    if any(result.config["run"].get(key) for key in ASKING):
        return
    if any(stage.status not in ("done", "skipped") for stage in result.stages.values()):
        return
    try:
        lines = [*_read(result, result.workspace, began_ns), *_made(result, result.workspace)]
    except (memo.Changed, OSError):
        return
    memo.keep(arguments, lines, text)


def _read(result: AiModelResult, workspace: Workspace, began_ns: int) -> Iterator[bytes]:
    """What was read: configs and code, data, the environment."""
    yield from configs(workspace, began_ns)
    for path in sorted(set(_data(result.config["stages"], workspace.index))):
        yield from _content(workspace.project.root / path, began_ns)
    for name in result.experiment_info.environment.get("variables", {}):
        yield memo.of_variable(name)
    for path in sys.path:
        if path.endswith(INSTALLED) and Path(path).is_dir():
            yield memo.of_folder(path, b"i", before_ns=began_ns)


def configs(workspace: Workspace, began_ns: int) -> Iterator[bytes]:
    """What recipes, presets and components a project has rests on.

    Args:
        workspace: of the project.
        began_ns: when they were begun to be read, in nanoseconds since the epoch.

    Raises:
        Changed: if one was changed since, or just before.
        OSError: if one cannot be read.
    """
    project = workspace.project
    roots = [*project.recipes_dirs, *project.conf_dirs, data_folder("recipes"), data_folder("conf")]
    named = {root.resolve(): None for root in roots}
    for root in named:
        yield from _folder(root, b"y", began_ns)
    yield from _around(project, began_ns)
    yield memo.of_file(str(data_folder("schemas") / "components.json"), before_ns=began_ns)
    if needs_trust(project):
        yield from _code(project, began_ns)


def _around(project: Project, began_ns: int) -> Iterator[bytes]:
    """What makes this folder the project: its settings, and nothing nearer."""
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        settings = folder / "pyproject.toml"
        if settings.exists():
            yield memo.of_file(str(settings), before_ns=began_ns)
        else:
            yield memo.of_nothing(str(settings))
        if folder == project.root:
            for name in ("recipes", "conf", "src"):
                if not (folder / name).exists():
                    yield memo.of_nothing(str(folder / name))
            return
        yield memo.of_nothing(str(folder / "recipes"))


def _code(project: Project, began_ns: int) -> Iterator[bytes]:
    code = code_files(project)
    for folder in sorted({*project.import_paths, *(file.parent for file in code)}):
        yield memo.of_folder(str(folder), b"p", before_ns=began_ns)
    for file in code:
        yield memo.of_file(str(file), before_ns=began_ns)
    decision = decision_file(project)
    if decision.exists():
        yield memo.of_file(str(decision), before_ns=began_ns)


def _data(stages: Mapping[str, Any], index: Index) -> Iterator[str]:
    for description in stages.values():
        yield from files(index, index.find("stage", description["use"]), description)


def _content(path: Path, began_ns: int) -> Iterator[bytes]:
    if path.is_dir():
        yield from _folder(path, b"a", began_ns)
    elif path.exists():
        yield memo.of_file(str(path), before_ns=began_ns)
    else:
        yield memo.of_nothing(str(path))


def _folder(root: Path, kind: bytes, began_ns: int) -> Iterator[bytes]:
    """A folder with all below it that counts."""
    files = 0
    endings = tuple(map(os.fsdecode, memo.KINDS[kind]))
    for folder, inner, names in os.walk(root):
        inner.sort()
        yield memo.of_folder(folder, kind, before_ns=began_ns)
        for name in sorted(name for name in names if name.endswith(endings)):
            files += 1
            if files > MOST_FILES:
                raise memo.Changed(f"{root} has more than {MOST_FILES} files")
            yield memo.of_file(str(Path(folder, name)), before_ns=began_ns)


def _made(result: AiModelResult, workspace: Workspace) -> Iterator[bytes]:
    """What was made: the outputs, the journal that knows them, the bundle."""
    artifacts = {
        artifact.digest: artifact
        for stage in result.stages.values()
        for artifact in stage.outputs.values()
    }
    with workspace.open_store() as store:
        journal = store.records.path
        size = journal.stat().st_size
        _refuse_other(result, store)
        work = [stage.fingerprint for stage in result.stages.values() if stage.fingerprint]
        yield memo.of_journal(str(journal), size, work)
        yield memo.of_output(str(store.root / "format.json"))
        for artifact in artifacts.values():
            yield from map(memo.of_output, _objects(artifact, store))
    if result.bundle is not None:
        for folder, inner, names in os.walk(result.bundle):
            inner.sort()
            # Nobody but this command writes there, and what others change is seen by its names.
            yield memo.of_folder(folder, b"a", before_ns=sys.maxsize)
            yield from (memo.of_output(str(Path(folder, name))) for name in sorted(names))


def _refuse_other(result: AiModelResult, store: Store) -> None:
    """Refuses an answer whose results another run has replaced, or that somebody accepted."""
    for name, stage in result.stages.items():
        record = store.records.stage(stage.fingerprint) if stage.fingerprint else None
        if record is not None and (record.accepted or _digests(record) != _digests(stage)):
            raise memo.Changed(name)


def _digests(made: StageRecord | StageResult) -> dict[str, str]:
    return {port: artifact.digest for port, artifact in made.outputs.items()}


def _objects(artifact: Artifact, store: Store) -> Iterator[str]:
    yield str(store.objects.path(artifact.digest))
    if artifact.folder:
        for ref in store.objects.tree(artifact.digest).values():
            yield str(store.objects.path(ref.digest))
