"""`diff`: what differs between two runs, as tables, for a pull request, and for programs."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
from support.command import QUICK, aidn
from support.source import ROOT
from support.toys import INDEX, pipeline, stage

from aidn_pipeline.cli.diff import delta
from aidn_pipeline.cli.grid import grid
from aidn_pipeline.cli.main import main
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.facade.comparing import Figure, compare
from aidn_pipeline.store.store import Store

MORE = ("trainer.epochs=4", "optimizer.lr=0.004")
"""Beside those of the first run, which has three epochs."""


@pytest.fixture(scope="module")
def ran_twice(ran_once, tmp_path_factory) -> Path:
    """A project with a second run of more epochs and another rate; not to be changed."""
    folder = tmp_path_factory.mktemp("twice") / "project"
    shutil.copytree(ran_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*QUICK, *MORE]) == 0
    return folder


@pytest.fixture
def there(ran_twice, monkeypatch) -> Path:
    """The working folder: that project."""
    monkeypatch.chdir(ran_twice)
    return ran_twice


def sections(out: str) -> dict[str, list[list[str]]]:
    """The words of each line of a part, by its title."""
    blocks = [block.splitlines() for block in out.split("\n\n")]
    return {lines[0]: [line.split() for line in lines[1:]] for lines in blocks}


def test_the_newest_run_is_compared_with_the_one_before(there, say):
    code, out, _ = say("diff")
    found = sections(out)
    assert code == 0
    assert found["config"][1:] == [
        ["trainer.epochs", "3", "4", "train"],
        ["trainer.optimizer.lr", "0.001", "0.004", "train"],
    ]
    assert ["train", "other", "result"] in found["stages"]
    assert not any(row[0] == "snapshot" for row in found["stages"])
    assert any("accuracy" in row[:2] for row in found["metrics"])


def test_the_last_line_counts_what_differs_and_has_the_metric_that_says_most(there, say):
    last = say("diff", "last~1", "last")[1].splitlines()[-1]
    assert re.match(r"2 settings differ; accuracy 0\.\d+ -> 0\.\d+, \+0", last)


def test_no_line_is_longer_than_a_terminal(there, say):
    lines = say("diff")[1].splitlines()
    assert max(map(len, lines)) <= 80


def test_a_run_does_not_differ_from_itself(there, say):
    code, out, _ = say("diff", "last", "last", "--exit-code")
    assert code == 0
    assert out.endswith("no difference: the same configuration, code, data and results\n")


def test_the_exit_code_says_that_they_differ_if_asked(there, say):
    assert say("diff", "last~1")[0] == 0
    assert say("diff", "last~1", "--exit-code")[0] == 1


def test_a_pull_request_gets_tables(there, say):
    lines = say("diff", "--markdown")[1].splitlines()
    assert lines[0].startswith("### digits\\_train: `")
    assert "| `trainer.epochs` | `3` | `4` | `train` |" in lines
    tables = [line.count("|") - line.count("\\|") for line in lines if line.startswith("|")]
    assert set(tables) <= {4, 5, 6, 3}


def test_programs_read_everything(there, say):
    found = json.loads(say("diff", "last~1", "last", "--json")[1])
    assert found["differs"] is True
    assert found["a"]["overrides"] == list(QUICK[1:])
    assert found["config"][0] == {
        "name": "trainer.epochs",
        "stages": ["train"],
        "old": 3,
        "new": 4,
    }
    assert found["stages"]["split"] == "same work"
    assert {"stage", "name", "old", "new"} == found["metrics"][0].keys()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("a", "b", "c"), "diff takes two runs"),
        (("last~9", "last"), "there is no run 'last~9'"),
        (("nope",), "there is no run 'nope'"),
    ],
)
def test_a_mistake_is_answered(words, problem, there, say):
    code, _, err = say("diff", *words)
    assert code == 2
    assert problem in err
    assert "fix: " in err


def test_code_and_data_that_differ_are_named(tmp_path, say, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "support" / "plain", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AIDN_TRUST", "1")
    assert aidn("recipe=plain", cwd=folder).returncode == 0
    stages = folder / "plain" / "stages.py"
    stages.write_text(stages.read_text().replace("value += step", "value += step + 0"))
    assert aidn("recipe=plain", cwd=folder).returncode == 0
    out = say("diff")[1]
    assert "plain/stages.py  Steps.run()" in out
    assert ["steps", "same", "result"] in sections(out)["stages"]
    assert out.splitlines()[-1] == "1 piece of code differs; all metrics are equal"


def test_other_data_are_told(tmp_path, say, monkeypatch):
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    table = ["a,b,y", *(f"{n},{n % 5},{'x' if n % 3 else 'z'}" for n in range(60))]
    for rows in (50, 60):
        (tmp_path / "t.csv").write_text("\n".join(table[: rows + 1]) + "\n")
        words = ("source.path=t.csv", "source.label=y", "trainer.epochs=1")
        assert main(["recipe=tabular_file", *words]) == 0
    found = sections(say("diff")[1])
    assert any(row[0] == "t.csv" for row in found["data"])
    (snapshot,) = (row for row in found["data"] if row[0] == "snapshot.dataset")
    assert (snapshot[1:3], snapshot[4:6]) == (["50", "rows,"], ["60", "rows,"])


def test_what_sweeps_found_is_compared_and_stages_that_only_one_has_are_named(tmp_path):
    def tuned(*values: int, more: bool) -> PipelineSpec:
        return pipeline(
            stage("start", "write"),
            stage("tune", "tune", {"file": "start.file"}, values=list(values)),
            *([stage("upper", "upper", {"file": "start.file"})] if more else []),
        )

    with Store.open(tmp_path / "home", durability="process") as store:
        for spec in (tuned(1, 2, more=True), tuned(1, 3, more=False)):
            run_pipeline(spec, store, INDEX, tmp_path)
        b, a = store.records.runs(2)
        found = compare(a, b, store)
    (setting,) = found.found
    assert (setting.name, setting.stages, setting.old, setting.new) == ("by", ("tune",), 2, 3)
    assert found.stages == {"start": "same work", "tune": "other result", "upper": "only in a"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (0.5, 0.75, "+0.25 (+50.0 %)"),
        (-2.0, -1.0, "+1 (+50.0 %)"),
        (0.0, 1.0, "+1"),
        (2.0, 1.0, "-1 (-50.0 %)"),
        (None, 1.0, ""),
        (1.0, math.inf, ""),
    ],
)
def test_a_change_is_told_as_amount_and_share(old, new, said):
    assert delta(Figure(stage="s", name="m", old=old, new=new)) == said


def test_two_figures_that_are_no_number_do_not_differ():
    assert not Figure(stage="s", name="m", old=math.nan, new=math.nan).differs
    assert Figure(stage="s", name="m", old=math.nan, new=1.0).differs


def test_a_table_that_is_too_wide_goes_on_below():
    rows = [["key", "x" * 40, "y" * 40], ["k" * 50, "a", ""]]
    assert grid(rows, header=["a", "b", "c"], indent="  ") == [
        "  a  b  c",
        f"  key  {'x' * 40}",
        f"     {'y' * 40}",
        f"  {'k' * 50}  a",
    ]


def test_rows_that_fit_keep_their_columns_beside_one_that_does_not():
    rows = [["a", "1", "x.yaml:1"], ["b" * 40, "2", "y.yaml:2" * 5], ["c", "30", "z.yaml:3"]]
    assert grid(rows) == [
        "a  1   x.yaml:1",
        f"{'b' * 40}  2",
        f"   {'y.yaml:2' * 5}",
        "c  30  z.yaml:3",
    ]
