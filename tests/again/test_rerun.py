"""`rerun RUN`: the old configuration and data, held against the old bytes."""

import json
import re
import shutil

import pytest
from support.command import last_object
from support.shop import edit
from support.source import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def outputs(answer):
    return {name: stage["outputs"] for name, stage in answer["stages"].items()}


def actions(answer):
    return {name: stage["action"] for name, stage in answer["stages"].items()}


def first(say):
    return last_object(say("show", "--json").stdout)


def edited_three_times(shop):
    edit(shop / "recipes/shop.yaml", "column: x", "column: y")
    edit(shop / "recipes/shop.yaml", "by: [5, 7]", "by: [5, 9]")
    edit(shop / "recipes/shop.yaml", "seed: 3", "seed: 4")


def test_after_three_config_edits_a_rerun_gives_the_old_bytes(say, shop):
    before = first(say)
    edited_three_times(shop)
    assert say("recipe=shop").returncode == 0
    done = say("rerun", before["run"], "--json")
    again = last_object(done.stdout)
    assert done.returncode == 0, done.stderr
    assert outputs(again) == outputs(before)
    assert set(actions(again).values()) == {"reuse"}
    assert again["run"] != before["run"]
    assert again["rerun"] == {"of": before["run"], "changed": [], "same": True, "differs": []}


def test_after_three_config_edits_everything_made_anew_has_the_old_bytes(say, shop):
    before = first(say)
    edited_three_times(shop)
    again = last_object(say("rerun", "last", "--no-cache", "--strict", "--json").stdout)
    assert set(actions(again).values()) == {"run"}
    assert outputs(again) == outputs(before)
    assert again["rerun"]["same"] is True


def test_the_recipe_may_be_gone(say, shop):
    (shop / "recipes/shop.yaml").unlink()
    done = say("rerun", "last")
    assert done.returncode == 0, done.stderr
    assert "the same bytes in all 12 outputs" in done.stdout


def test_a_changed_data_file_is_taken_from_the_run(say, shop):
    before = first(say)
    (shop / "rows.csv").write_text("x,y,label\n0.5,1,a\n0.25,2,b\n")
    plan = say("rerun", "last", "--plan")
    assert "note: snapshot is taken from run" in plan.stdout
    assert "since when rows.csv changed" in plan.stdout
    again = last_object(say("rerun", "last", "--no-cache", "--json").stdout)
    assert outputs(again) == outputs(before)
    assert (actions(again)["snapshot"], actions(again)["split"]) == ("reuse", "run")
    assert again["stages"]["snapshot"]["reason"] == "taken from an earlier run"


def test_a_changed_data_file_whose_snapshot_is_gone_is_named_with_its_digest(say, shop):
    shutil.rmtree(shop / ".aidn/objects")
    (shop / "rows.csv").write_text("x,y,label\n0.5,1,a\n0.25,2,b\n")
    done = say("rerun", "last")
    assert done.returncode == 2
    assert "rows.csv changed since run" in done.stderr
    assert "put the file back as it was, b3:" in done.stderr


def test_what_gc_removed_is_made_again(say):
    say("recipe=shop", "stages.count.matrix={by: [5, 9]}", "--until", "count")
    before = first(say)
    say("recipe=shop")
    assert say("gc", "--apply", "--keep-runs", "1").returncode == 0
    assert say("gc", "--purge").returncode == 0
    again = last_object(say("rerun", before["run"], "--json").stdout)
    assert [n for n, a in actions(again).items() if a == "run"] == ["count[by=9]"]
    assert again["rerun"]["same"] is True


def test_changed_code_is_named_before_it_starts_and_the_bytes_are_compared(say, shop):
    before = first(say)
    edit(shop / "mill/rounding.py", "DIGITS = 6", "DIGITS = 2")
    done = say("rerun", "last", "--json")
    again = last_object(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("mill/rounding.py") < done.stderr.index("judge:")
    assert any("mill/rounding.py (judge" in text for text in again["rerun"]["changed"])
    assert again["rerun"]["same"] is False
    assert "judge.metrics" in again["rerun"]["differs"]
    assert again["rerun"]["of"] == before["run"]


def test_a_plan_of_a_rerun_says_of_which_and_what_has_changed(say, shop):
    before = first(say)
    edit(shop / "mill/rounding.py", "DIGITS = 6", "DIGITS = 2")
    planned = last_object(say("rerun", "last", "--plan", "--json").stdout)
    assert planned["rerun"]["of"] == before["run"]
    assert "mill/rounding.py" in planned["rerun"]["changed"][0]
    assert planned["rerun"]["same"] is None
    assert actions(planned)["judge"] == "run"


def test_an_interrupted_rerun_is_continued_by_the_same_command(say, shop):
    edit(shop / "mill/rounding.py", "return round(value, DIGITS)", "return 1 / 0")
    before = first(say)
    failed = say("rerun", "last")
    assert failed.returncode == 3
    assert "debug" not in failed.stderr
    assert f"aidn-run rerun {before['run']}" in say("show").stdout


def test_a_changed_package_is_named_and_refused_by_strict(say, shop, tmp_path):
    edit(shop / "mill/rounding.py", "DIGITS = 6", "import blake3\n\nDIGITS = 6")
    assert say("recipe=shop").returncode == 0
    metadata = tmp_path / "other" / "blake3-0.0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: blake3\nVersion: 0.0.1\n")
    path = f"{tmp_path / 'other'}:{ROOT}"
    done = say("rerun", "last", "--strict", PYTHONPATH=path)
    assert done.returncode == 2
    assert re.search(
        r"package blake3 \S+ -> 0\.0\.1 \(judge, search, count, weigh, pack\)", done.stderr
    )


def test_strict_refuses_changed_code(say, shop):
    edit(shop / "mill/rounding.py", "DIGITS = 6", "DIGITS = 2")
    before = (shop / "ran.log").read_text()
    done = say("rerun", "last", "--strict")
    assert done.returncode == 2
    assert "code of stage/column_mean changed: mill/rounding.py" in done.stderr
    assert (shop / "ran.log").read_text() == before


def test_show_names_the_run_that_it_is_again(say):
    before = first(say)
    say("rerun", "last")
    told = say("show", "last").stdout
    assert f"of {before['run']}: the same bytes in all 12 outputs" in told
    assert json.loads(say("show", "--json").stdout)["rerun"]["same"] is True


def test_a_rerun_of_a_rerun_and_until(say):
    say("rerun", "last")
    done = say("rerun", "last", "--until", "search", "--json")
    again = last_object(done.stdout)
    assert (actions(again)["search"], actions(again)["weigh"]) == ("reuse", "skip")
    assert again["rerun"]["same"] is True


def test_a_rerun_keeps_the_cells_limits_and_gathered_references_of_its_run(say, shop):
    edit(
        shop / "recipes/shop.yaml",
        "  weigh:",
        """\
  all:
    use: aggregate
    inputs: {metrics: "count[*].metrics"}
    retries: {times: 1}
    resources: {cpu: 2, mutex: [one]}
  weigh:""",
    )
    assert say("recipe=shop").returncode == 0
    again = last_object(say("rerun", "last", "--json").stdout)
    assert set(actions(again).values()) == {"reuse"}
    made = last_object(say("rerun", "last", "--no-cache", "--json").stdout)
    assert made["rerun"]["same"] is True


def test_a_rerun_refuses_what_would_change_the_configuration(say):
    done = say("rerun", "last", "seed=4")
    assert done.returncode == 2
    assert "`seed=4` would change the configuration" in done.stderr


def test_a_rerun_of_nothing_is_answered(say):
    assert "there is no run '1999'" in say("rerun", "1999").stderr
    assert "rerun takes one run" in say("rerun").stderr
