"""`lock` and `--frozen`: what differs is named before the first stage, each thing by its name."""

import json
import shutil
import tomllib

import pytest
from support.command import last_object
from support.shop import edit
from support.source import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def locked(shop, say):
    done = say("lock", "recipe=shop")
    assert done.returncode == 0, done.stderr
    return shop / "recipes/shop.lock"


def frozen(say, *more, **environment):
    return say("recipe=shop", "--frozen", *more, **environment)


def refused(say, shop, *more, **environment):
    """What `--frozen` says of what differs, one line for each thing; nothing may have run."""
    before, store = (shop / "ran.log").read_text(), (shop / ".aidn/journal/000001.log").read_bytes()
    done = frozen(say, *more, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert (shop / "ran.log").read_text() == before
    assert (shop / ".aidn/journal/000001.log").read_bytes() == store
    assert "recipes/shop.lock" in done.stderr
    assert "aidn-run lock recipe=shop" in done.stderr
    return [line.strip() for line in done.stderr.splitlines() if line.startswith("    ")]


def test_a_lock_that_nothing_differs_from_lets_a_run_through_and_says_so(locked, say):
    done = frozen(say)
    assert done.returncode == 0, done.stderr
    assert "nothing differs from recipes/shop.lock; 10 outputs have the locked bytes" in done.stdout


def test_a_lock_holds_values_data_code_packages_and_outputs(locked):
    value = tomllib.loads(locked.read_text())
    assert value["stages"]["judge"]["column"] == "x"
    assert value["stages"]["judge"]["inputs"] == {"dataset": "split.dataset"}
    assert value["files"]["rows.csv"].startswith("b3:")
    assert {"rounded", "unused", "(module)"} == value["code"]["mill/rounding.py"].keys()
    assert value["components"]["stage/split"] >= 1
    assert value["packages"]["torch"]
    assert value["outputs"]["judge"]["metrics"].startswith("b3:")


def test_versions_and_what_needs_them_have_no_locked_outputs(locked):
    outputs = tomllib.loads(locked.read_text())["outputs"]
    assert "weigh" in outputs
    assert not {"register", "pack"} & outputs.keys()


def test_cells_share_a_table_and_say_what_differs(locked):
    stages = tomllib.loads(locked.read_text())["stages"]
    assert stages["count"]["steps"] == 4
    assert [stages[f"count[by={n}]"] for n in (5, 7)] == [{"by": 5}, {"by": 7}]


def test_locking_twice_changes_nothing(locked, say):
    before = locked.read_bytes()
    done = say("lock", "recipe=shop")
    assert done.stdout == "recipes/shop.lock is up to date\n"
    assert locked.read_bytes() == before


def test_locking_on_another_store_keeps_the_digests_that_are_known(locked, say, shop):
    before = locked.read_bytes()
    shutil.rmtree(shop / ".aidn")
    assert say("lock", "recipe=shop").returncode == 0
    assert locked.read_bytes() == before


def test_a_change_of_one_value_is_a_change_of_one_line(locked, say, shop):
    before = locked.read_text().splitlines()
    edit(shop / "recipes/shop.yaml", "values: [1, 2]", "values: [1, 2, 3]")
    done = say("lock", "recipe=shop")
    now = [line for line in locked.read_text().splitlines() if line not in before]
    assert now == ["values = [1, 2, 3]"]
    assert "stages.search.values [1, 2] -> [1, 2, 3] (recipes/shop.yaml:14)" in done.stdout


def test_a_changed_value_is_named_with_both_values_and_its_place(locked, say, shop):
    edit(shop / "recipes/shop.yaml", "column: x", "column: y")
    assert refused(say, shop) == ["stages.judge.column x -> y (recipes/shop.yaml:13)"]


def test_a_field_that_changes_no_result_is_not_locked(locked, say):
    assert "pause" not in locked.read_text()
    assert frozen(say, "stages.search.pause=0.001").returncode == 0


def test_an_override_is_named_as_such(locked, say, shop):
    assert refused(say, shop, "seed=4") == ["seed 3 -> 4 (override seed=4)"]


def test_a_changed_default_is_named_with_the_component_and_the_function(locked, say, shop):
    edit(shop / "mill/stages.py", "setting(4, extends=True)", "setting(5, extends=True)")
    told = refused(say, shop)
    assert told == [
        "stages.count[by=5].steps and 1 more 4 -> 5 (default of stage/count, mill/stages.py)",
        "code mill/stages.py: `Count` changed",
    ]


def test_a_changed_preset_is_named_with_its_line(locked, say, shop):
    (shop / "conf/source").mkdir(parents=True)
    (shop / "conf/source/table.yaml").write_text("use: table\nscale: 2.0\n")
    assert refused(say, shop) == [
        "stages.snapshot.source.scale 1.0 -> 2.0 (conf/source/table.yaml:2)"
    ]


def test_a_changed_data_file_is_named(locked, say, shop):
    edit(shop / "rows.csv", "x,y,label\n", "x,y,label\n0.5,0.5,a\n")
    (told,) = refused(say, shop)
    assert told.startswith("file rows.csv changed (b3:")


def test_a_missing_data_file_is_named(locked, say, shop):
    (shop / "rows.csv").unlink()
    assert refused(say, shop) == ["file rows.csv is missing"]


def test_a_changed_helper_function_is_named(locked, say, shop):
    edit(shop / "mill/rounding.py", "return round(value, DIGITS)", "return round(value, 2)")
    assert refused(say, shop) == ["code mill/rounding.py: `rounded` changed"]


def test_a_comment_and_a_docstring_change_nothing(locked, say, shop):
    edit(shop / "mill/rounding.py", '"""A figure as it is told."""', '"""A figure."""  # so')
    assert frozen(say).returncode == 0


def test_a_changed_package_version_is_named(locked, say, shop, tmp_path):
    metadata = tmp_path / "other" / "numpy-1.0.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0.0\n")
    was = tomllib.loads(locked.read_text())["packages"]["numpy"]
    path = f"{tmp_path / 'other'}:{ROOT}"
    assert refused(say, shop, PYTHONPATH=path) == [f"package numpy {was} -> 1.0.0"]


def test_a_changed_variable_is_named_with_the_value_it_changes(say, shop):
    edit(shop / "recipes/shop.yaml", "column: x", 'column: "${oc.env:SHOP_COLUMN,x}"')
    assert say("lock", "recipe=shop").returncode == 0
    assert frozen(say).returncode == 0
    assert refused(say, shop, SHOP_COLUMN="y") == [
        "stages.judge.column x -> y (recipes/shop.yaml:13)",
        "environment variable SHOP_COLUMN not set -> y",
    ]


def test_several_things_are_all_named(locked, say, shop):
    edit(shop / "recipes/shop.yaml", "column: x", "column: y")
    edit(shop / "mill/rounding.py", "DIGITS = 6", "DIGITS = 2")
    edit(shop / "rows.csv", "x,y,label\n", "x,y,label\n0.5,0.5,a\n")
    told = refused(say, shop)
    assert [line.split(" ")[0] for line in told] == ["stages.judge.column", "file", "code"]
    assert "what is outside of functions changed" in told[-1]


def test_a_stage_more_and_a_stage_less_are_named(locked, say, shop):
    text = "  weigh2: {use: column_mean, inputs: {dataset: split.dataset}}\n  weigh:"
    edit(shop / "recipes/shop.yaml", "  weigh:", text)
    assert refused(say, shop, "~stages.pack") == ["stage weigh2 is new", "stage pack is gone"]


def test_without_a_lock_the_command_that_writes_it_is_said(say, shop):
    done = frozen(say, "seed=4", "run.wait=false")
    assert done.returncode == 2
    assert "the recipe has no lock" in done.stderr
    assert "fix: write it: `aidn-run lock recipe=shop seed=4`" in done.stderr


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", "format = 1\nstages = 3\n", "", "\xff"])
def test_a_damaged_lock_is_an_error_and_is_written_anew(locked, say, text):
    locked.write_bytes(text.encode("latin-1"))
    done = frozen(say)
    assert done.returncode == 2
    assert "the lock cannot be read" in done.stderr
    assert say("lock", "recipe=shop").returncode == 0
    assert frozen(say).returncode == 0


def test_a_lock_of_a_later_release_is_left_alone(locked, say):
    locked.write_text(locked.read_text().replace("format = 1", "format = 2"))
    before = locked.read_text()
    assert "a lock of format 2" in frozen(say).stderr
    assert "a lock of format 2" in say("lock", "recipe=shop").stderr
    assert locked.read_text() == before


def test_frozen_is_a_recorded_key_and_goes_with_the_other_flags(locked, say):
    done = frozen(say, "--until", "search", "--json")
    answer = last_object(done.stdout)
    assert done.returncode == 0, done.stderr
    assert answer["options"] == {"until": ["search"], "frozen": True}
    assert answer["stages"]["weigh"]["action"] == "skip"


def test_frozen_with_plan_checks_and_runs_nothing(locked, say, shop):
    assert frozen(say, "--plan").returncode == 0
    edit(shop / "recipes/shop.yaml", "column: x", "column: y")
    assert "column x -> y" in frozen(say, "--plan").stderr


def test_other_bytes_than_the_locked_ones_fail_the_run(locked, say):
    digest = tomllib.loads(locked.read_text())["outputs"]["judge"]["metrics"]
    edit(locked, digest, "b3:" + "0" * 64)
    done = frozen(say, "--json")
    assert done.returncode == 1
    assert last_object(done.stdout)["status"] == "failed"
    assert "other bytes than the locked ones: judge.metrics" in done.stderr


def test_on_another_kind_of_machine_outputs_are_not_compared(locked, say):
    value = tomllib.loads(locked.read_text())
    edit(locked, value["outputs"]["judge"]["metrics"], "b3:" + "0" * 64)
    edit(locked, value["machine"], "Plan9 mips")
    done = frozen(say)
    assert done.returncode == 0
    assert "locked bytes" not in done.stdout


def test_a_lock_without_a_store_has_no_outputs_and_makes_none(say, shop):
    shutil.rmtree(shop / ".aidn")
    done = say("lock", "recipe=shop")
    assert "without outputs" in done.stdout
    assert not (shop / ".aidn/journal").exists()
    assert "outputs" not in tomllib.loads((shop / "recipes/shop.lock").read_text())


def test_lock_tells_programs(say, shop):
    answer = json.loads(say("lock", "recipe=shop", "--json").stdout)
    assert answer == {
        "format": 1,
        "path": "recipes/shop.lock",
        "written": True,
        "changed": [],
        "outputs": 10,
    }


def test_a_lock_is_not_written_out_of_the_project(say, shop, tmp_path):
    (shop / "recipes").rename(tmp_path / "elsewhere")
    (shop / "recipes").symlink_to(tmp_path / "elsewhere")
    done = say("lock", "recipe=shop")
    assert done.returncode == 1
    assert "leads out of the project" in done.stderr
    assert not (tmp_path / "elsewhere/shop.lock").exists()


def test_lock_takes_no_keys_of_how_it_is_run(say):
    done = say("lock", "recipe=shop", "run.force=[judge]")
    assert done.returncode == 2
    assert "a lock is of all of the recipe" in done.stderr
