"""Raw values to numbers: a value means the same in a table, in a row and in a cell of text."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidn_pipeline.core.columns import Column, days_of
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.data.encoding import encode_table
from aidn_pipeline.errors import DataError
from aidn_pipeline.export.rows import encode_rows

NUMBER = Column(name="x", kind="numeric", fill=7.0, indicator=True)
PLAN = Column(name="x", kind="categorical", categories=("basic", "pro"))
DATE = Column(name="x", kind="date", fill=-1.0)
TRUTH = Column(name="x", kind="boolean")


def one(column, values, kind=None):
    return encode_table([column], pa.table({"x": pa.array(values, kind)}), where="t")


@given(st.lists(st.none() | st.floats(-1e30, 1e30) | st.just(math.nan), min_size=1))
def test_numbers_of_a_table_of_rows_and_of_text_are_equal_bit_for_bit(values):
    table = one(NUMBER, values, pa.float64())
    rows = encode_rows([NUMBER], [[v] for v in values])
    texts = encode_rows([NUMBER], [["" if v is None else repr(v)] for v in values])

    assert table.tobytes() == rows.tobytes() == texts.tobytes()


@given(st.lists(st.none() | st.sampled_from(["basic", "pro", "new", ""]), min_size=1))
def test_categories_of_a_table_and_of_rows_are_equal(values):
    rows = encode_rows([PLAN], [[v] for v in values])

    assert one(PLAN, values, pa.string()).tobytes() == rows.tobytes()


@given(st.lists(st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1))
def test_dates_of_a_table_of_rows_and_of_text_are_equal(values):
    table = one(DATE, values, pa.date32())
    texts = encode_rows([DATE], [[v and v.isoformat()] for v in values])

    assert table.tobytes() == encode_rows([DATE], [[v] for v in values]).tobytes()
    assert table.tobytes() == texts.tobytes()


def test_a_missing_number_is_filled_and_marked():
    assert one(NUMBER, [1.5, None]).tolist() == [[1.5, 0.0], [7.0, 1.0]]


def test_a_category_never_seen_is_none_of_them():
    assert one(PLAN, ["pro", "basic", "gold", None]).tolist() == [[2.0], [1.0], [0.0], [0.0]]


def test_a_category_that_reads_like_a_number_stays_text():
    codes = Column(name="x", kind="categorical", categories=("01", "1"))

    assert encode_rows([codes], [["01"], ["1"], ["1.0"]]).tolist() == [[1.0], [2.0], [0.0]]


def test_whole_numbers_are_the_same_category_as_their_text():
    codes = Column(name="x", kind="categorical", categories=("3", "4"))

    assert one(codes, [3, 4]).tolist() == one(codes, [3.0, 4.0]).tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("word", [True, "true", "Yes", 1, 1.0, "1"])
def test_words_for_true(word):
    assert encode_rows([TRUTH], [[word]]).tolist() == [[1.0]]


def test_a_time_of_day_is_a_fraction_of_a_day_and_zones_count():
    noon = datetime(1970, 1, 2, 12, tzinfo=UTC)

    assert days_of(noon) == days_of("1970-01-02T14:00:00+02:00") == 1.5
    assert days_of(date(1969, 12, 31)) == -1.0
    assert one(DATE, [noon], pa.timestamp("us", tz="UTC")).tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (NUMBER, "old", "no number"),
        (NUMBER, math.inf, "too large"),
        (TRUTH, "maybe", "neither true nor false"),
        (DATE, "yesterday", "no date"),
        (DATE, 3, "no date"),
        (NUMBER, [1], "no number"),
    ],
)
def test_a_value_of_another_kind_names_its_row_and_column(column, value, said):
    with pytest.raises(DataError, match=said) as error:
        encode_rows([column], [[None], [value]])

    assert error.value.where == "row 2, column x"


def test_an_infinite_number_in_a_table_is_refused():
    with pytest.raises(DataError, match="inf in column 'x' is too large"):
        one(NUMBER, [1.0, math.inf])


def test_a_table_without_a_column_is_refused():
    with pytest.raises(DataError, match="no column 'x'"):
        encode_table([NUMBER], pa.table({"y": [1]}), where="t")


def test_a_signature_with_columns_survives_json():
    signature = Signature(
        task="regression", features=("a",), shape=(1,), label="y", columns=(NUMBER, PLAN),
        ignored=("id",), target_center=3.0,
    )  # fmt: skip

    assert Signature.from_json(signature.to_json()) == signature
    assert signature.raw_shape == (3,)


def test_a_signature_without_columns_says_nothing_of_them():
    plain = Signature(task="binary", features=("a",), shape=(1,), label="y", classes=("0", "1"))

    assert {"columns", "ignored", "target_scale"} & plain.to_json().keys() == set()


def test_many_rows_of_one_value_are_read_once():
    column = pa.array([date(2020, 1, 1) + timedelta(days=i % 3) for i in range(9)])

    assert np.unique(one(DATE, column)).size == 3
