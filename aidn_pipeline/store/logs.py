"""What stages in processes of their own printed: one file for each stage of a run."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from blake3 import blake3

FOLDER = "logs"
LINE = 400
"""Characters that are shown of one line."""
READ = 64 * 1024
LONGEST = 200
"""Bytes of a file's name, which may have 255."""


def log_file(root: Path, run: str, stage: str) -> Path:
    """The place of a stage's output.

    Args:
        root: of the store.
        run: the id of the run.
        stage: its name; characters that no file name may have are written as `%2F`.
    """
    name = quote(stage, safe="[]=,@+ ")
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{blake3(stage.encode()).hexdigest()[:16]}"
    return root / FOLDER / run / f"{name}.log"


def runs_with_logs(root: Path) -> Iterator[str]:
    """Ids of the runs that have a folder of logs."""
    folder = root / FOLDER
    for run in sorted(folder.iterdir()) if folder.is_dir() else ():
        if run.is_dir():
            yield run.name


def last_lines(log: Path, number: int, *, start: int = 0) -> list[str]:
    """The last lines that were written from the byte `start` on, empty ones left out."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - READ))
        lines = file.read().split(b"\n")
    return [text for line in lines if (text := readable(line))][-number:]


def readable(line: bytes) -> str:
    """A line as it stands on a screen: what a carriage return overwrote is gone."""
    text = line.rstrip(b"\r").rsplit(b"\r", 1)[-1].decode(errors="replace").rstrip("\0 ")
    return text if len(text) <= LINE else text[:LINE] + "..."
