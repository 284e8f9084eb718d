"""Versions of installed distributions are those that `importlib.metadata` tells."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from aidn_pipeline.core.installed import installed


def test_every_version_here_is_the_one_that_the_library_tells() -> None:
    names = {each.metadata["Name"] for each in metadata.distributions()}
    assert len(names) > 10
    told = {name: metadata.version(name).partition("+")[0] for name in names}
    assert {name: installed(name) for name in names} == told


def record(folder: Path, name: str, text: str | None) -> None:
    (folder / name).mkdir(parents=True)
    if text is not None:
        (folder / name / "METADATA").write_text(text)


@pytest.mark.parametrize("asked", ["some-thing", "Some_Thing", "SOME.THING"])
def test_a_name_is_the_same_in_any_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    record(tmp_path, "Some_Thing-2.0.dist-info", "Name: Some.Thing\nVersion: 2.0+cpu\n\nVersion: 9")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed(asked) == "2.0"


def test_the_first_folder_on_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "a", "thing-1.0.dist-info", "Version: 1.0\n")
    record(tmp_path / "b", "thing-2.0.dist-info", "Version: 2.0\n")
    record(tmp_path / "a", "thing_more-3.0.dist-info", "Version: 3.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert installed("thing") == "1.0"


def test_what_is_not_installed_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "nowhere"), "", "a.zip"])
    assert installed("thing") == ""


def test_a_record_of_another_form_is_left_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.egg-info").mkdir()
    (tmp_path / "old.egg-info" / "PKG-INFO").write_text("Name: old\nVersion: 0.5\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed("old") == "0.5"
