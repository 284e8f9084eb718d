"""The text of a lock: what is written is read again, and every difference has a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.config.definitions import definitions
from aidn_pipeline.config.lock import lock_text, parsed
from aidn_pipeline.config.unlocked import differences, outputs_that_differ
from aidn_pipeline.errors import NewerFormat

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=12),
)
values = st.recursive(
    scalars | st.lists(scalars, max_size=3), lambda inner: st.dictionaries(names, inner, max_size=3)
)


def lock(**tables):
    return {"format": 1, "recipe": "r", "name": "n", "seed": 0, "python": "3.11", **tables}


def told(old, new, place=""):
    return differences(lock(**old), lock(**new), lambda *_: place)


@given(st.dictionaries(names.filter(lambda n: "[" not in n), st.dictionaries(names, values)))
def test_stages_are_read_as_they_were_written(stages):
    assert parsed(lock_text(lock(stages=stages), ""), "")["stages"] == stages


@given(st.lists(st.dictionaries(st.sampled_from("abc"), scalars), min_size=1, max_size=4))
def test_cells_are_read_whole_whatever_they_share(cells):
    stages = {f"s[n={n}]": cell for n, cell in enumerate(cells)}
    read = parsed(lock_text(lock(stages=stages), ""), "")["stages"]
    assert repr(read) == repr({n: {k: c[k] for k in read[n]} for n, c in stages.items()})
    assert read == stages


@given(st.dictionaries(names, st.text(st.characters(codec="utf-8"))))
def test_names_and_texts_of_any_kind_are_kept(files):
    assert parsed(lock_text(lock(files=files), ""), "")["files"] == files


def test_what_is_null_is_left_out():
    stages = {"a": {"use": "x", "none": None, "empty": {}}}
    read = parsed(lock_text(lock(stages=stages), ""), "")["stages"]
    assert read == {"a": {"use": "x", "empty": {}}}


@pytest.mark.parametrize(
    "text", ["", "format = 1\ncode = 2", 'format = "1"', "[stages]\n", "format = 1\n[stages]\na=1"]
)
def test_what_is_no_lock_is_refused(text):
    with pytest.raises(ValueError, match="no"):
        parsed(text, "x.lock")


def test_a_later_format_is_told_from_damage():
    with pytest.raises(NewerFormat):
        parsed("format = 2", "x.lock")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"packages": {"p": "1"}}, {"packages": {"p": "2"}}, "package p 1 -> 2"),
        ({"packages": {}}, {"packages": {"p": "2"}}, "package p none -> 2"),
        ({"python": "3.11"}, {"python": "3.12"}, "python 3.11 -> 3.12"),
        ({"files": {"f": "b3:1"}}, {"files": {"f": "b3:2"}}, "file f changed (b3:1 -> b3:2)"),
        ({"files": {"f": "b3:1"}}, {"files": {"f": "missing"}}, "file f is missing"),
        ({"files": {}}, {"files": {"f": "b3:1"}}, "file f is read now"),
        ({"files": {"f": "b3:1"}}, {}, "file f is no longer read"),
        ({"components": {"a/b": 1}}, {"components": {"a/b": 2}}, "a/b has version 2, not 1"),
        ({"code": {"m.py": {"f": "1"}}}, {"code": {"m.py": {"f": "2"}}}, "code m.py: `f` changed"),
        (
            {"code": {"m.py": {"f": "1", "(module)": "1"}}},
            {"code": {"m.py": {"g": "1", "(module)": "2"}}},
            "code m.py: what is outside of functions changed, `f` is gone, `g` is new",
        ),
        ({"code": {}}, {"code": {"m.py": {"f": "2"}}}, "code m.py is new"),
        ({"seed": 1}, {"seed": 2}, "seed 1 -> 2"),
        ({"stages": {}}, {"stages": {"a": {}}}, "stage a is new"),
        ({"stages": {"a": {}}}, {"stages": {}}, "stage a is gone"),
        (
            {"environment": {"V": False}},
            {"environment": {"V": "x"}},
            "environment variable V not set -> x",
        ),
    ],
)
def test_a_difference_is_one_sentence(old, new, said):
    assert told(old, new) == [said]


def test_many_cells_are_told_at_once():
    cells = {f"fold[n={n}]": {"n": n} for n in range(9)}
    (said,) = told({"stages": {}}, {"stages": cells})
    assert said == "9 cells of stage fold are new: fold[n=0], fold[n=1], fold[n=2], ..."


def test_equal_locks_differ_in_nothing():
    value = {"stages": {"a": {"x": 1.0}}, "files": {"f": "b3:1"}}
    assert told(value, value) == []


def test_a_whole_number_is_not_a_fraction():
    assert told({"stages": {"a": {"x": 1}}}, {"stages": {"a": {"x": 1.0}}}) == [
        "stages.a.x 1 -> 1.0"
    ]


def test_a_value_that_stages_share_is_told_once_with_its_place():
    old = {"stages": {n: {"trainer": {"lr": 0.1}} for n in "abc"}}
    new = {"stages": {n: {"trainer": {"lr": 0.2}} for n in "abc"}}
    assert told(old, new, "o.yaml:3") == ["stages.a.trainer.lr and 2 more 0.1 -> 0.2 (o.yaml:3)"]


def test_outputs_are_compared_where_both_have_them():
    locked = {"outputs": {"a": {"x": "1", "y": "2"}, "b": {"x": "3"}}}
    assert outputs_that_differ(locked, {"a": {"x": "1", "y": "9"}, "c": {}}) == (["a.y"], 2)


SOURCE = '''
"""A module."""
import os

LIMIT = 3

@wraps(os)
def plain(x):
    """Says."""
    return x

class Thing(Base):
    """A thing."""
    width: int = 4

    def area(self):
        return self.width
'''


def changed(old, new):
    before, now = definitions(SOURCE), definitions(SOURCE.replace(old, new))
    return {name for name in before | now if before.get(name) != now.get(name)}


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("LIMIT = 3", "LIMIT = 4", {"(module)"}),
        ("import os", "import sys", {"(module)"}),
        ("return x", "return x + 1", {"plain"}),
        ("@wraps(os)", "@wraps", {"plain"}),
        ("width: int = 4", "width: int = 5", {"Thing"}),
        ("(Base)", "(Other)", {"Thing"}),
        ("return self.width", "return 0", {"Thing.area"}),
        ("def plain", "def other", {"plain", "other"}),
        ('"""Says."""', '"""Tells."""  # so', set()),
        ('"""A module."""', "", set()),
        ('"""A thing."""\n', "\n", set()),
    ],
)
def test_a_change_is_one_of_the_definition_it_is_in(old, new, names):
    assert changed(old, new) == names


def test_definitions_of_one_name_are_told_apart():
    source = "def f():\n    return 1\ndef f():\n    return 2\n"
    assert list(definitions(source)) == ["(module)", "f", "f#2"]
