"""What a stage's own process tells the runner."""

import json
import os

import numpy as np
import pytest

from aidn_pipeline.core.events import Event
from aidn_pipeline.core.masking import keep_out
from aidn_pipeline.engine.executors.child import Line
from aidn_pipeline.engine.failure import RaisedElsewhere, error_to_json


def said(value: object) -> object:
    reading, writing = os.pipe()
    Line(writing).write({"event": value})
    os.close(writing)
    with os.fdopen(reading) as file:
        return json.load(file)["event"]


def test_numbers_of_other_libraries_are_told_as_plain_ones() -> None:
    assert said({"loss": np.float32(0.5), "step": np.int64(3), "kind": Event}) == {
        "loss": 0.5,
        "step": 3,
        "kind": str(Event),
    }


def test_a_line_of_code_with_a_secret_is_masked_where_it_is_shown() -> None:
    keep_out("correct-horse-battery", "HORSE")
    with pytest.raises(ValueError, match="no good") as raised:
        raise ValueError("no good", "correct-horse-battery")
    told = error_to_json(raised.value)
    assert "correct-horse-battery" not in json.dumps(told)
    shown = RaisedElsewhere.from_json(told["cause"]).frames[-1].line
    assert shown is not None
    assert "<secret HORSE>" in shown
