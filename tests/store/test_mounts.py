"""Network file systems: locks are tried, and a store there belongs to one machine."""

from pathlib import Path

import pytest

from aidn_pipeline.errors import NoLocks
from aidn_pipeline.store import mounts
from aidn_pipeline.store.disk import Disk
from aidn_pipeline.store.mounts import is_network, kind_of, lock_problem, refuse_unsafe
from aidn_pipeline.store.store import Store

ROOT = "1 0 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw"


def planted(folder: Path, line: str) -> Path:
    """What is mounted where, as the kernel writes it."""
    file = folder / "mountinfo"
    place = str(folder / "store").replace(" ", "\\040")
    file.write_text(f"{ROOT}\nrubbish\n{line.format(place)}\n")
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2 1 0:5 / {} rw - nfs4 server:/x rw,vers=4.2", "nfs4"),
        ("2 1 0:5 / {} rw shared:2 master:1 - fuse.sshfs me@host: rw", "fuse.sshfs"),
        ("2 1 0:5 / /elsewhere rw - nfs server:/x rw", "ext4"),
        ("2 1 0:5 / {}x rw - nfs server:/x rw", "ext4"),
    ],
)
def test_a_file_system_is_told_by_the_mount_that_holds_the_folder(tmp_path, line, kind):
    folder = tmp_path / "with space"
    (folder / "store").mkdir(parents=True)
    assert kind_of(folder / "store", planted(folder, line)) == kind


def test_where_nothing_is_told_of_mounts_no_kind_is_known(tmp_path):
    assert kind_of(tmp_path, tmp_path / "missing") == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "lustre", "fuse.sshfs", "fuse.s3fs"])
def test_file_systems_of_other_machines_are_known(kind):
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse.ntfs-3g", ""])
def test_file_systems_of_this_machine_need_no_care(root, tmp_path, kind):
    refuse_unsafe(root, Disk(), planted(tmp_path, f"2 1 0:5 / {{}} rw - {kind} x rw"))
    assert list(root.iterdir()) == []


def test_on_a_network_the_first_machine_may_use_the_store(root, tmp_path):
    network = planted(tmp_path, "2 1 0:5 / {} rw - nfs4 server:/x rw")
    for _ in range(2):
        refuse_unsafe(root, Disk(), network)


def test_on_a_network_another_machine_is_refused_by_name(root, tmp_path):
    network = planted(tmp_path, "2 1 0:5 / {} rw - nfs4 server:/x rw")
    (root / "machine").write_text("0123456789abcdef other-host\n")
    with pytest.raises(NoLocks) as raised:
        refuse_unsafe(root, Disk(), network)
    assert "belongs to other-host" in raised.value.problem
    assert "AIDN_HOME" in raised.value.remedy
    assert str(root / "machine") in raised.value.remedy


def test_on_a_network_an_owner_that_is_not_told_is_not_this_machine(root, tmp_path):
    network = planted(tmp_path, "2 1 0:5 / {} rw - nfs4 server:/x rw")
    (root / "machine").write_text("")
    with pytest.raises(NoLocks, match="belongs to a machine that is not named"):
        refuse_unsafe(root, Disk(), network)


def test_locks_that_cannot_be_taken_are_told(tmp_path):
    # Where locks do not work the kernel says so of the file; a folder has none either.
    assert lock_problem(tmp_path) != ""


def test_locks_that_keep_others_out_are_no_problem(root):
    assert lock_problem(root / "locks") == ""


def test_opening_a_store_refuses_before_anything_is_written(root, tmp_path, monkeypatch):
    network = planted(tmp_path, "2 1 0:5 / {} rw - cifs //server/x rw")
    monkeypatch.setattr(mounts, "MOUNTS", network)
    (root / "machine").write_text("0123456789abcdef other-host\n")
    with pytest.raises(NoLocks):
        Store.open(root)
    assert not (root / "format.json").exists()
