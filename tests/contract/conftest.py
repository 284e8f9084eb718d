"""Kills belong to the tests of crashes, whichever suite they come from."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "test_a_kill_at_any_write" in item.name:
            item.add_marker(pytest.mark.crash)
