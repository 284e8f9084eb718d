"""A clone holds what the store holds, and what is written to it stays there."""

from pathlib import Path

import pytest

from aidn_pipeline.core.artifact import File, Folder
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.clone import clone
from aidn_pipeline.store.store import Store


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


def put(store: Store, **files: bytes) -> Folder:
    ref, size = store.objects.put_tree(files)
    return Folder(ref.digest, size, folder=True)


def test_a_clone_has_records_and_objects_without_a_copy(store, tmp_path):
    folder = put(store, a=b"1", b=b"2")
    store.records.append("note", "r1", {"run": "r1"})
    clone(store, tmp_path / "twin", [])

    with Store.open(tmp_path / "twin") as twin:
        assert [r["run"] for r in twin.records.iterate("note")] == ["r1"]
        assert {n: p.read_bytes() for n, p in twin.files(folder).items()} == {"a": b"1", "b": b"2"}
        assert all(path.stat().st_nlink == 2 for path in twin.files(folder).values())


def test_what_is_written_to_a_clone_is_not_in_the_store(store, tmp_path):
    store.records.append("note", "r", {"run": "r"})
    clone(store, tmp_path / "twin", [])
    before = sorted(store.root.rglob("*"))
    with Store.open(tmp_path / "twin") as twin:
        twin.objects.put(b"new")
        twin.mint("model", "m", "b3:0", {})
        twin.records.append("note", "r2", {"run": "r2"})

    assert sorted(store.root.rglob("*")) == before
    assert [r["run"] for r in store.records.iterate("note")] == ["r"]


def test_unfinished_work_goes_on_in_a_clone_and_stays_in_the_store(store, tmp_path):
    work = store.work("ab")
    work.begin("b3:1")
    work.save({"state": b"weights"}, {"epoch": 3})
    clone(store, tmp_path / "twin", [])
    with Store.open(tmp_path / "twin") as twin:
        again = twin.work("ab")
        again.begin("b3:1")
        assert [r.info for r in again.records()] == [{"epoch": 3}]
        again.save({"state": b"more"}, {"epoch": 4})
        again.retain([2])

    assert [r.info for r in store.work("ab").records()] == [{"epoch": 3}]
    assert store.work("ab").open(work.records()[0])["state"].read_bytes() == b"weights"


def test_a_folder_called_checkpoints_above_the_store_shares_nothing_that_changes(tmp_path):
    with Store.open(tmp_path / "checkpoints" / "s", durability="process") as store:
        store.records.append("note", "r", {"run": "r"})
        work = store.work("ab")
        work.begin("b3:1")
        work.save({"state": b"weights"}, {"epoch": 3})
        (work.files_folder / "checkpoints").mkdir()
        (work.files_folder / "checkpoints" / "own").write_bytes(b"the stage's")
        clone(store, tmp_path / "checkpoints" / "twin", [])
        twin = tmp_path / "checkpoints" / "twin" / "work" / "ab"

        linked = {p.name for p in twin.rglob("*") if p.is_file() and p.stat().st_nlink > 1}
        assert linked == {"state"}


def test_work_that_somebody_is_at_is_left_alone(store, tmp_path):
    store.records.append("note", "r", {"run": "r"})
    store.work("ab").begin("b3:1")
    with store.locks.hold("work/ab"):
        clone(store, tmp_path / "twin", [])

    assert not (tmp_path / "twin" / "work").exists()


def test_without_hard_links_only_what_is_needed_is_copied(store, tmp_path):
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    needed, other = put(store, a=b"1"), store.objects.put(b"other")
    store.records.append("note", "r", {"run": "r"})
    target = elsewhere / f"clone-{tmp_path.name}"
    try:
        clone(store, target, [needed])
        with Store.open(target, durability="process") as twin:
            assert twin.files(needed)["a"].read_bytes() == b"1"
            with pytest.raises(CorruptObject):
                twin.files(File(other.digest, other.size))
    finally:
        store.disk.remove(target)
