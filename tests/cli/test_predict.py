"""Raw rows in, answers out."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aidn_pipeline.cli.rows import parse_csv, parse_json_lines


@pytest.fixture(scope="session")
def names(ran_once):
    document = json.loads((ran_once / "bundles/digits/1/model.json").read_text())
    return document["signature"]["features"]


@pytest.fixture
def rows(names):
    return [{name: float((i * j) % 17) for j, name in enumerate(names)} for i in range(3)]


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(folder, rows, suffix):
    path = folder / f"rows{suffix}"
    plain = [list(row.values()) for row in rows]
    match suffix:
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case ".csv":
            path.write_text(as_csv(rows))
        case ".plain.csv":
            path.write_text("\n".join(",".join(map(str, row)) for row in plain))
        case ".jsonl":
            path.write_text("\n".join(map(json.dumps, rows)))
        case ".plain.json":
            path.write_text(json.dumps(plain))
        case _:
            path.write_text(json.dumps(rows))
    return str(path)


@pytest.mark.parametrize(
    "suffix", [".json", ".plain.json", ".jsonl", ".csv", ".plain.csv", ".parquet"]
)
def test_every_form_of_the_rows_gets_the_same_answers(here, say, tmp_path, rows, suffix):
    _, expected, _ = say("predict", "digits@1", "--input", write(tmp_path, rows, ".json"))
    code, out, err = say("predict", "digits@1", "--input", write(tmp_path, rows, suffix))
    assert code == 0, err
    assert json.loads(out) == json.loads(expected)
    assert len(json.loads(out)) == 3


@pytest.mark.parametrize("reference", ["digits", "digits@1", "bundles/digits/1"])
def test_a_model_has_three_names(here, say, tmp_path, rows, reference):
    code, out, _ = say("predict", reference, "--input", write(tmp_path, rows, ".json"))
    assert code == 0
    first = json.loads(out)[0]
    assert first["label"] in first["probabilities"]
    assert sum(first["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)


def test_a_folder_of_the_models_name_does_not_hide_the_model(copied, say, tmp_path, rows):
    (copied / "digits").mkdir()
    assert say("predict", "digits", "--input", write(tmp_path, rows, ".json"))[0] == 0


def test_rows_may_come_on_stdin(here, say, monkeypatch, rows):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(rows)))
    assert len(json.loads(say("predict", "digits", "--input", "-")[1])) == 3


def test_a_label_column_may_be_among_the_rows(here, say, tmp_path, rows):
    for row in rows:
        row["label"] = "seven"
    assert say("predict", "digits", "--input", write(tmp_path, rows, ".csv"))[0] == 0


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv"])
def test_answers_go_to_a_file_of_the_form_it_names(here, say, tmp_path, rows, suffix):
    target = tmp_path / f"answers{suffix}"
    source = write(tmp_path, rows, ".json")
    code, out, _ = say("predict", "digits", "--input", source, "--output", str(target))
    assert code == 0
    assert out == f"3 answers in {target}\n"
    text = target.read_text()
    found = {
        ".json": json.loads,
        ".jsonl": parse_json_lines,
        ".csv": parse_csv,
    }[suffix](text)
    assert len(found) == 3
    assert "label" in found[0]


@pytest.mark.parametrize(
    ("reference", "name", "text", "code", "problem"),
    [
        ("digits@9", "r.json", "[]", 2, "no model 'digits@9'"),
        ("digits@x", "r.json", "[]", 2, "no version number"),
        ("cats", "r.json", "[]", 2, "no model 'cats'"),
        ("./nowhere", "r.json", "[]", 2, "no bundle"),
        ("digits", "r.txt", "[]", 2, "cannot be read from"),
        ("digits", "r.json", "[", 3, "cannot be read"),
        ("digits", "r.json", "{}", 3, "not a list"),
        ("digits", "r.json", '[["a"]]', 3, "row 1"),
        ("digits", "r.json", '[{"a": 1}]', 3, "row 1"),
        ("digits", "r.jsonl", "[1]\n[", 3, "line 2"),
        ("digits", "r.csv", "a,b\n1,2,3\n", 3, "line 2"),
        ("digits", "r.csv", 'a,b\n"1,2\n', 3, "line"),
        ("digits", "r.parquet", "no parquet", 3, "cannot be read"),
    ],
)
def test_what_cannot_be_answered_says_why(
    here, say, tmp_path, reference, name, text, code, problem
):
    (tmp_path / name).write_text(text)
    found = say("predict", reference, "--input", str(tmp_path / name))
    assert found[0] == code
    assert found[1] == ""
    assert problem in found[2]
    assert "fix:" in found[2]


def test_a_missing_file_is_named(here, say, tmp_path):
    code, _, err = say("predict", "digits", "--input", str(tmp_path / "none.json"))
    assert code == 3
    assert "none.json" in err


def test_a_model_is_not_looked_for_where_nothing_was_run(empty, say):
    (empty / "r.json").write_text("[]")
    code, _, err = say("predict", "digits", "--input", "r.json")
    assert code == 2
    assert "nothing was run" in err
    assert not (empty / ".aidn").exists()


@pytest.mark.parametrize("target", ["answers.xls", "no/such/folder/answers.json"])
def test_answers_that_cannot_be_written_are_an_error(here, say, tmp_path, rows, target):
    source = write(tmp_path, rows, ".json")
    code, _, err = say("predict", "digits", "--input", source, "--output", str(tmp_path / target))
    assert code == 2
    assert "cannot be written" in err


def test_a_damaged_bundle_answers_nothing(copied, say, tmp_path, rows):
    weights = copied / "bundles/digits/1/weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(data)
    source = write(tmp_path, rows, ".json")
    code, out, err = say("predict", "bundles/digits/1", "--input", source)
    assert (code, out) == (1, "")
    assert "weights.safetensors" in err
