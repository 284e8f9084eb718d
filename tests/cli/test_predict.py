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
        ("digits", "r.xml", "[]", 2, "cannot be read from"),
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


def test_rows_may_stand_on_the_command_line(here, say, tmp_path, rows):
    expected = json.loads(say("predict", "digits", "--input", write(tmp_path, rows, ".json"))[1])
    given = [word for row in rows for word in ("--row", json.dumps(row))]
    assert json.loads(say("predict", "digits", *given)[1]) == expected
    assert (
        json.loads(say("predict", "digits", "--row", json.dumps([0.0] * 64))[1])[0].keys()
        == expected[0].keys()
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--row", "{a: 1}"], "quote it for the shell"),
        (["--row", "5"], "an object or a list, not 5"),
        (["--row", "[1]", "--input", "x.json"], "from --input or from --row"),
        ([], "from --input or from --row"),
    ],
)
def test_a_row_that_cannot_be_read_says_what_to_write(here, say, given, told):
    code, _, err = say("predict", "digits", *given)
    assert code == 2
    assert told in err


@pytest.fixture
def folder(tmp_path, rows):
    """Three rows in two files, and one that is hidden."""
    place = tmp_path / "rows"
    place.mkdir()
    (place / "b.csv").write_text(as_csv(rows[2:]))
    (place / "a.json").write_text(json.dumps(rows[:2]))
    (place / ".DS_Store").write_text("")
    return place


def test_the_files_of_a_folder_are_answered_by_name(here, say, tmp_path, rows, folder):
    expected = json.loads(say("predict", "digits", "--input", write(tmp_path, rows, ".json"))[1])
    found = json.loads(say("predict", "digits", "--input", str(folder))[1])
    assert [a["label"] for a in found] == [a["label"] for a in expected]
    # A batch of another size adds in another order.
    for mine, theirs in zip(found, expected, strict=True):
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-5)


def test_a_folder_of_answers_has_a_file_for_each_of_rows(here, say, tmp_path, folder):
    (tmp_path / "answers").mkdir()
    code, out, _ = say(
        "predict", "digits", "--input", str(folder), "--output", str(tmp_path / "answers")
    )
    assert code == 0
    assert out.startswith("3 answers in 2 files")
    assert len(json.loads((tmp_path / "answers" / "a.json").read_text())) == 2
    assert (tmp_path / "answers" / "b.csv").read_text().startswith("label,p_0")


def test_a_wrong_row_of_a_folder_is_named_with_its_file(here, say, folder):
    (folder / "c.json").write_text(json.dumps([{"p00": 1}]))
    code, _, err = say("predict", "digits", "--input", str(folder))
    assert code == 3
    assert f"at: {folder / 'c.json'}, row 1" in err


def test_a_folder_of_something_else_is_refused(here, say, folder, tmp_path):
    (folder / "notes.md").write_text("x")
    assert "'notes.md'" in say("predict", "digits", "--input", str(folder))[2]
    (tmp_path / "empty").mkdir()
    assert say("predict", "digits", "--input", str(tmp_path / "empty"))[0] == 3


def test_answers_of_one_file_do_not_go_to_a_folder(here, say, tmp_path, rows):
    given = ("--input", write(tmp_path, rows, ".json"), "--output", str(tmp_path))
    code, _, err = say("predict", "digits", *given)
    assert code == 2
    assert "answers.json" in err


def answered(say, source, target):
    before = {p: p.read_bytes() for p in source.parent.rglob("*") if p.is_file()}
    code, _, err = say("predict", "digits", "--input", str(source), "--output", str(target))
    after = {p: p.read_bytes() for p in source.parent.rglob("*") if p.is_file()}
    return code, err, {p: b for p, b in after.items() if before.get(p) != b}


@pytest.mark.parametrize("target", ["", "a.json"])
def test_rows_are_not_written_over_by_their_answers(here, say, folder, target):
    code, err, changed = answered(say, folder, folder / target)
    assert (code, changed) == (2, {})
    assert "fix:" in err
    code, err, changed = answered(say, folder / "a.json", folder / "a.json")
    assert (code, changed) == (2, {})


def test_rows_behind_a_link_in_the_answers_folder_are_not_written_over(here, say, folder, tmp_path):
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "a.json").symlink_to(folder / "a.json")
    code, err, changed = answered(say, folder, tmp_path / "answers")
    assert (code, changed) == (2, {})
    assert "over the rows" in err


def test_rows_of_one_stem_have_answers_of_their_own(here, say, rows, folder, tmp_path):
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    (tmp_path / "answers").mkdir()
    code, _, changed = answered(say, folder, tmp_path / "answers")
    assert code == 0
    counts = {p.name: len(json.loads(b)) for p, b in changed.items() if p.suffix == ".json"}
    assert counts == {"a.json": 2, "a.parquet.json": 3}


def test_answers_that_would_go_to_one_file_are_refused(here, say, rows, folder, tmp_path):
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    (folder / "a.parquet.json").write_text(json.dumps(rows))
    (tmp_path / "answers").mkdir()
    code, err, changed = answered(say, folder, tmp_path / "answers")
    assert (code, changed) == (2, {})
    assert "'a.parquet' and 'a.parquet.json'" in err
