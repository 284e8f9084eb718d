"""`aidn-run list runs` shows the newest, and says how many there are besides."""

from pathlib import Path

import pytest

from aidn_pipeline.store.store import Store


@pytest.fixture
def many_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path / ".aidn", durability="process") as store:
        for number in range(25):
            run = {
                "run": f"20260101-{number:06d}-abcdef",
                "recipe": "toy",
                "status": "done",
                "started": float(number),
                "stages": {},
                "facts": {"seconds": 1.0},
            }
            store.records.add("run", str(run["run"]), run)
    return tmp_path


def test_the_last_twenty_are_shown_with_the_number_of_the_others(many_runs, say):
    _, out, _ = say("list", "runs")
    assert "000004-" not in out
    assert out.index("000005-") < out.index("000024-")
    assert "5 older runs: `aidn-run list runs all`" in out


@pytest.mark.parametrize(("word", "shown"), [("3", 3), ("all", 25), ("99", 25)])
def test_as_many_are_shown_as_are_asked_for(many_runs, say, word, shown):
    _, out, _ = say("list", "runs", word)
    assert out.count("-abcdef") == shown


@pytest.mark.parametrize("word", ["x", "0", "-1", "²"])
def test_what_is_no_number_of_runs_is_refused(many_runs, say, word):
    code, _, err = say("list", "runs", "--", word)
    assert code == 2
    assert "no number of runs" in err
    assert "all" in err


def test_a_run_is_shown_by_the_beginning_of_its_id(many_runs, say):
    code, out, _ = say("show", "20260101-000007")
    assert code == 0
    assert "20260101-000007-abcdef" in out
