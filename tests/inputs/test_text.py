"""Texts into token ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.core.columns import Text
from aidn_pipeline.inputs.text import FIRST, PADDING, UNKNOWN, token_reader, words_of

COLUMN = Text(name="text", words=("good", "bad", "!"), length=5)


def test_words_and_signs_are_tokens_and_an_apostrophe_stays_in_its_word():
    assert words_of("Don't stop: it's 5.50!", lowercase=True) == [
        "don't", "stop", ":", "it's", "5", ".", "50", "!",
    ]  # fmt: skip


def test_case_is_kept_on_request():
    assert words_of("Go GO", lowercase=False) == ["Go", "GO"]


def test_scripts_without_blanks_are_read_by_the_character():
    assert words_of("PC好用です", lowercase=True) == ["pc", "好", "用", "で", "す"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("اَلْعَرَبِيَّةُ", ["اَلْعَرَبِيَّةُ"]),
        ("İstanbul'da", ["i\u0307stanbul'da"]),
        ("x\u0304y", ["x\u0304y"]),
        ("نیم\u200cفصل گرم", ["نیم\u200cفصل", "گرم"]),
        ("क\u094d\u200dष", ["क\u094d\u200dष"]),
    ],
    ids=["Hindi", "Tamil", "Arabic", "dotted I", "macron", "Persian", "joined"],
)
def test_a_word_keeps_its_marks_and_joiners(text, words):
    assert words_of(text, lowercase=True) == words


def test_a_joiner_that_joins_nothing_is_no_word():
    assert words_of("a\u200c \u200d b\u200d!", lowercase=True) == ["a", "b", "!"]


def test_a_sign_keeps_its_marks():
    assert words_of("\u2764\ufe0f ok", lowercase=True) == ["\u2764\ufe0f", "ok"]


def test_a_thai_character_keeps_its_marks():
    assert words_of("ที่นี่", lowercase=True) == ["ที่", "นี่"]


def test_compatible_forms_of_a_character_are_one():
    assert words_of("ﬁne \uff21", lowercase=True) == ["fine", "a"]


def test_ids_are_padded_on_the_right_and_cut():
    read = token_reader(COLUMN)
    assert read("Good, bad!") == [FIRST, UNKNOWN, FIRST + 1, FIRST + 2, PADDING]
    assert read("good " * 9) == [FIRST] * 5


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_text_is_empty(missing):
    assert token_reader(COLUMN)(missing) == [PADDING] * 5


def test_a_number_is_no_text():
    with pytest.raises(ValueError, match="no text but float"):
        token_reader(COLUMN)(3.5)


@given(st.text(st.characters(max_codepoint=127)))
def test_a_text_of_ascii_alone_is_read_as_it_is_among_others(text):
    assert words_of(text, lowercase=True) == words_of(f"{text} \u00e9", lowercase=True)[:-1]


@given(st.text())
def test_every_text_has_ids_of_the_vocabulary_and_padding_only_at_its_end(text):
    ids = token_reader(COLUMN)(text)
    real = [i for i in ids if i != PADDING]
    assert len(ids) == COLUMN.length
    assert ids[: len(real)] == real
    assert all(0 <= i < COLUMN.vocabulary for i in ids)
