"""`--from`, `--until`, `--only`, `--no-cache`: which stages run, and what is recorded of it."""

import json

import pytest
from support.command import last_object

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def actions(done):
    return {name: stage["action"] for name, stage in last_object(done.stdout)["stages"].items()}


def ran(shop):
    return (shop / "ran.log").read_text().splitlines()


def running(done):
    return [name for name, action in actions(done).items() if action == "run"]


def test_from_runs_a_stage_and_all_after_it_and_nothing_else(say):
    done = say("recipe=shop", "--from", "search", "--json")
    assert done.returncode == 0, done.stderr
    assert running(done) == ["search", "weigh", "register", "pack"]


def test_from_a_matrix_takes_all_cells_and_from_a_cell_takes_that_one(say):
    every = say("plan", "recipe=shop", "--from", "count", "--json")
    one = say("plan", "recipe=shop", "--from", "count[by=7]", "--json")
    assert running(every)[:2] == ["count[by=5]", "count[by=7]"]
    assert running(one) == ["count[by=7]"]


def test_until_runs_what_a_stage_needs_and_skips_the_rest_with_its_reason(say):
    done = say("recipe=shop", "--until", "judge", "stages.judge.column=y", "--json")
    stages = last_object(done.stdout)["stages"]
    assert done.returncode == 0, done.stderr
    assert running(done) == ["judge"]
    assert (stages["split"]["action"], stages["search"]["action"]) == ("reuse", "skip")
    assert stages["pack"]["reason"] == "not asked for: run.until=[judge]"


def test_only_runs_a_stage_alone(say):
    done = say("recipe=shop", "--only", "search", "stages.search.steps=3", "--json")
    found = actions(done)
    assert done.returncode == 0, done.stderr
    assert found["search"] == "run"
    assert (found["judge"], found["count[by=5]"], found["weigh"]) == ("reuse", "skip", "skip")


@pytest.mark.parametrize("verb", [(), ("plan",)])
def test_only_says_what_is_missing_why_and_which_command_makes_it(say, shop, verb):
    before = ran(shop)
    done = say(*verb, "recipe=shop", "--only", "search", "stages.judge.column=y")
    assert done.returncode == 2
    assert "what search needs is not there: judge (run: column x -> y" in done.stderr
    assert "aidn-run recipe=shop stages.judge.column=y --until search`" in done.stderr
    assert ran(shop) == before


def test_only_with_force_runs_it_although_its_result_exists(say):
    done = say("recipe=shop", "--only", "search", "--force", "search", "--json")
    assert running(done) == ["search"]


def test_no_cache_makes_everything_anew_trials_too_and_stores_equal_bytes_once(say, shop):
    objects = [p for p in (shop / ".aidn/objects").rglob("*") if p.is_file()]
    before = ran(shop)
    done = say("recipe=shop", "--no-cache", "--json")
    assert done.returncode == 0, done.stderr
    assert set(actions(done).values()) == {"run"}
    assert sorted(ran(shop)[len(before) :]) == sorted(before)
    added = [p for p in (shop / ".aidn/objects").rglob("*") if p.is_file() and p not in objects]
    assert sum(p.stat().st_size for p in added) < 10_000, "only the times of metric points differ"
    assert last_object(done.stdout)["model"]["version"] == 1


def test_no_cache_reaches_into_the_processes_of_stages(say, shop):
    before = ran(shop)
    done = say("recipe=shop", "--no-cache", "run.executor=processes")
    assert done.returncode == 0, done.stderr
    assert sorted(ran(shop)[len(before) :]) == sorted(before)


def test_no_cache_gives_the_same_outputs(say):
    first = last_object(say("recipe=shop", "--json").stdout)
    again = last_object(say("recipe=shop", "--no-cache", "--json").stdout)
    assert {n: s["outputs"] for n, s in again["stages"].items()} == {
        n: s["outputs"] for n, s in first["stages"].items()
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "serch"), "did you mean `search`?"),
        (("--until", "count[by=6]"), "did you mean `count[by=7]`?"),
        (("--only", "nothing"), "stages: snapshot"),
        (("--only", "judge", "--until", "weigh"), "either `run.only` or `run.until`"),
        (("--from", "pack", "--until", "judge"), "`run.from` names 'pack', which `run.until`"),
        (("--force", "judge", "--only", "search"), "name judge in `--only`"),
        (("run.until=judge",), "a list"),
    ],
)
def test_what_cannot_be_meant_is_answered(say, words, said):
    done = say("plan", "recipe=shop", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_keys_are_recorded_and_shown_in_the_plan_the_run_and_the_object(say):
    flags = ("--from", "judge", "--until", "search", "--until", "count[by=5]")
    keys = {"from": ["judge"], "until": ["search", "count[by=5]"]}
    plan = say("plan", "recipe=shop", *flags)
    assert "note: run.from=[judge]: made anew are judge, search, count" in plan.stdout
    assert "note: run.until=[search, count[by=5]]: not run are count, weigh" in plan.stdout
    done = say("recipe=shop", *flags, "--json")
    assert last_object(done.stdout)["options"] == keys
    shown = say("show")
    assert "from=[judge]" in shown.stdout
    assert json.loads(say("show", "--json").stdout)["options"] == keys


def test_flags_are_keys(say):
    flags = say("plan", "recipe=shop", "--from", "search", "--json")
    keys = say("plan", "recipe=shop", "run.from=[search]", "--json")
    assert actions(flags) == actions(keys)
