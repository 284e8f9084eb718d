"""A workspace: the project around a folder, with its components and its store."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from aidn_pipeline.config.editor import refresh
from aidn_pipeline.config.indexes import load_index, refuse_stale_components
from aidn_pipeline.config.project import Project, find_project
from aidn_pipeline.config.trust import needs_trust
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.fingerprint import components
from aidn_pipeline.store.store import Store

BUNDLES = "bundles"
"""Folder of the project that servable bundles are checked out to."""


@contextmanager
def empty_store() -> Iterator[Store]:
    """A store in a folder that goes at the end of the block."""
    with TemporaryDirectory(prefix="aidn-") as folder, Store.open(Path(folder)) as store:
        yield store


def is_store(root: Path) -> bool:
    """Whether a store is there; one that may not be looked at is, and opening it says why."""
    try:
        return (root / "format.json").exists()
    except OSError:
        return True


@dataclass(frozen=True, slots=True)
class Workspace:
    """What everything that reads or runs starts from.

    Attributes:
        project: where it is, and what it names.
        index: all components that may be named in it.
    """

    project: Project
    index: Index

    @classmethod
    def around(cls, start: Path | None = None) -> "Workspace":
        """The workspace around a folder; the working folder by default.

        Raises:
            NotTrusted: if it names code of its own and nobody trusted it.
            ConfigError: if `[tool.aidn]` or that code cannot be read.
        """
        project = find_project(start)
        index = load_index(project)
        if needs_trust(project):
            # Python takes compiled code for current whose source has the same size and second: an
            # edit right after an import would not be seen, so none is left of what is edited.
            sys.dont_write_bytecode = True
            # Trusted, or `load_index` would have refused: its modules may be imported by name.
            for path in reversed(project.import_paths):
                if str(path) not in sys.path:
                    sys.path.insert(0, str(path))
        return cls(project, index)

    def read_again(self) -> "Workspace":
        """The workspace with the project's components as their files are now.

        Raises:
            NotTrusted: if what it names has changed and nobody trusted it.
            ConfigError: if its code cannot be read.
        """
        return replace(self, index=load_index(self.project)) if needs_trust(self.project) else self

    def refresh_schemas(self) -> None:
        """Writes what the project's editor reads, where it is older than what it is made from."""
        refresh(self.project, self.index)

    def refuse_stale(self, spec: PipelineSpec, index: Index) -> None:
        """Checks that what a pipeline would run in this process is what was fingerprinted.

        Raises:
            ConfigError: for a module that was edited or changed since it was imported.
        """
        if needs_trust(self.project):
            used = [
                inner
                for stage in spec.stages.values()
                for _, inner, _, _ in components(
                    index, index.find("stage", stage.stage["use"]), stage.stage
                )
            ]
            refuse_stale_components(self.project, used)

    @property
    def has_store(self) -> bool:
        """Whether anything was ever run here."""
        return is_store(self.project.store_root)

    @contextmanager
    def readable(self) -> Iterator[Store]:
        """The store; where nothing was ever run an empty one elsewhere, so that nothing is made.

        Raises:
            StoreError: if it cannot be used.
        """
        with self.open_store() if self.has_store else empty_store() as store:
            yield store

    def open_store(self, durability: str = "full") -> Store:
        """Opens the store, making it if there is none.

        Raises:
            StoreError: if it cannot be used.
        """
        return Store.open(self.project.store_root, durability=durability)

    def set_aside_damaged(self, paths: Iterable[str]) -> None:
        """Hashes objects of the store; what made a damaged one is run again.

        Args:
            paths: files that were changed by something else; others than objects are left alone.

        Raises:
            StoreError: if the store cannot be used.
        """
        folder = self.project.store_root / "objects"
        files = [Path(path) for path in paths]
        objects = [f"b3:{f.parent.name}{f.name}" for f in files if f.parent.parent == folder]
        if not objects:
            return
        with self.open_store() as store:
            for digest in objects:
                if store.objects.damage(digest):
                    store.objects.set_aside(digest)
