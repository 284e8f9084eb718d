"""One flipped bit anywhere: named on read or by the check, or harmless; never served."""

import shutil
import signal
from pathlib import Path

import pytest
from support.flips import files_of, flipped, flips
from support.toys import INDEX, whole

from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import AidnError, Interrupted
from aidn_pipeline.store.check import check
from aidn_pipeline.store.store import Store


class StopAtCount:
    def on_event(self, event):
        if type(event).__name__ == "StageStarted" and event.stage == "count":
            signal.raise_signal(signal.SIGINT)


def served(root: Path) -> dict[str, dict[str, bytes]]:
    """Reads everything that is recorded, through the store."""
    with Store.open(root) as store:
        return {
            record["fingerprint"]: {
                f"{port}/{name}": path.read_bytes()
                for port, artifact in store.records.stage(record["fingerprint"]).outputs.items()
                for name, path in store.files(artifact).items()
            }
            for record in store.records.iterate("stage")
        }


def test_no_flipped_bit_is_served(tmp_path):
    root = tmp_path / "home"
    with Store.open(root, durability="process") as store:
        run_pipeline(whole(), store, INDEX, tmp_path)
        stopped = run_pipeline(
            whole(text="other"), store, INDEX, tmp_path, listeners=[StopAtCount()]
        )
        assert isinstance(stopped.error, Interrupted)
    expected = served(root)
    copy = tmp_path / "copy"

    def look() -> str:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(root, copy)
        try:
            with Store.open(copy) as store:
                found = check(store)
            if found:
                return (
                    "named" if all(f.path and f.problem and f.remedy for f in found) else "unnamed"
                )
            return "harmless" if served(copy) == expected else "SERVED"
        except AidnError as error:
            return "named" if error.where else "unnamed"

    kinds: dict[str, dict[str, int]] = {}
    for path, bit in flips(files_of(root), 500):
        verdict = flipped(path, bit, look)
        kind = path.relative_to(root).parts[0]
        kinds.setdefault(kind, {}).setdefault(verdict, 0)
        kinds[kind][verdict] += 1
        assert verdict in ("named", "harmless"), f"{path.relative_to(root)} bit {bit}: {verdict}"
    print(kinds)
    assert {kind for kind, seen in kinds.items() if "harmless" in seen} <= {"index.sqlite", "work"}


@pytest.mark.parametrize("name", ["index.sqlite"])
def test_a_damaged_index_gives_the_same_answers(tmp_path, name):
    with Store.open(tmp_path / "home", durability="process") as store:
        run_pipeline(whole(), store, INDEX, tmp_path)
    expected = served(tmp_path / "home")

    def look() -> str:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tmp_path / "home", copy)
        return "same" if served(copy) == expected else "different"

    path = tmp_path / "home" / name
    assert {flipped(path, bit, look) for _, bit in flips([path], 150)} == {"same"}
