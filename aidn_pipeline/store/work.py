"""Unfinished work: its journal, its checkpoints, its folder for the stage."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.core.stage import CheckpointRecord, FileRef
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.disk import Disk, typed
from aidn_pipeline.store.journal import JournalFile
from aidn_pipeline.store.objects import check_name, hash_file
from aidn_pipeline.store.places import refuse_leading_out_of_work
from aidn_pipeline.store.scratch import Scratch


class Work:
    """The folder of one piece of work. The caller holds its lock.

    Implements `core.stage.Journal` and `core.stage.Checkpoints`.
    """

    def __init__(
        self, folder: Path, disk: Disk, scratch: Scratch, before: Callable[[], None] = lambda: None
    ) -> None:
        """Opens it.

        Args:
            folder: of the work.
            disk: the file system.
            scratch: where what is deleted goes first.
            before: called before anything is written; makes durable what it may speak of.
        """
        refuse_leading_out_of_work(folder)
        self.folder = folder
        self._disk = disk
        self._scratch = scratch
        self._before = before
        self._journal = JournalFile(folder / "journal.log", disk)
        self._is_new = not folder.exists()
        self._entries = [] if self._is_new else self._read()
        self._started: Mapping[str, JSON] | None = None
        self.attempt = 0
        self.before_checkpoint: list[Callable[[], None]] = []
        """Flushes what belongs to a checkpoint, such as the metric points up to its step."""

    def _read(self) -> list[dict[str, Any]]:
        try:
            return [line.payload for line in self._journal.new_lines()]
        except CorruptObject as error:
            raise CorruptObject(
                f"unfinished work cannot be read: {error.problem}",
                where=error.where,
                remedy="`aidn-run check --repair` sets it aside; then the same command starts this "
                "work from its beginning",
            ) from error

    def begin(self, fingerprint: str, run: str = "") -> None:
        """Starts an attempt of a run, and clears away what an interrupted one left half-written.

        The folder of new work is made by the first thing that is written there: most work that
        takes milliseconds writes nothing.
        """
        self.attempt = 1 + sum(e["kind"] == "attempt" for e in self._entries)
        self._started = {
            "kind": "attempt",
            "number": self.attempt,
            "fingerprint": fingerprint,
            "run": run,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": time.time(),
        }
        if self._is_new:
            return
        with typed(self.folder, "recovering unfinished work"):
            self._journal.cut_torn_tail()
        self._start()
        known = {str(r.number) for r in self.records()}
        folder = self.folder / "checkpoints"
        for leftover in sorted(folder.iterdir()) if folder.is_dir() else ():
            if leftover.name not in known:
                self._scratch.discard(leftover)

    def _start(self) -> None:
        started, self._started = self._started, None
        if started is not None:
            self.append(started)

    @property
    def files_folder(self) -> Path:
        """The stage's own folder, made when it is asked for."""
        return self.make("files")

    @property
    def points_folder(self) -> Path:
        """The folder of the metric points, made when it is asked for."""
        return self.make("points")

    def make(self, name: str) -> Path:
        """A folder of the work, made when it is asked for."""
        self._start()
        path = self.folder / name
        with typed(path, "making the work folder"):
            self._disk.make_folder(path)
        return path

    def append(self, entry: Mapping[str, JSON]) -> None:
        """Writes one entry; durable when it returns."""
        self._start()
        self._before()
        with typed(self.folder, "writing the work's journal"):
            self._disk.make_folder(self.folder)
        self._entries.append(self._journal.append(entry).payload)

    def entries(self) -> Sequence[Mapping[str, Any]]:
        """Everything appended so far, by earlier attempts too."""
        return tuple(self._entries)

    @property
    def runs(self) -> set[str]:
        """Ids of the runs that made attempts, this one's too once it has written something."""
        return {e["run"] for e in self._entries if e["kind"] == "attempt" and e.get("run")}

    @property
    def progress(self) -> int:
        """Entries that are neither attempts nor housekeeping: more than none means resumable."""
        return sum(e["kind"] not in ("attempt", "retain") for e in self._entries)

    def save(
        self, files: Mapping[str, bytes | Sequence[bytes | memoryview]], info: JSON
    ) -> CheckpointRecord:
        """Writes the files, then the journal line that makes them a checkpoint.

        Raises:
            StorageFull: if there is no space; earlier checkpoints stand.
        """
        number = 1 + max(
            (e["number"] for e in self._entries if e["kind"] == "checkpoint"), default=0
        )
        folder = self.make("checkpoints") / str(number)
        with typed(folder, "saving a checkpoint"):
            if folder.exists():
                self._scratch.discard(folder)
            self._disk.make_folder(folder)
            refs = {name: self._write(folder / name, files[name]) for name in sorted(files)}
            self._disk.sync_folder(folder)
        for flush in self.before_checkpoint:
            flush()
        self.append(
            {
                "kind": "checkpoint",
                "number": number,
                "info": info,
                "files": {name: [ref.digest, ref.size] for name, ref in refs.items()},
            }
        )
        return self.records()[-1]

    def _write(self, path: Path, content: bytes | Sequence[bytes | memoryview]) -> FileRef:
        check_name(path.name)
        blocks = [content] if isinstance(content, bytes) else content
        size = sum(memoryview(block).nbytes for block in blocks)
        fd = self._disk.create(path)
        hasher = blake3()
        try:
            self._disk.allocate(fd, size, path)
            for block in blocks:
                flat = memoryview(block).cast("B") if memoryview(block).nbytes else b""
                hasher.update(flat)
                self._disk.write(fd, flat, path)
            self._disk.sync(fd, path)
        finally:
            os.close(fd)
        return FileRef("b3:" + hasher.hexdigest(), size)

    def records(self) -> Sequence[CheckpointRecord]:
        """Checkpoints that are kept, oldest first."""
        kept: dict[int, CheckpointRecord] = {}
        for entry in self._entries:
            if entry["kind"] == "checkpoint":
                files = {name: FileRef(*ref) for name, ref in entry["files"].items()}
                kept[entry["number"]] = CheckpointRecord(entry["number"], entry["info"], files)
            elif entry["kind"] == "retain":
                kept = {n: r for n, r in kept.items() if n in entry["keep"]}
        return tuple(kept.values())

    def open(self, record: CheckpointRecord) -> Mapping[str, Path]:
        """Paths to the verified files.

        Raises:
            CorruptObject: if one is missing or differs from what was saved. The checkpoint is
                forgotten then, so that the same command goes on from the one before it.
        """
        if damaged := self.damage(record):
            self.retain([r.number for r in self.records() if r.number != record.number])
            raise CorruptObject(
                f"checkpoint {record.number} is damaged",
                where=str(damaged),
                remedy="run the same command again: it goes on from the checkpoint before it",
            )
        return {name: self._place(record, name) for name in record.files}

    def damage(self, record: CheckpointRecord) -> Path | None:
        """The first file of a checkpoint that is missing or differs; None if it is whole."""
        for name, ref in record.files.items():
            path = self._place(record, name)
            if path.is_symlink() or not path.is_file() or hash_file(path) != ref.digest:
                return path
        return None

    def _place(self, record: CheckpointRecord, name: str) -> Path:
        check_name(name)
        return self.folder / "checkpoints" / str(record.number) / name

    def retain(self, keep: Sequence[int]) -> None:
        """Forgets the other checkpoints, then deletes them: never the other way round."""
        dropped = [r.number for r in self.records() if r.number not in keep]
        if not dropped:
            return
        self.append({"kind": "retain", "keep": list(keep)})
        for number in dropped:
            folder = self.folder / "checkpoints" / str(number)
            if folder.is_dir():
                with typed(folder, "deleting an old checkpoint"):
                    self._scratch.discard(folder)
