"""The store: one folder, opened once, with everything it can do behind a few verbs."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.core.stage import FileRef
from aidn_pipeline.errors import CorruptObject, NewerFormat
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.group import Group
from aidn_pipeline.store.holders import Holders
from aidn_pipeline.store.locks import Locks
from aidn_pipeline.store.mounts import refuse_unsafe
from aidn_pipeline.store.objects import Objects, blocks_of, hash_file
from aidn_pipeline.store.pins import Pins
from aidn_pipeline.store.places import refuse_foreign, refuse_leading_out
from aidn_pipeline.store.records import Records
from aidn_pipeline.store.scratch import Scratch
from aidn_pipeline.store.work import Work

FORMAT = 1
LONGEST_HEADER = 4096
"""Bytes; no release writes as many."""
HEADER = canonical_json({"format": FORMAT, "hash": "b3"}) + b"\n"


class Store:
    """An open store; see `docs/format.md`. Close it, or use it in a `with` block.

    Attributes:
        root: its folder.
        objects: bytes by id.
        records: facts by kind and key.
        locks: names held by live processes.
        group: work that is committed together.
        holders: who works on what.
    """

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self.disk = disk
        self.locks = Locks(root / "locks")
        self.scratch = Scratch(root, disk, self.locks)
        self.pins = Pins(disk, self.locks, self.scratch)
        self.objects = Objects(root, disk, self.scratch, self.pins)
        self.records = Records(root, disk, self.locks)
        self.group = Group(self.records, self.objects, self.locks)
        self.holders = Holders(root, disk, self.locks, self.scratch)

    @classmethod
    def open(cls, root: Path, *, durability: str = "full", disk: Disk | None = None) -> "Store":
        """Opens the store in `root`, making it if there is none.

        Args:
            root: the store's folder.
            durability: `full` survives a power cut, `process` the death of processes.
            disk: the file system; tests pass one that fails.

        Raises:
            NewerFormat: if a later release wrote it; nothing is touched.
            CorruptObject: if its header or journal is damaged, or something in it leads elsewhere.
            NoLocks: if it lies on a network file system whose locks cannot be trusted.
            StorageUnwritable: if it cannot be written, or belongs to another user.
            StorageFull: if there is no space.
        """
        disk = disk or Disk(durable=durability == "full")
        header = root / "format.json"
        with typed(root, "opening the store"):
            refuse_foreign(root)
            refuse_leading_out(root)
            if header.exists():
                check_header(header)
            disk.make_folder(root)
            if not os.access(root, os.W_OK):
                raise PermissionError(13, "the folder is not writable", str(root))
            refuse_unsafe(root, disk)
            locks = Locks(root / "locks")
            with locks.hold("format"):
                if not header.exists():
                    _write_header(header, disk)
            return cls(root, disk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commits what waits, removes this process's temporary folder and closes the index."""
        try:
            self.group.flush()
        finally:
            self.pins.close()
            self.holders.close()
            with typed(self.root, "closing the store"):
                self.scratch.close()
            self.records.close()

    def recover(self) -> None:
        """Clears away what dead processes left: temporary folders, work that was committed."""
        with typed(self.root, "recovering the store"):
            self.scratch.sweep()
            folder = self.root / "work"
            for work in sorted(folder.iterdir()) if folder.is_dir() else ():
                self._tidy(work)

    def _tidy(self, folder: Path) -> None:
        fd = self.locks.acquire(f"work/{folder.name}", wait=False)
        if fd is None:
            return
        try:
            if not folder.is_dir():
                return  # committed and removed by its owner in the meantime
            attempts = [e for e in self.work(folder.name).entries() if e["kind"] == "attempt"]
            record = self.records.stage(attempts[-1]["fingerprint"]) if attempts else None
            # Work whose outputs got lost is being done again: its progress is kept.
            kept = record is not None and not record.is_withdrawn
            done = record is not None and kept and all(map(self.has, record.outputs.values()))
            if done or not attempts:
                self.scratch.discard(folder)
        finally:
            self.locks.release(fd)

    def work(self, family: str) -> Work:
        """The folder of unfinished work, by the hex digits of its family."""
        return Work(self.root / "work" / family, self.disk, self.scratch, self.group.flush)

    def has(self, artifact: Artifact) -> bool:
        """Whether an artifact's files are present with their sizes."""
        if not artifact.folder:
            return self.objects.has(artifact.digest, artifact.size)
        try:
            files = self.objects.tree(artifact.digest)
        except CorruptObject:
            return False
        return all(self.objects.has(ref.digest, ref.size) for ref in files.values())

    def hold(self, artifacts: Iterable[Artifact], *work: str) -> bool:
        """Whether artifacts are present; if so, no `gc` removes them until this store is closed.

        Args:
            artifacts: what is needed.
            work: fingerprints of committed work that is needed whole, with its metric points.
        """
        wanted = list(artifacts)
        self.pins.add([*work, *(artifact.digest for artifact in wanted)])
        return all(map(self.has, wanted))

    def refs(self, artifact: Artifact) -> Mapping[str, FileRef]:
        """The files of an artifact; a single file has the name ''."""
        if artifact.folder:
            return self.objects.tree(artifact.digest)
        return {"": FileRef(artifact.digest, artifact.size)}

    def files(self, artifact: Artifact) -> Mapping[str, Path]:
        """Verified paths of an artifact's files; a single file has the name ''.

        Raises:
            CorruptObject: if a byte is wrong or missing.
        """
        return {
            name: self.objects.verified(ref.digest) for name, ref in self.refs(artifact).items()
        }

    def read_json(self, artifact: Artifact) -> Any:
        """The object that a JSON artifact holds.

        Raises:
            CorruptObject: if its bytes are damaged, or no JSON object.
        """
        try:
            value = json.loads(self.objects.read(artifact.digest))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise CorruptObject(
                f"the {artifact.kind} {artifact.digest[:15]}... is no JSON object",
                where=str(self.objects.path(artifact.digest)),
                remedy="run the same command with `--force` and the stage that made it",
            )
        return value

    def mint(self, noun: str, name: str, digest: str, facts: Any) -> int:
        """The version number of (noun, name, digest): the same one each time, never reused."""
        with self.locks.hold("version"):
            versions = [
                v for v in self.records.iterate("version") if (v["noun"], v["name"]) == (noun, name)
            ]
            for version in versions:
                if version["digest"] == digest:
                    return int(version["version"])
            number = 1 + max((int(v["version"]) for v in versions), default=0)
            value = {
                "noun": noun,
                "name": name,
                "version": number,
                "digest": digest,
                "facts": facts,
            }
            self.records.append("version", f"{noun}/{name}/{number}", value)
            return number

    def checkout(self, artifact: Artifact, target: Path) -> None:
        """Copies an artifact's files to a folder of the user's, whole or not at all.

        A folder that already holds exactly these bytes is left alone.

        Raises:
            CorruptObject: if the store's bytes are damaged.
            StorageFull: if there is no space; the target is as it was.
        """
        files = self.files(artifact)
        with typed(target, "writing the folder"), self.locks.hold(f"checkout/{target}"):
            fresh, old = (target.with_name(f".{target.name}.{end}") for end in ("new", "old"))
            # Fixed names: what a kill left behind is found and removed here.
            for leftover in (fresh, old):
                if leftover.exists():
                    self.disk.remove(leftover)
            if holds(target, self.refs(artifact)):
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with _staging(target, fresh, old, self.disk) as staging:
                for name, path in files.items():
                    place = staging / (name or target.name)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    self.disk.before("copy", place)
                    self._copy(path, place)

    def _copy(self, source: Path, target: Path) -> None:
        # For people, so with the modes that their umask says; nothing is written through a link.
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(target, how, 0o666)
        with os.fdopen(fd, "wb") as file:
            for block in blocks_of(source):
                file.write(block)
            file.flush()
            self.disk.sync(fd, target)


def holds(folder: Path, refs: Mapping[str, FileRef]) -> bool:
    """Whether a folder has exactly these files."""
    if not folder.is_dir():
        return False
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return present == set(refs) and all(hash_file(folder / n) == r.digest for n, r in refs.items())


@contextmanager
def _staging(target: Path, fresh: Path, old: Path, disk: Disk) -> Iterator[Path]:
    disk.before("mkdir", fresh)
    fresh.mkdir()
    yield fresh
    disk.sync_folder(fresh)
    if target.exists():
        disk.rename(target, old)
    disk.rename(fresh, target)
    disk.sync_folder(target.parent)
    if old.exists():
        disk.remove(old)


def check_header(header: Path) -> None:
    """Refuses a store that this release cannot read.

    Raises:
        NewerFormat: if a later release wrote it.
        CorruptObject: if the header is not one of ours.
    """
    with header.open("rb") as file:
        data = file.read(LONGEST_HEADER)
    if data == HEADER:
        return
    value: Any = None
    try:
        value = json.loads(data)
        newer = (
            isinstance(value, dict)
            and isinstance(value.get("format"), int)
            and value["format"] > FORMAT
        )
    except (ValueError, RecursionError):
        newer = False
    if newer:
        raise NewerFormat(
            f"the store has format {value['format']}, this release reads up to {FORMAT}",
            where=str(header),
            remedy="upgrade aidn-pipeline, or name another store with AIDN_HOME",
        )
    raise CorruptObject(
        "the store's header is damaged",
        where=str(header),
        remedy=f"its one line must read {HEADER.decode().strip()}",
    )


def _write_header(header: Path, disk: Disk) -> None:
    temporary = header.with_name("format.json.new")
    disk.remove(temporary)
    fd = disk.create(temporary)
    try:
        disk.write(fd, HEADER, temporary)
        disk.sync(fd, temporary)
    finally:
        os.close(fd)
    disk.rename(temporary, header)
    disk.sync_folder(header.parent)
