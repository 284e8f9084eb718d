"""Objects: files named by the hash of their bytes, written once, checked before they are used."""

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from blake3 import blake3

from aidn_pipeline.core.fingerprint import JSON, canonical_json, digest_bytes
from aidn_pipeline.core.stage import Content, FileRef
from aidn_pipeline.errors import CorruptObject, StoreError
from aidn_pipeline.store.disk import BLOCK, Disk, typed
from aidn_pipeline.store.pins import Pins
from aidn_pipeline.store.scratch import Scratch

MAX_MANIFEST = 64 * 2**20
"""Bytes of the longest manifest that is read."""
LARGEST = 2**63
"""Bytes; no file has as many."""
ID = re.compile("b3:[0-9a-f]{64}")
MOST_WAITING = 64
"""Objects that are flushed together at most; each keeps a file open until then."""
MISSING = "is missing"
LONGEST_NAME = 1024
"""Bytes of the longest file name in a folder."""


class Objects:
    """Write-once files under `objects/`; see `docs/format.md`."""

    def __init__(self, root: Path, disk: Disk, scratch: Scratch, pins: Pins) -> None:
        self._folder = root / "objects"
        self._quarantine = root / "quarantine"
        self._disk = disk
        self._scratch = scratch
        self._pins = pins
        self._verified: set[str] = set()
        self._shards: set[Path] = set()
        self.settle: Callable[[], None] = self.flush
        """Makes durable what waits; a store has its records fail with their objects."""
        self._waiting: dict[str, tuple[int, Path]] = {}
        self.gathering = False
        """Whether what is put may wait for the next `flush`, if it has to be flushed at all."""

    def path(self, digest: str) -> Path:
        """Where the object of this id is, or would be.

        Raises:
            StoreError: if the text is no id; it never becomes a path then.
        """
        name = digest.removeprefix("b3:")
        if not is_id(digest):
            raise StoreError(
                f"{digest!r} is no object id", remedy="ids are `b3:` and 64 hex digits"
            )
        return Path(f"{self._folder}/{name[:2]}/{name[2:]}")

    def has(self, digest: str, size: int) -> bool:
        """Whether an object of this id and size is present; its bytes are checked when read."""
        if digest in self._waiting:
            return os.fstat(self._waiting[digest][0]).st_size == size
        try:
            facts = self.path(digest).lstat()
        except OSError:
            return False
        return facts.st_size == size and stat.S_ISREG(facts.st_mode)

    def ids(self) -> Iterator[str]:
        """Every object that is present, in order."""
        for path in self._files():
            digest = f"b3:{path.parent.name}{path.name}"
            if is_id(digest) and self.path(digest) == path:
                yield digest

    def strangers(self) -> Iterator[Path]:
        """Files among the objects whose paths spell no id."""
        for path in self._files():
            digest = f"b3:{path.parent.name}{path.name}"
            if not is_id(digest) or self.path(digest) != path:
                yield path

    def _files(self) -> Iterator[Path]:
        for shard in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            yield from sorted(shard.iterdir()) if shard.is_dir() else [shard]

    def verified(self, digest: str) -> Path:
        """The object's path, after its bytes were checked once in this process.

        Raises:
            CorruptObject: if it is missing, or its bytes differ; it is set aside then.
        """
        if digest in self._waiting:
            self.settle()
        path = self.path(digest)
        if digest in self._verified and path.exists():
            return path
        problem = self.damage(digest)
        if problem:
            # What was missing may have been made again in this moment, by another process.
            if problem != MISSING:
                self.set_aside(digest)
            raise self._corrupt(digest, problem)
        self._verified.add(digest)
        return path

    def _corrupt(self, digest: str, problem: str) -> CorruptObject:
        return CorruptObject(
            f"object {digest[:15]}... {problem}",
            where=str(self.path(digest)),
            remedy="run the same command again: what made it is run anew",
        )

    def damage(self, digest: str) -> str:
        """What is wrong with the object's bytes; empty if nothing is.

        Raises:
            StoreError: if they cannot be read, which says nothing of them.
        """
        path = self.path(digest)
        with typed(path, "reading an object"):
            try:
                if not stat.S_ISREG(path.lstat().st_mode):
                    # A link leads elsewhere; a pipe or a device never ends.
                    return "is no file"
                actual = hash_file(path)
            except FileNotFoundError:
                return MISSING
        return "" if actual == digest else "does not match its id"

    def read(self, digest: str) -> bytes:
        """The verified bytes.

        Raises:
            CorruptObject: if they are missing, or differ.
        """
        if digest in self._waiting:
            return self._waiting[digest][1].read_bytes()
        try:
            data = self.verified(digest).read_bytes()
            if digest_bytes(data) != digest:
                self._verified.discard(digest)
                return self.verified(digest).read_bytes()
        except FileNotFoundError:
            # Whoever pinned nothing may lose it to a `gc` at any moment.
            raise self._corrupt(digest, "is missing") from None
        return data

    def put(self, content: Content | Iterable[bytes | memoryview]) -> FileRef:
        """Takes bytes, a file, or blocks of bytes; says nothing before they are durable.

        While `gathering` they are so after the next `flush`. Until this process closes the store no
        `gc` removes them.

        Raises:
            StorageFull: if there is no space; nothing is left over.
            StorageUnwritable: if the store cannot be written.
        """
        ref = self._put(content)
        if not self.gathering or len(self._waiting) >= MOST_WAITING:
            self.settle()
        return ref

    def _put(self, content: Content | Iterable[bytes | memoryview]) -> FileRef:
        if isinstance(content, FileRef):
            self._pins.add([content.digest])
            return content
        if isinstance(content, bytes):
            digest = digest_bytes(content)
            self._pins.add([digest])
            with typed(self._folder, "writing an object"):
                if self._is_there(digest):
                    return FileRef(digest, len(content))
            return self._write([content], len(content), digest)
        if isinstance(content, Path):
            return self._write(blocks_of(content), content.stat().st_size)
        return self._write(content, 0)

    def put_tree(self, files: Mapping[str, Content]) -> tuple[FileRef, int]:
        """Takes a folder; returns its manifest and the sum of its files' sizes.

        Raises:
            StoreError: for a name that leaves the folder.
        """
        rows: list[JSON] = []
        total = 0
        for name in sorted(files, key=lambda n: n.encode()):
            check_name(name)
            ref = self._put(files[name])
            rows.append([name, "f", ref.size, ref.digest])
            total += ref.size
            if len(self._waiting) >= MOST_WAITING:
                self.settle()
        return self.put(canonical_json(["tree", 1, rows])), total

    def flush(self) -> None:
        """Makes durable what waits: the files, then their places, then the folders.

        Raises:
            StorageFull: if there is no space; what waited is gone.
            StorageUnwritable: if it cannot be written.
        """
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        with typed(self._folder, "writing an object"):
            try:
                self._disk.sync_together({path: fd for fd, path in waiting.values()}, ())
                folders: dict[Path, None] = {}
                for digest, (_, path) in waiting.items():
                    folders.update(dict.fromkeys(self._place(digest, path)))
                self._disk.sync_together({}, folders)
            except BaseException:
                # Of no folder it is known any more whether it was flushed.
                self._shards.clear()
                raise
            finally:
                for fd, path in waiting.values():
                    self._scratch.drop(fd, path)
        self._verified.update(waiting)
        self._shards.update(folders)

    def _place(self, digest: str, temporary: Path) -> list[Path]:
        """Moves a file to its place; gives the folders that have to be flushed then."""
        target = self.path(digest)
        shard = target.parent
        touched = [shard]
        if shard not in self._shards:
            # Whoever made a folder may have been killed before it was flushed. Those that are there
            # now are flushed with this one, once in a process.
            self._disk.make_folder(self._folder)
            self._shards.update(self._shards or self._folder.iterdir())
            self._disk.make_folder(shard, sync=False)
            touched.append(self._folder)
        self._disk.rename(temporary, target)
        return touched

    def tree(self, digest: str) -> dict[str, FileRef]:
        """The files of a folder, from its verified manifest.

        Raises:
            CorruptObject: if the manifest is damaged.
            StoreError: if the object is no manifest.
        """
        no_folder = StoreError(
            f"object {digest[:15]}... is no folder", where=str(self.path(digest))
        )
        try:
            size = self.verified(digest).stat().st_size
        except FileNotFoundError:
            raise self._corrupt(digest, "is missing") from None
        if size > MAX_MANIFEST:
            raise no_folder
        return parse_tree(self.read(digest), no_folder)

    def _is_there(self, digest: str) -> bool:
        if digest in self._waiting:
            return True
        if digest in self._verified and self.path(digest).exists():
            return True
        if not self.path(digest).exists():
            return False
        if problem := self.damage(digest):
            if problem != MISSING:
                self.set_aside(digest)
            return False
        # Whoever wrote it may not have flushed it, or was killed before that.
        fd = os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._disk.sync(fd, self.path(digest))
        finally:
            os.close(fd)
        self._disk.sync_folder(self.path(digest).parent)
        self._disk.sync_folder(self._folder)
        self._verified.add(digest)
        return True

    def _write(self, blocks: Iterable[bytes | memoryview], size: int, known: str = "") -> FileRef:
        """Writes an object; `known` is its id, if that is pinned and known to be missing."""
        with typed(self._folder, "writing an object"):
            fd, temporary = self._scratch.create(0o444)
            kept = False
            try:
                ref = self._fill(fd, temporary, blocks, size, known)
                if not known:
                    self._pins.add([ref.digest])
                if known or not self._is_there(ref.digest):
                    kept = self._keep(ref.digest, fd, temporary)
            finally:
                if not kept:
                    self._scratch.drop(fd, temporary)
        return ref

    def _keep(self, digest: str, fd: int, temporary: Path) -> bool:
        """Gives a file its place, or lets it wait; whether it waits."""
        if self._disk.durable:
            # Its place is for flushed files: a power cut leaves no hollow one.
            self._waiting[digest] = (fd, temporary)
            return True
        self._shards.update(self._place(digest, temporary))
        self._verified.add(digest)
        return False

    def _fill(
        self, fd: int, path: Path, blocks: Iterable[bytes | memoryview], size: int, known: str
    ) -> FileRef:
        hasher = None if known else blake3()
        written = 0
        if size > BLOCK:
            self._disk.allocate(fd, size, path)
        for block in blocks:
            if hasher is not None:
                hasher.update(block)
            self._disk.write(fd, block, path)
            written += len(block)
        if written < size:
            self._disk.truncate(fd, written, path)
        return FileRef(known if hasher is None else "b3:" + hasher.hexdigest(), written)

    def set_aside(self, digest: str) -> None:
        """Moves a damaged object to the quarantine; it counts as missing from then on."""
        path = self.path(digest)
        if path.exists():
            with typed(path, "setting a damaged object aside"):
                self._disk.make_folder(self._quarantine)
                self._disk.rename(path, self._quarantine / (path.parent.name + path.name))


def is_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return ID.fullmatch(text) is not None


def is_size(value: Any) -> bool:
    """Whether a value can be a file's size in bytes."""
    return type(value) is int and 0 <= value < LARGEST


def hash_file(path: Path) -> str:
    """The id of a file's bytes."""
    hasher = blake3()
    for block in blocks_of(path):
        hasher.update(block)
    return "b3:" + hasher.hexdigest()


def blocks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes in blocks."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def check_name(name: str) -> None:
    """Refuses a file name that could leave its folder.

    Raises:
        StoreError: for an absolute path, `..`, an empty part, a backslash or a control character.
    """
    path = PurePosixPath(name)
    if (
        str(path) != name
        or path.is_absolute()
        or ".." in path.parts
        or name in ("", ".")
        or "\\" in name
        or any(not c.isprintable() for c in name)
        or len(os.fsencode(name)) > LONGEST_NAME
    ):
        raise StoreError(
            f"{name!r} cannot be a file's name in a folder", remedy="use plain relative paths"
        )


def parse_tree(data: bytes, error: StoreError) -> dict[str, FileRef]:
    """Reads a manifest; anything but a well-formed one raises `error`."""
    try:
        tag, version, rows = json.loads(data)
        if (tag, version) != ("tree", 1):
            raise error
        files = {}
        for name, kind, size, digest in rows:
            check_name(name)
            if kind not in ("f", "x") or not (is_size(size) and is_id(digest)) or name in files:
                raise error
            files[name] = FileRef(digest, size)
        if any(str(above) in files for name in files for above in PurePosixPath(name).parents):
            raise error
    except (ValueError, TypeError, AttributeError, RecursionError) as cause:
        raise error from cause
    return files
