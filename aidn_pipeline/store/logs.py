"""What stages in processes of their own printed: one file for each stage of a run."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from blake3 import blake3

FOLDER = "logs"
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
