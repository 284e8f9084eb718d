"""What recovery keeps, and what a disk that cannot be read must not lead to."""

import os

import pytest

from aidn_pipeline.core.artifact import File
from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.errors import StorageUnwritable, StoreError
from aidn_pipeline.facade.builder import _refuse_links
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.store import Store

FAMILY = "a" * 64


def record(fingerprint: str, output: File) -> dict:
    return StageRecord(
        fingerprint=fingerprint,
        family="b3:" + FAMILY,
        base="b3:base",
        component="stage/toy",
        hashed={},
        extends={},
        outputs={"file": output},
    ).to_json()


@pytest.mark.parametrize("present", [True, False])
def test_work_that_is_done_again_keeps_its_progress(tmp_path, present):
    with Store.open(tmp_path / "s", durability="process") as store:
        ref = store.objects.put(b"out")
        if not present:
            store.objects.path(ref.digest).unlink()
        store.records.append("stage", "b3:w", record("b3:w", File(ref.digest, ref.size)))
        work = store.work(FAMILY)
        work.begin("b3:w")
        work.save({"state": b"x"}, {"step": 1})
    with Store.open(tmp_path / "s") as store:
        store.recover()
        assert (store.root / "work" / FAMILY).exists() is not present


def test_an_object_that_cannot_be_opened_is_not_taken_for_damaged(tmp_path, monkeypatch):
    with Store.open(tmp_path / "s", durability="process") as store:
        ref = store.objects.put(b"good")
    with Store.open(tmp_path / "s", durability="process") as store:

        def refuse(path):
            raise OSError(24, os.strerror(24), str(path))

        with monkeypatch.context() as patched:
            patched.setattr("aidn_pipeline.store.objects.hash_file", refuse)
            with pytest.raises(StoreError, match="Too many open files"):
                store.objects.verified(ref.digest)
        assert store.objects.read(ref.digest) == b"good"
        assert not (store.root / "quarantine").exists()


def test_an_object_that_is_there_already_is_flushed_before_it_counts(tmp_path):
    class Counting(Disk):
        synced = 0

        def sync(self, fd, path):
            self.synced += 1
            super().sync(fd, path)

    with Store.open(tmp_path / "s", durability="process") as store:
        store.objects.put(b"abc")
    disk = Counting()
    with Store.open(tmp_path / "s", disk=disk) as store:
        before = disk.synced
        store.objects.put(b"abc")
        assert disk.synced == before + 1


def test_a_bundle_is_not_written_through_a_link(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "digits").symlink_to(tmp_path / "home")
    folder = tmp_path / "bundles" / "digits" / "1"
    with pytest.raises(StorageUnwritable, match="symbolic link"):
        _refuse_links(folder, folder.parent)
