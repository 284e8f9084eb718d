"""Every shipped recipe runs, and what its header promises comes true."""

import json
import re
import resource
from pathlib import Path

import pyarrow.csv
import pytest
from support import people, pictures
from support.command import aidn, last_object
from support.source import ROOT

from aidn_pipeline.data.sources.breast_cancer import BreastCancerSource
from aidn_pipeline.data.sources.tickets import TicketsSource

pytestmark = pytest.mark.e2e
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
SECONDS = re.compile(r"About (?P<seconds>\d+) s\b")
RESULT = re.compile(r"\b(?P<metric>accuracy_mean|accuracy|mae) is about (?P<value>[\d.]*\d)")
OWN_DATA = {
    "tabular_file": ("source.path=people.csv", "source.label=churned"),
    "image_folder": ("source.path=photos",),
    "text_file": ("source.path=mail.jsonl", "source.label=topic"),
}
"""What a recipe for the user's own data leaves to them."""


def header(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line.lstrip("# ") for line in lines[: lines.index("defaults:")]]
    return " ".join(comments)


def computed() -> float:
    """Seconds of all processors that finished commands have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data of its own."""
    made = tmp_path_factory.mktemp("own")
    people.write(made / "people.csv", people.rows())
    pictures.digits(made / "photos", 200)
    rows = TicketsSource(rows=300).read(made).table.to_pylist()
    (made / "mail.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return made


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_runs_at_its_smallest(path: Path, folder: Path) -> None:
    changes = OWN_DATA.get(path.stem, ())
    done = aidn(f"recipe={path.stem}", *changes, "run.smoke=true", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert last_object(done.stdout)["status"] == "done"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_header_says_how_long_it_takes_and_what_to_expect(path: Path) -> None:
    said = header(path)
    assert SECONDS.search(said)
    assert RESULT.search(said) or (path.stem in OWN_DATA and "depends on" in said)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_run_keeps_the_promise_of_its_header(path: Path, folder: Path, tmp_path: Path) -> None:
    own = path.stem in OWN_DATA
    changes = OWN_DATA.get(path.stem, ())
    before = computed()
    done = aidn(f"recipe={path.stem}", *changes, "--json", cwd=folder if own else tmp_path)
    assert done.returncode == 0, done.stderr
    result, said = last_object(done.stdout), header(path)
    seconds = SECONDS.search(said)
    # What was computed, whatever else the machine does; a tenfold time is another recipe.
    assert seconds is not None
    assert computed() - before < 10 * int(seconds["seconds"])
    for promise in RESULT.finditer(said):
        value = float(promise["value"])
        assert result["metrics"][promise["metric"]] == pytest.approx(value, rel=0.02)


def test_the_bundled_data_stays_small() -> None:
    files = (ROOT / "aidn_pipeline" / "data" / "bundled").glob("*.parquet")
    assert sum(file.stat().st_size for file in files) < 300_000


def test_a_binary_model_has_one_logit_and_its_classes_have_names(tmp_path: Path) -> None:
    done = aidn("recipe=breast_cancer", "trainer.epochs=15", "--json", cwd=tmp_path)
    bundle = tmp_path / last_object(done.stdout)["bundle"]
    document = json.loads((bundle / "model.json").read_text())
    assert document["classes"] == ["benign", "malignant"]
    assert {len(row) for row in document["golden"]["outputs"]} == {1}

    table = BreastCancerSource().read(tmp_path).table
    pyarrow.csv.write_csv(table, tmp_path / "rows.csv")
    answered = aidn("predict", "breast_cancer@1", "--input", "rows.csv", cwd=tmp_path)
    answers = json.loads(answered.stdout)
    right = [a["label"] == d for a, d in zip(answers, table["diagnosis"].to_pylist(), strict=True)]
    assert sum(right) / len(right) > 0.95
    assert [sum(a["probabilities"].values()) for a in answers] == pytest.approx([1.0] * len(right))
