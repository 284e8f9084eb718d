"""Runs are found through the index: the newest, those of a recipe, those of a beginning."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aidn_pipeline.core.record import RunRecord
from aidn_pipeline.store.store import Store


def record(name: str, recipe: str) -> dict[str, object]:
    return RunRecord(run=name, recipe=recipe, status="running", started=1.0).to_json()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s", durability="process") as opened:
        for number in range(30):
            name = f"2026{number:04d}"
            opened.records.append("run", name, record(name, "ab"[number % 2]))
        opened.records.append("run", "20260003", record("20260003", "b"))
        yield opened


def ids(runs: list[dict[str, str]]) -> list[str]:
    return [run["run"] for run in runs]


def test_the_run_that_was_written_last_comes_first(store):
    assert ids(store.records.runs(2)) == ["20260003", "20260029"]


def test_a_run_counts_once_however_often_it_was_written(store):
    assert store.records.count_runs() == 30


def test_runs_of_a_recipe_are_its_own(store):
    assert ids(store.records.runs(3, recipe="a")) == ["20260028", "20260026", "20260024"]


def test_a_run_is_found_by_the_beginning_of_its_id(store):
    assert ids(store.records.runs(1, beginning="2026001")) == ["20260019"]
    assert store.records.runs(1, beginning="2027") == []


def test_without_its_index_the_same_runs_are_found(store, tmp_path):
    before = store.records.runs(40)
    (tmp_path / "s" / "index.sqlite").unlink()
    with Store.open(tmp_path / "s", durability="process") as again:
        assert again.records.runs(40) == before


def test_an_index_of_an_earlier_release_is_made_anew(store, tmp_path):
    before = store.records.runs(40)
    with Store.open(tmp_path / "s", durability="process") as again:
        again.records._index._db.executescript(
            "DROP TABLE fact; CREATE TABLE line (kind TEXT, key TEXT, family TEXT, base TEXT,"
            "sequence INTEGER, offset INTEGER, size INTEGER); PRAGMA user_version=0;"
        )
    with Store.open(tmp_path / "s", durability="process") as again:
        assert again.records.runs(40) == before
