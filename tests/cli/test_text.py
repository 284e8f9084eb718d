"""Figures and tables, flags, and the rows that predict reads and writes."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.rows import PARSERS, read_rows, to_csv, to_json, to_json_lines, writer_for
from aidn_pipeline.cli.text import number, pairs, seconds, size, sparkline, table
from aidn_pipeline.errors import DataError, UsageError

FLAGS = {"--json": "switch", "--input": "value", "--force": "values"}
ANSWERS = [
    {"label": "cat", "probabilities": {"cat": 0.75, "dog": 0.25}},
    {"label": "dog", "probabilities": {"cat": 0.5, "dog": 0.5}},
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.97, "10 s"),
        (12.3, "12 s"),
        (99.7, "1 min 40 s"),
        (185.0, "3 min 05 s"),
        (119.6, "2 min 00 s"),
        (7800.0, "2 h 10 min"),
    ],
)
def test_seconds(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-2, "-2"),
        (0.96616, "0.9662"),
        (1e7, "1e+07"),
        (4.3e-5, "4.3e-05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (43395, "43.4 kB"), (2_500_000, "2.5 MB"), (3e15, "3000.0 TB")],
)
def test_size(value, text):
    assert size(value) == text


def test_table_aligns_columns_and_ends_lines_clean():
    text = table([["a", "1"], ["long", "2"], ["b"]], header=["name", "n"], indent=" ")

    assert text.splitlines() == [" name  n", " a     1", " long  2", " b"]
    assert table([]) == ""


def test_sparkline():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, float("nan"), 2]) == "▁ █"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([float("inf")]) == ""
    assert len(sparkline(list(range(1000)), width=40)) == 40


def test_flags_words_and_values():
    given = ["a", "--json", "--input", "x", "--input=y", "--force", "b,c", "--force=d", "-", "--"]
    found = parse([*given, "--json"], FLAGS, verb="run")

    assert found.words == ("a", "-", "--json")
    assert found.has("--json")
    assert found.one("--input") == "y"
    assert found.values["--force"] == ("b", "c", "d")
    assert parse([], FLAGS, verb="run").one("--input") is None
    assert not parse([], FLAGS, verb="run").has("--json")


@pytest.mark.parametrize(
    ("given", "problem", "remedy"),
    [
        (["--jsno"], "no flag --jsno", "`--json`"),
        (["-x"], "no flag -x", "--help"),
        (["--json=yes"], "takes no value", "`--json`"),
        (["--input"], "needs a value", "--help"),
    ],
)
def test_wrong_flags(given, problem, remedy):
    with pytest.raises(UsageError) as caught:
        parse(given, FLAGS, verb="run")

    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert caught.value.where


@pytest.mark.parametrize(
    ("suffix", "text", "rows"),
    [
        (".json", '[{"a": 1}, [2, 3]]', [{"a": 1}, [2, 3]]),
        (".jsonl", '{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (".csv", "a,b\n1,2.5\n", [{"a": "1", "b": "2.5"}]),
        (".csv", "1,2\n3,4\n", [["1", "2"], ["3", "4"]]),
        (".csv", "a,kind\n1,cat\n", [{"a": "1", "kind": "cat"}]),
        (".csv", "", []),
    ],
)
def test_rows_of_a_text(suffix, text, rows):
    assert PARSERS[suffix](text) == rows


def test_rows_of_parquet_and_of_stdin(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "rows.parquet")
    monkeypatch.setattr("sys.stdin", io.StringIO("[[1, 2]]"))

    assert read_rows(str(tmp_path / "rows.parquet")) == [{"a": 1}, {"a": 2}]
    assert read_rows("-") == [[1, 2]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("object.json", "{}"),
        ("torn.json", "[1"),
        ("torn.jsonl", '{"a": 1}\n{"a"'),
        ("short.csv", "a,b\n1\n"),
        ("long.csv", "a\n1,2\n"),
        ("torn.parquet", "PAR1"),
        ("binary.json", "\udcff"),
        ("absent.json", None),
    ],
)
def test_rows_that_cannot_be_read(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as caught:
        read_rows(str(tmp_path / name))

    assert caught.value.where == str(tmp_path / name)
    assert caught.value.remedy


def test_rows_of_an_unknown_ending():
    with pytest.raises(UsageError) as caught:
        read_rows("rows.xls")

    assert ".csv" in caught.value.remedy


def test_answers_as_text():
    assert json.loads(to_json(ANSWERS)) == ANSWERS
    assert json.loads(to_json([])) == []
    assert [json.loads(line) for line in to_json_lines(ANSWERS).splitlines()] == ANSWERS
    assert to_csv(ANSWERS) == "label,p_cat,p_dog\ncat,0.75,0.25\ndog,0.5,0.5\n"
    assert to_csv([{"values": [1.5, 2.0]}]) == "value_0,value_1\n1.5,2.0\n"
    assert to_csv([]) == "label\n"


def test_answers_of_an_unknown_ending(tmp_path):
    with pytest.raises(UsageError) as caught:
        writer_for(tmp_path / "answers.parquet")

    assert ".jsonl" in caught.value.remedy


def test_a_listing_shows_what_would_steer_the_terminal_as_escapes():
    assert table([["a\x1b[2J\x9b\r", "ü"]]) == r"a\x1b[2J\x9b\x0d  ü"
    assert pairs({"a\x07": "1"}) == r"a\x07 1"
