"""`aidn-run new`: what it asks for, what it refuses, and that nothing of the user's is touched."""

import csv
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from support.command import aidn
from support.source import ROOT

from aidn_pipeline.cli.new import check_name
from aidn_pipeline.cli.projects.sample_table import sample_csv
from aidn_pipeline.cli.projects.start import better, share_of, yaml_text
from aidn_pipeline.config.indexes import builtin_index, own_components
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.data.look import grey_png, sample_images
from aidn_pipeline.errors import UsageError

COLUMNS = ["a.b", "x y", "ümlaut", "on", "1", "a: b", "#c", "it's", "${x}", "{{name}}", 'q"', "~"]


def write_csv(path: Path, header: list[str], rows: int = 60) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([(i * i + k) % 19 + 0.5 for k in range(len(header))] for i in range(rows))
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Decisions of trust go here, not to the user's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_made_up_rows_are_the_same_every_time():
    assert sample_csv() == sample_csv()
    assert sample_csv(seed=2) != sample_csv()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("class", "Python itself"),
        ("json", "Python itself"),
        ("digits", "shipped recipe"),
        ("model", "folder or a group"),
        ("data", "folder or a group"),
        ("torch", "is installed here"),
        ("9x", "begins with a letter"),
        ("a/b", "begins with a letter"),
        ("../x", "begins with a letter"),
    ],
)
def test_a_name_that_would_hide_something_is_refused(name: str, problem: str):
    with pytest.raises(UsageError, match=problem) as raised:
        check_name(name)
    proposed = raised.value.remedy.split("`")[1]
    assert check_name(proposed).isidentifier()


def test_a_folder_that_holds_something_is_not_touched(home: Path):
    (home / "churn").mkdir()
    (home / "churn" / "mine.txt").write_text("mine")
    done = aidn("new", "churn", cwd=home)
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert [p.name for p in (home / "churn").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(home: Path):
    (home / "churn").mkdir()
    assert aidn("new", "churn", cwd=home).returncode == 0
    assert (home / "churn" / "recipes" / "churn.yaml").is_file()


def test_a_place_that_cannot_be_written_is_named(home: Path):
    (home / "file").write_text("")
    done = aidn("new", "churn", "--in", "file", cwd=home)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "file" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new"], "write `aidn-run new churn`"),
        (["new", "a", "b"], "new takes one name"),
        (["new", "churn", "--kind", "audio"], "there is no kind 'audio'"),
        (["new", "churn", "--from", "nope.csv", "--target", "y"], "the working folder is"),
        (["new", "churn", "--from", "rows.csv"], "with one of: age, spend, left"),
        (["new", "churn", "--from", "rows.csv", "--target", "lft"], "did you mean `left`?"),
        (["new", "churn", "--from", "rows.txt", "--target", "left"], "no tables this release"),
        (["new", "churn", "--target", "left"], "add `--from data.csv`"),
        (["new", "churn", "--form", "rows.csv"], "did you mean `--from`?"),
        (["new", "churn", "--from", "one.csv", "--target", "y"], "1 distinct values"),
    ],
)
def test_a_mistake_writes_nothing_and_names_its_remedy(home: Path, words: list[str], said: str):
    write_csv(home / "rows.csv", ["age", "spend", "left"])
    (home / "one.csv").write_text("a,y\n1,no\n2,no\n")
    (home / "rows.txt").write_text("x")
    done = aidn(*words, cwd=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (home / "churn").exists()


def test_columns_of_any_name_end_up_in_a_recipe_that_reads_back(home: Path):
    label = "target `y`\n"
    write_csv(home / "odd.csv", [*COLUMNS, label])
    done = aidn("new", "odd", "--from", "odd.csv", "--target", label, cwd=home)
    assert done.returncode == 0, done.stderr
    recipe = yaml.safe_load((home / "odd" / "recipes" / "odd.yaml").read_text())
    assert list(recipe["stages"]["prepare"]["kinds"]) == COLUMNS
    plan = aidn("recipe=odd", "--plan", cwd=home / "odd")
    assert plan.returncode == 0, plan.stderr


def test_a_column_that_is_left_out_may_have_any_name(home: Path):
    left_out = ["cst${oc.env:USER}", "a\\${x}", "next\x85line", "bell\x07", "smile\U0001f600"]
    rows = [",".join(["x", *left_out, "y"])]
    rows += [",".join([str(i * i % 17), *["same"] * len(left_out), str(i % 2)]) for i in range(60)]
    (home / "odd.csv").write_text("\n".join(rows), encoding="utf-8")
    done = aidn("new", "odd", "--from", "odd.csv", "--target", "y", cwd=home)
    assert done.returncode == 0, done.stderr
    project = find_project(home / "odd")
    index = builtin_index().merged(own_components(project))
    spec = load_recipe("odd", (), project, index)
    assert sorted(spec.stages["prepare"].stage["ignore"]) == sorted(left_out)


def test_a_table_without_a_column_to_learn_from_is_refused(home: Path):
    rows = "".join(f"same,{i % 2}\n" for i in range(60))
    (home / "rows.csv").write_text(f"x,y\n{rows}")
    done = aidn("new", "mine", "--from", "rows.csv", "--target", "y", cwd=home)
    assert done.returncode == 2
    assert "x: " in done.stderr
    assert not (home / "mine").exists()


def test_a_project_whose_recipe_cannot_be_read_is_not_written(home: Path):
    write_csv(home / "rows.csv", ["_target_", "x", "y"])
    done = aidn("new", "mine", "--from", "rows.csv", "--target", "y", cwd=home)
    assert done.returncode == 2
    assert "`_target_`" in done.stderr
    assert "next:" not in done.stdout
    assert sorted(p.name for p in home.iterdir()) == ["rows.csv"]


def test_each_column_is_told_with_the_line_that_changes_it(home: Path):
    done = aidn("new", "churn", cwd=home)
    lines = (home / "churn" / "recipes" / "churn.yaml").read_text().splitlines()
    for name in ("since", "plan", "age", "customer"):
        told = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
        number = int(told.partition("churn.yaml:")[2].split()[0])
        assert name in lines[number - 1]


def test_what_the_commonest_class_reaches_is_told(home: Path):
    rows = ["x,y", *(f"{i},{'no' if i % 4 else 'yes'}" for i in range(100))]
    (home / "rows.csv").write_text("\n".join(rows))
    done = aidn("new", "mine", "--from", "rows.csv", "--target", "y", cwd=home)
    assert "no 75.0 %, yes 25.0 %" in done.stdout
    assert "always 'no' would be right in 75.0 %" in done.stdout


def test_a_very_wide_table_gets_a_short_recipe(home: Path):
    write_csv(home / "wide.csv", [f"c{i}" for i in range(400)])
    done = aidn("new", "wide", "--from", "wide.csv", "--target", "c7", cwd=home)
    assert done.returncode == 0, done.stderr
    text = (home / "wide" / "recipes" / "wide.yaml").read_text()
    assert "399 numeric" in text
    assert len(text.splitlines()) < 60


def test_it_asks_on_a_terminal_for_what_is_not_given(home: Path):
    write_csv(home / "rows.csv", ["age", "spend", "left"])
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aidn_pipeline.cli.main", "new"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    os.write(master, b"mine\n\nrows.csv\n\n")
    assert process.wait(timeout=60) == 0
    os.close(master)
    assert 'label: str = "left"' in (home / "mine" / "mine" / "data.py").read_text()


@pytest.mark.parametrize(
    "text", [*COLUMNS, "Yes", "no", "null", "1e3", "a", "-", "- a", "a b", "\x85\x7f\u2028"]
)
def test_a_name_is_read_back_by_yaml_as_it_was(text: str):
    assert yaml.safe_load(f"{yaml_text(text)}: 1") == {text: 1}


def test_a_share_is_never_rounded_to_none_or_all():
    assert share_of(1, 100_000) == "<0.1 %"
    assert share_of(99_999, 100_000) == "99.9 %"
    assert share_of(5, 5) == "100 %"


def test_a_proposed_gate_lies_above_the_baseline():
    assert better(0.6) == 0.7
    assert 0.99 < better(0.99) < 1


def test_texts_are_told_with_the_lines_that_cut_them(home: Path):
    done = aidn("new", "topics", "--kind", "text", cwd=home)
    assert done.returncode == 0, done.stderr
    number = int(
        done.stdout.partition("words of a text")[2].partition("topics.yaml:")[2].split()[0]
    )
    lines = (home / "topics" / "recipes" / "topics.yaml").read_text().splitlines()
    assert lines[number - 1].strip().startswith("max_tokens: ")


def test_the_column_of_the_texts_is_the_one_with_the_longest(home: Path):
    rows = [f'{{"id": "r{i}", "body": "some words number {i}", "y": {i % 2}}}' for i in range(40)]
    (home / "rows.jsonl").write_text("\n".join(rows))
    words = ["--kind", "text", "--from", "rows.jsonl", "--target", "y"]
    assert aidn("new", "one", *words, cwd=home).returncode == 0
    assert 'text: str = "body"' in (home / "one" / "one" / "data.py").read_text()
    assert aidn("new", "two", *words, "--text", "id", cwd=home).returncode == 0
    assert 'text: str = "id"' in (home / "two" / "two" / "data.py").read_text()
    done = aidn("new", "three", *words, "--text", "y", cwd=home)
    assert done.returncode == 2


def test_a_folder_of_images_is_copied_and_told(home: Path):
    for name, content in sample_images(30).items():
        place = home / "mine" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (home / "mine" / "notes.txt").write_text("no image")
    done = aidn("new", "shots", "--kind", "images", "--from", "mine", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "data/shots/" in done.stdout
    copied = home / "shots" / "data" / "shots"
    assert len(list(copied.rglob("*.png"))) == 30
    assert not list(copied.rglob("*.txt"))
    assert "size: [32, 32]" in (home / "shots" / "recipes" / "shots.yaml").read_text()


def test_a_folder_that_holds_no_classes_is_refused(home: Path):
    (home / "flat").mkdir()
    (home / "flat" / "1.png").write_bytes(next(iter(sample_images(1).values())))
    done = aidn("new", "shots", "--kind", "images", "--from", "flat", cwd=home)
    assert done.returncode == 2
    assert "sub-folder for each class" in done.stderr
    assert not (home / "shots").exists()


def test_a_sample_image_is_read_back_as_it_was_drawn():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with Image.open(io.BytesIO(grey_png(image))) as opened:
        assert opened.mode == "L"
        assert (np.asarray(opened) == image).all()


@pytest.mark.parametrize("edited", [False, True])
def test_a_command_that_was_killed_before_it_trusted_its_folder_goes_on(home: Path, edited: bool):
    given = ("new", "churn", "--kind", "text")
    first = aidn(*given, cwd=home)
    (decision,) = (home / "config" / "aidn" / "trust").iterdir()
    # What a kill between the rename and the last step leaves.
    decision.unlink()
    if edited:
        (home / "churn" / "README.md").write_text("mine")
    again = aidn(*given, cwd=home)
    assert again.returncode == (2 if edited else 0), again.stderr
    assert decision.exists() != edited
    assert (again.stdout == first.stdout) != edited
    if not edited:
        assert "exists already" in aidn(*given, cwd=home).stderr
