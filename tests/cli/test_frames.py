"""A stack trace shows the user's frames and folds all others."""

import importlib.util
import json
from pathlib import Path

import pytest

from aidn_pipeline.cli.frames import below_users, folded, is_users, whole
from aidn_pipeline.training.located import batch_of, located
from aidn_pipeline.training.step import Position

USER = """\
import json

def outer(text):
    return inner(text)

def inner(text):
    return json.loads(text)

def chained(text):
    try:
        inner(text)
    except ValueError as error:
        raise KeyError("row 7") from error
"""


@pytest.fixture
def raised(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(USER)
    spec = importlib.util.spec_from_file_location("mine", file)
    assert spec is not None
    assert spec.loader is not None
    mine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mine)

    def call(name: str) -> Exception:
        with pytest.raises((ValueError, KeyError)) as caught:
            getattr(mine, name)("{")
        return caught.value

    return call


def test_frames_of_the_project_are_shown_with_their_source(raised, tmp_path):
    assert "line 7, in inner\n    return json.loads(text)" in folded(raised("outer"), tmp_path)


def test_frames_of_the_library_are_folded_into_one_line(raised, tmp_path):
    assert "\n  ... 3 frames in python\n" in folded(raised("outer"), tmp_path)


def test_the_exception_ends_the_trace(raised, tmp_path):
    assert folded(raised("outer"), tmp_path).splitlines()[-1].startswith("json.decoder.JSONDecode")


def test_a_cause_is_told_before_what_it_caused(raised, tmp_path):
    told = folded(raised("chained"), tmp_path)
    assert told.index("JSONDecodeError") < told.index("direct cause") < told.index("row 7")


def test_without_a_frame_of_the_user_the_last_one_is_shown(tmp_path):
    with pytest.raises(ValueError) as caught:
        json.loads("{")
    assert "decoder.py" in folded(caught.value, tmp_path)


def test_the_whole_trace_shows_the_librarys_files(raised):
    assert "decoder.py" in whole(raised("outer"))


def test_frames_below_the_users_last_one_are_counted(raised, tmp_path):
    assert below_users(raised("outer"), tmp_path) == 3


def test_what_is_installed_in_the_project_is_not_the_users():
    assert not is_users("/p/.venv/lib/site-packages/torch/nn.py", Path("/p"))


def test_a_batch_is_told_with_its_samples():
    position = Position()
    position.epoch, position.batch, position.step = 1, 4, 20
    position.samples = position.samples.new_tensor([3, 9])
    assert batch_of(position) == (
        "epoch 2, batch 5, step 21\nsamples of the training split, from 0: 3, 9"
    )


def test_a_place_becomes_a_note_of_what_was_raised():
    with pytest.raises(ValueError) as caught, located(lambda: "epoch 2"):
        raise ValueError("broke")
    assert caught.value.__notes__ == ["raised in epoch 2"]


def test_an_interruption_from_the_keyboard_stays_as_it_is():
    with pytest.raises(KeyboardInterrupt) as caught, located(lambda: "epoch 2"):
        raise KeyboardInterrupt
    assert not hasattr(caught.value, "__notes__")
