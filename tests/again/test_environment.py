"""What a recipe reads from the environment: recorded in the run, shown, and held by a rerun."""

import json

import pytest
from support.shop import edit

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def reading(shop):
    """A recipe that reads two variables, of which one has a default."""
    edit(shop / "recipes/shop.yaml", "column: x", 'column: "${oc.env:SHOP_COLUMN}"')
    edit(
        shop / "recipes/shop.yaml", "values: [1, 2]", "values: [1, '${oc.decode:${oc.env:MOST,2}}']"
    )


def test_a_run_records_and_shows_what_was_read_and_what_was_not_set(reading, say):
    assert say("recipe=shop", SHOP_COLUMN="y").returncode == 0
    assert "reads    MOST (not set)  SHOP_COLUMN=y" in say("show").stdout


def test_a_plan_tells_it_too(reading, say):
    done = say("plan", "recipe=shop", SHOP_COLUMN="y", MOST="3")
    assert "reads from the environment: MOST=3  SHOP_COLUMN=y" in done.stdout


def test_a_changed_variable_is_a_reason(reading, say):
    say("recipe=shop", SHOP_COLUMN="y")
    done = say("plan", "recipe=shop", SHOP_COLUMN="y", MOST="3")
    assert "values [1, 2] -> [1, 3] (recipes/shop.yaml:14)" in done.stdout


def test_a_rerun_has_the_values_of_its_run(reading, say):
    say("recipe=shop", SHOP_COLUMN="y")
    done = say("rerun", "last", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["rerun"]["same"] is True
    assert "reads    MOST (not set)  SHOP_COLUMN=y" in say("show").stdout
