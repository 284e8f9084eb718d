"""One flipped bit anywhere: named, mended or harmless; the long series is a script."""

import shutil
from pathlib import Path

import pytest
from support.flip_store import StoreBench, served, written
from support.flips import clone, flip, judged, places
from support.series import module_of, run_script
from support.source import ROOT
from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.errors import CorruptObject
from aidn_pipeline.store.gc import Collector
from aidn_pipeline.store.objects import Objects
from aidn_pipeline.store.store import Store

SCRIPT = ROOT / "tests" / "crash" / "flip_series.py"


def test_no_flipped_bit_of_a_store_is_served():
    flip_series = module_of(SCRIPT)
    rows = flip_series.series(160, None, ["store"])
    assert [row for row in rows if not row["good"]] == []
    kinds = {row["kind"] for row in rows}
    assert kinds >= {"format", "index", "journal", "object", "manifest", "sealed points"}
    assert kinds >= {"work journal", "checkpoint", "points", "pins", "trash"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_flipped_bit_of_a_bundle_or_a_project_is_served():
    run_script(SCRIPT, "--flips", "40", "--only", "project")


def test_a_store_that_does_not_look_at_its_bytes_is_found_out(tmp_path, monkeypatch):
    bench = StoreBench(tmp_path)
    monkeypatch.setattr(Objects, "damage", lambda self, digest: "")
    trash = (place for place in places(bench) if place.kind == "trash")
    assert judged(bench, next(trash), written).word.startswith("WRONG")


def test_a_damaged_checkpoint_is_passed_over_by_the_next_run(tmp_path):
    bench = StoreBench(tmp_path)
    newest = bench.kinds["checkpoint"][-1]
    clone(bench.root, bench.copy, written)
    flip(bench.copy / newest, 0)
    with Store.open(bench.copy, durability="process") as store:
        work = store.work(newest.parts[1])
        with pytest.raises(CorruptObject, match="damaged"):
            work.open(work.records()[-1])
        assert [record.number for record in store.work(newest.parts[1]).records()] == [1]


def test_a_collection_stops_at_the_damaged_pins_of_a_live_process(tmp_path):
    home = tmp_path / "home"
    with Store.open(home, durability="process") as live:
        result = run_pipeline(pipeline(stage("start", "write")), live, INDEX, tmp_path)
        assert result.status == "done"
        flip(live.scratch.folder / "pins", 7)
        with (
            Store.open(home, durability="process") as store,
            pytest.raises(CorruptObject, match="pins of the live process"),
        ):
            Collector(store, keep_runs=0).apply()
    with Store.open(home, durability="process") as store:
        Collector(store, keep_runs=0).apply()


def test_a_damaged_index_gives_the_same_answers(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    with Store.open(home, durability="process") as store:
        expected = served(store, run_pipeline(whole(), store, INDEX, tmp_path))
    index = Path("index.sqlite")
    bits = (home / index).stat().st_size * 8
    for bit in range(0, bits, bits // 60):
        clone(home, copy, lambda _: True)
        flip(copy / index, bit)
        with Store.open(copy, durability="process") as store:
            result = run_pipeline(whole(), store, INDEX, tmp_path)
            assert {ended.action for ended in result.stages.values()} == {"reuse"}, bit
            assert served(store, result) == expected, bit
    shutil.rmtree(copy)


def test_what_is_made_again_while_it_is_missed_stays_where_it_is(tmp_path, monkeypatch):
    with Store.open(tmp_path / "home", durability="process") as store:
        ref = store.objects.put(b"made again")
    with Store.open(tmp_path / "home", durability="process") as store:
        # As if another process had put it between the look and what follows from it.
        monkeypatch.setattr(Objects, "damage", lambda self, digest: "is missing")
        with pytest.raises(CorruptObject, match="is missing"):
            store.objects.verified(ref.digest)
        assert store.objects.path(ref.digest).read_bytes() == b"made again"
