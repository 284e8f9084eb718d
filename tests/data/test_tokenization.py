"""Preparation of texts: what is fitted, and that only training texts are looked at."""

import json
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest

from aidn_pipeline.core.signature import Signature
from aidn_pipeline.core.stage import FileRef
from aidn_pipeline.data.dataset import DatasetView, snapshot_files, split_files
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.data.sources.text import TextSource
from aidn_pipeline.data.sources.tickets import TicketsSource
from aidn_pipeline.data.tokenization import Limits, Tokenized, tokenize
from aidn_pipeline.errors import DataError
from aidn_pipeline.stages.tokenize import told

LIMITS = Limits(max_words=100, min_count=1, max_tokens=8, lowercase=True)
REFS = {"table.parquet": FileRef("t", 1)}


def view_of(texts: list[str | None], folder: Path) -> DatasetView:
    """Texts with an even row number in training, the others in test; on disk."""
    table = pa.table(
        {"text": texts, "id": range(len(texts)), "label": ["a", "b"] * (len(texts) // 2)}
    )
    source = SourceTable(
        name="texts", table=table, label="label", task="binary", features=("text",), shape=(1,)
    )
    whole = snapshot_files(source)
    for name, data in whole.items():
        (folder / name).write_bytes(data)
    view = DatasetView({name: folder / name for name in whole})
    files = split_files(view, FileRef("t", 1), {"train": 0.5, "test": 0.5}, seed=0, key="id")
    codes = bytes(i % 2 for i in range(len(texts)))
    (folder / "split.bin").write_bytes(codes)
    (folder / "dataset.json").write_bytes(files["dataset.json"])
    return DatasetView({p.name: p for p in folder.iterdir()})


def applied(found: Tokenized, folder: Path) -> DatasetView:
    (folder / "dataset.json").write_bytes(found.files["dataset.json"])
    return DatasetView({p.name: p for p in folder.iterdir()})


TEXTS = ["red red blue", "yellow red", "blue Green?", "secret", None, "red", "", "x"]
"""Training texts stand at even places; `yellow`, `secret` and `x` are of the test rows alone."""


def test_only_words_of_training_texts_get_an_id_the_most_frequent_first(tmp_path):
    found = tokenize(view_of(TEXTS, tmp_path), REFS, LIMITS)
    assert found.text.words == ("blue", "red", "?", "green")
    assert found.text.vocabulary == 6


def test_what_decides_on_words_is_recorded_with_them(tmp_path):
    found = applied(tokenize(view_of(TEXTS, tmp_path), REFS, LIMITS), tmp_path)
    assert found.signature.text is not None
    assert found.signature.text.unicode == unicodedata.unidata_version


def test_other_test_rows_change_nothing_that_is_fitted(tmp_path):
    other = [
        t if i % 2 == 0 else "wholly other words, and many of them" for i, t in enumerate(TEXTS)
    ]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = tokenize(view_of(TEXTS, tmp_path / "a"), REFS, LIMITS)
    second = tokenize(view_of(other, tmp_path / "b"), REFS, LIMITS)
    assert first.text == second.text


def test_the_length_is_that_of_the_longest_training_text(tmp_path):
    assert tokenize(view_of(TEXTS, tmp_path), REFS, LIMITS).text.length == 3


def test_a_prepared_view_gives_ids_and_a_signature_that_survives_json(tmp_path):
    view = applied(tokenize(view_of(TEXTS, tmp_path), REFS, LIMITS), tmp_path)
    features, targets = view.arrays("train")
    assert features.tolist() == [[3, 3, 2], [2, 5, 4], [0, 0, 0], [0, 0, 0]]
    assert str(features.dtype) == view.signature.raw_dtype == "int64"
    assert view.arrays("test")[0].tolist() == [[1, 3, 0], [1, 0, 0], [3, 0, 0], [1, 0, 0]]
    said = json.loads(json.dumps(view.signature.to_json()))
    assert Signature.from_json(said) == view.signature
    assert len(targets) == 4


def test_rare_words_and_words_over_the_limit_have_no_id(tmp_path):
    limits = Limits(max_words=1, min_count=2, max_tokens=2, lowercase=False)
    found = tokenize(view_of(TEXTS, tmp_path), REFS, limits)
    assert found.text.words == ("blue",)
    assert found.cut == 2
    assert found.empty == 2


def test_the_run_is_told_what_was_found(tmp_path):
    limits = Limits(max_words=2, min_count=1, max_tokens=2, lowercase=True)
    assert told(tokenize(view_of(TEXTS, tmp_path), REFS, limits)) == [
        "vocabulary: 2 of 4 words; 33.3% of the training text has no id",
        "2 training texts are cut to 2 words",
        "2 training texts are empty",
    ]


def test_texts_without_a_word_that_counts_are_refused(tmp_path):
    limits = Limits(max_words=1, min_count=9, max_tokens=2, lowercase=True)
    with pytest.raises(DataError, match="found 9 times"):
        tokenize(view_of(TEXTS, tmp_path), REFS, limits)


def test_a_second_preparation_is_refused(tmp_path):
    view = applied(tokenize(view_of(TEXTS, tmp_path), REFS, LIMITS), tmp_path)
    with pytest.raises(DataError, match="prepared already"):
        tokenize(view, REFS, LIMITS)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_source_reads_texts_with_line_breaks(ending, tmp_path):
    rows = [{"text": 'one\n"two"', "label": "yes"}, {"text": "three", "label": "no"}]
    file = tmp_path / f"texts.{ending}"
    if ending == "jsonl":
        file.write_text("\n".join(map(json.dumps, rows)))
    else:
        file.write_text('text,label\n"one\n""two""",yes\nthree,no\n')
    found = TextSource(path=file.name).read(tmp_path)
    assert found.table["text"].to_pylist() == ['one\n"two"', "three"]
    assert (found.task, found.features) == ("binary", ("text",))


def test_equal_texts_stay_in_one_split_whatever_else_stands_in_their_rows(tmp_path):
    rows = [{"text": f"text {i % 40}", "label": i % 2, "id": i} for i in range(120)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name, data in snapshot_files(TextSource(path="t.jsonl").read(tmp_path)).items():
        (tmp_path / name).write_bytes(data)
    view = DatasetView({n: tmp_path / n for n in ("dataset.json", "table.parquet")})
    files = split_files(view, FileRef("t", 1), {"train": 0.5, "test": 0.5}, seed=0, key=None)
    sides = {(row["text"], side) for row, side in zip(rows, files["split.bin"], strict=True)}
    assert len(sides) == 40


def test_a_text_longer_than_a_block_of_the_reader_is_read(tmp_path):
    rows = [{"text": "word " * 300_000, "label": 0}, {"text": "b", "label": 1}]
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert TextSource(path="long.jsonl").read(tmp_path).table.num_rows == 2


def test_a_column_of_numbers_is_no_text(tmp_path):
    (tmp_path / "n.csv").write_text("text,label\n1,a\n2,b\n")
    with pytest.raises(DataError, match="holds int64, not texts"):
        TextSource(path="n.csv").read(tmp_path)


def test_the_shipped_texts_are_the_same_every_time():
    first, second = (TicketsSource(rows=40).read(Path()) for _ in range(2))
    assert first.table.equals(second.table)
    assert first.signature().counts == (10, 10, 10, 10)
    assert first.table["text"][0].as_py() == (
        "Good morning, I was charged twice for a keyboard. I am a customer of many years. "
        "I am waiting for your answer."
    )
