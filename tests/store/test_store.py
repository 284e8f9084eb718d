"""Objects, trees, versions, checkouts, and stores that cannot be used."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.core.artifact import File, Folder
from aidn_pipeline.core.fingerprint import digest_bytes
from aidn_pipeline.errors import (
    CorruptObject,
    NewerFormat,
    StorageFull,
    StorageUnwritable,
    StoreError,
)
from aidn_pipeline.store.objects import check_name
from aidn_pipeline.store.store import Store


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / ".aidn", durability="process") as opened:
        yield opened


def test_an_object_is_named_by_its_bytes_and_read_only(store):
    ref = store.objects.put(b"abc")
    assert ref.digest == digest_bytes(b"abc")
    assert store.objects.read(ref.digest) == b"abc"
    assert store.objects.path(ref.digest).stat().st_mode & 0o777 == 0o444


def test_blocks_files_and_bytes_give_the_same_object(store, tmp_path):
    (tmp_path / "f").write_bytes(b"abc" * 200_000)
    refs = {
        store.objects.put(tmp_path / "f"),
        store.objects.put(b"abc" * 200_000),
        store.objects.put([b"abc"] * 200_000),
    }
    assert len(refs) == 1


def test_a_damaged_object_is_replaced_when_it_is_put_again(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        path = store.objects.path(store.objects.put(b"abc").digest)
        path.chmod(0o644)
        path.write_bytes(b"abd")
    with Store.open(tmp_path / ".aidn") as store:
        ref = store.objects.put(b"abc")
        assert store.objects.read(ref.digest) == b"abc"
        assert len(list((tmp_path / ".aidn" / "quarantine").iterdir())) == 1


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../b", "", ".", "a\\b", "a\0b", "a//b", "./a", "a\n"]
)
def test_names_that_leave_their_folder_are_refused(name):
    with pytest.raises(StoreError):
        check_name(name)


@given(st.text(alphabet="abc/._-é", min_size=1, max_size=12))
def test_a_name_that_is_accepted_stays_inside(name):
    try:
        check_name(name)
    except StoreError:
        return
    assert (Path("/root") / name).resolve().is_relative_to("/root")


@pytest.mark.parametrize(
    "digest", ["", "b3:", "b3:../../etc/passwd", "sha256:" + "0" * 64, "b3:" + "G" * 64]
)
def test_text_that_is_no_id_never_becomes_a_path(store, digest):
    with pytest.raises(StoreError):
        store.objects.path(digest)


@pytest.mark.parametrize(
    "manifest",
    [b"{}", b"[1,2,3]", b'["tree",2,[]]', b'["tree",1,[["../x","f",1,"b3:"]]]', b"[" * 5000],
)
def test_a_manifest_from_a_stranger_is_refused(store, manifest):
    ref = store.objects.put(manifest)
    with pytest.raises(StoreError):
        store.objects.tree(ref.digest)


def test_a_version_number_is_given_once(store):
    assert [store.mint("model", "m", d, {}) for d in ("b3:1", "b3:2", "b3:1")] == [1, 2, 1]
    assert store.mint("model", "other", "b3:2", {}) == 1


def test_a_checkout_is_whole_and_repeated_only_where_it_differs(store, tmp_path):
    ref, size = store.objects.put_tree({"a.txt": b"1", "sub/b.txt": b"22"})
    folder = Folder(ref.digest, size, folder=True)
    target = tmp_path / "out" / "1"
    store.checkout(folder, target)
    inode = (target / "a.txt").stat().st_ino
    store.checkout(folder, target)
    assert (target / "a.txt").stat().st_ino == inode
    (target / "a.txt").write_bytes(b"changed")
    store.checkout(folder, target)
    assert (target / "a.txt").read_bytes() == b"1"
    assert [p.name for p in target.parent.iterdir()] == ["1"]


def test_a_newer_store_is_refused_and_left_alone(tmp_path):
    root = tmp_path / ".aidn"
    root.mkdir()
    (root / "format.json").write_text(json.dumps({"format": 2, "hash": "b3"}))
    with pytest.raises(NewerFormat):
        Store.open(root)
    assert [p.name for p in root.iterdir()] == ["format.json"]


def test_the_index_is_only_a_cache(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        store.records.append("note", "model/m/1", {"x": 1})
    (tmp_path / ".aidn" / "index.sqlite").write_bytes(b"rubbish")
    with Store.open(tmp_path / ".aidn") as store:
        assert store.records.get("note", "model/m/1") == {"x": 1}


def test_two_processes_append_to_one_journal(tmp_path):
    program = (
        "import sys; from pathlib import Path; from aidn_pipeline.store.store import Store\n"
        "s = Store.open(Path(sys.argv[1]), durability='process')\n"
        "for i in range(50):\n"
        "    s.records.append('note', f'{sys.argv[2]}/{i}', {'i': i})\n"
        "    s.mint('model', 'm', f'{sys.argv[2]}{i}', {})\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    both = [
        subprocess.Popen([os.sys.executable, "-c", program, str(tmp_path / "s"), name], env=env)
        for name in "ab"
    ]
    assert [p.wait() for p in both] == [0, 0]
    with Store.open(tmp_path / "s") as store:
        numbers = [v["version"] for v in store.records.iterate("version")]
        assert sorted(numbers) == list(range(1, 101))
        assert store.records.get("note", "a/49") == {"i": 49}


needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0, reason="mounting a small file system needs root"
)


@pytest.fixture
def tiny(tmp_path: Path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@needs_mounts
def test_a_full_disk_is_named_and_harms_nothing(tiny):
    with Store.open(tiny / ".aidn") as store:
        kept = store.objects.put(b"kept")
        with pytest.raises(StorageFull) as raised:
            store.objects.put(os.urandom(400_000))
        assert "MiB free" in raised.value.problem
        assert str(tiny) in raised.value.where
        assert store.objects.read(kept.digest) == b"kept"
        assert [p.name for p in store.scratch.folder.iterdir()] == ["pins"]


@needs_mounts
def test_a_read_only_store_is_named(tiny):
    Store.open(tiny / ".aidn").close()
    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
    with pytest.raises(StorageUnwritable) as raised:
        Store.open(tiny / ".aidn")
    assert "AIDN_HOME" in raised.value.remedy


def test_a_missing_object_is_an_error_with_its_path(store):
    missing = File("b3:" + "0" * 64, 3)
    with pytest.raises(CorruptObject, match="is missing"):
        store.files(missing)


def test_an_object_that_vanishes_after_it_was_verified_is_missing_not_a_crash(store):
    ref, size = store.objects.put_tree({"a": b"1"})
    store.objects.path(ref.digest).unlink()
    assert not store.has(Folder(ref.digest, size, folder=True))
    with pytest.raises(CorruptObject, match="is missing"):
        store.objects.read(ref.digest)
    with pytest.raises(CorruptObject, match="is missing"):
        store.objects.verified(ref.digest)
