"""What a run finds of its machine."""

import pytest

from aidn_pipeline.engine.budget import amount, device_names, machine_budget


@pytest.mark.parametrize(
    ("visible", "count"), [("0,1", 2), ("", 0), ("-1", 0), ("GPU-5f3a, 1", 2), ("1,-1,0", 1)]
)
def test_devices_are_those_that_the_environment_shows(monkeypatch, visible, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine_budget().gpu == count


def test_devices_beyond_those_that_are_seen_are_numbered(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    assert device_names(2) == ["4", "1"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert device_names(2) == ["0", "1"]


def test_a_machine_has_cores_and_memory():
    budget = machine_budget()
    assert budget.cpu >= 1
    assert budget.memory > 2**28


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("cpu", 1.0, "1 core"),
        ("cpu", 1.5, "1.5 cores"),
        ("gpu", 2, "2 gpus"),
        ("memory", 3 * 2**29, "1.5 GiB of memory"),
        ("memory", 12, "12 bytes of memory"),
    ],
)
def test_an_amount_in_words(key, value, said):
    assert amount(key, value) == said
