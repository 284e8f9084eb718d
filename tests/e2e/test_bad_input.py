"""Wrong input of every kind: an error that says where and what to do, and nothing left behind."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.command import aidn, last_object

from aidn_pipeline.cli.main import main
from aidn_pipeline.store.check import check
from aidn_pipeline.store.store import Store

pytestmark = pytest.mark.e2e

BOMB = "\n".join(
    [
        "# @package _global_",
        "# Nine levels of nine aliases each.",
        "a0: &a0 [x, x, x, x, x, x, x, x, x]",
        *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)),
        "name: bomb",
    ]
)
TARGET = """\
# @package _global_
# Names code.
defaults: [/digits_train, _self_]
source: {_target_: os.system, command: touch ran}
"""


@dataclass(frozen=True)
class Told:
    """What a command said to programs."""

    code: int
    answer: dict[str, Any]
    err: str

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.answer["error"]
        return found


Run = Callable[..., Told]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a project of its own, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIDN_HOME", raising=False)

    def run_here(*words: str) -> Told:
        code = main([*words, "--json"])
        said = capsys.readouterr()
        return Told(code, json.loads(said.out.splitlines()[-1]), said.err)

    return run_here


def says_all(told: Told, kind: str) -> None:
    assert told.error["type"] == kind
    assert told.error["problem"]
    assert told.error["where"]
    assert told.error["remedy"]
    # The file and line begin the message, and the path in the recipe stands below it.
    assert told.error["where"].partition(" (")[0] in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["recipe=digits", "trainer.epohcs=3"], "UnknownKey", "epohcs"),
        (["recipe=digits", "trainer.epochs=many"], "WrongType", "trainer.epochs"),
        (["recipe=digits", "model=resnet999"], "UnknownComponent", "resnet999"),
        (
            ["recipe=digits", "stages.evaluate.inputs.checkpoint=train.metrics"],
            "WiringError",
            "wants a checkpoint",
        ),
        (["recipe=digits", "stages.split.inputs.dataset=split.dataset"], "WiringError", "circle"),
        (
            ["recipe=digits", "stages.split.inputs.dataset=nowhere.dataset"],
            "WiringError",
            "nowhere",
        ),
        (["recipe=digts"], "UnknownRecipe", "digts"),
        (["trainer.epochs=3"], "UsageError", "one recipe"),
        (["recipe=digits", "recipe=digits_train"], "UsageError", "one recipe"),
        (["recipe=digits", "--jsn"], "UsageError", "--jsn"),
        (["recipe=digits", "--force"], "UsageError", "--force"),
        (["rn"], "UsageError", "rn"),
        (["list", "animals"], "UsageError", "list"),
        (["predict", "digits@1", "--input", "x.json"], "UsageError", "--json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value[:20],
)
def test_found_before_start(run, tmp_path, words, kind, said):
    told = run(*words)

    assert told.code == 2
    says_all(told, kind)
    assert told.answer["status"] == "failed"
    assert told.answer["run"] is None
    assert told.answer["stages"] == {}
    assert said in told.error["problem"] + told.error["where"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "kind"), [(TARGET, "ForbiddenKey"), (BOMB, "BudgetExceeded")], ids=["target", "bomb"]
)
def test_hostile_recipe(run, tmp_path, text, kind):
    recipe = tmp_path / "recipes" / "bad.yaml"
    recipe.parent.mkdir()
    recipe.write_text(text)
    told = run("recipe=bad")

    assert told.code == 2
    says_all(told, kind)
    assert "bad.yaml" in told.error["where"]
    assert [p.name for p in tmp_path.iterdir()] == ["recipes"]


@pytest.mark.parametrize(
    ("text", "label", "said"),
    [
        (None, "y", "does not exist"),
        ("a,b,y\n1,2,0\n3,4,1\n", "z", "no column 'z'"),
        ("a,b,y\n1,2,\n3,4,1\n", "y", "are missing"),
        ("a,b,y\n", "y", "no rows"),
        ("", "y", "empty"),
    ],
    ids=["missing file", "absent label", "null labels", "no rows", "empty file"],
)
def test_bad_data(run, tmp_path, text, label, said):
    if text is not None:
        (tmp_path / "rows.csv").write_text(text)
    told = run(
        "recipe=digits_train", "source=table", "source.path=rows.csv", f"source.label={label}"
    )

    assert told.code == 3
    says_all(told, "DataError")
    assert said in told.error["problem"]
    assert "rows.csv" in told.error["where"]
    assert told.answer["stages"]["snapshot"]["status"] == "failed"
    assert {s["action"] for s in told.answer["stages"].values()} == {"run", "skip"}
    assert left_behind(tmp_path) == []


def left_behind(project: Path) -> list[str]:
    """Objects, stage records, temporary files and unfinished work of a project's store."""
    root = project / ".aidn"
    with Store.open(root) as store:
        assert check(store) == []
        found = [*store.objects.ids(), *(r["fingerprint"] for r in store.records.iterate("stage"))]
    # A failed attempt leaves the line that says so in the journal of its work, nothing else.
    found += [str(p) for p in (root / "tmp").rglob("*") if p.is_file()]
    found += [str(p) for p in (root / "work").rglob("*") if p.is_file() and p.name != "journal.log"]
    return found


def test_gate_that_is_not_met_registers_nothing(tmp_path):
    done = aidn(
        "recipe=digits_train",
        "trainer.epochs=1",
        "stages.register.gate.accuracy.min=0.9999",
        "--json",
        cwd=tmp_path,
    )
    answer = last_object(done.stdout)
    models = aidn("list", "models", cwd=tmp_path)

    assert done.returncode == 4
    assert answer["status"] == "gate_not_met"
    says_all(Told(done.returncode, answer, done.stderr), "GateNotMet")
    assert "accuracy" in answer["error"]["problem"]
    assert answer["stages"]["export"]["action"] == "skip"
    assert answer["model"] is None
    assert answer["bundle"] is None
    assert not (tmp_path / "bundles").exists()
    assert models.returncode == 0
    assert "digits@" not in models.stdout
    assert aidn("check", cwd=tmp_path).returncode == 0


def test_store_of_a_later_release_is_left_untouched(run, tmp_path, monkeypatch):
    home = tmp_path / "later"
    home.mkdir()
    (home / "format.json").write_text('{"format": 99, "hash": "b3"}\n')
    monkeypatch.setenv("AIDN_HOME", str(home))
    told = run("recipe=digits_train")

    assert told.code == 1
    says_all(told, "NewerFormat")
    assert told.error["where"] == str(home / "format.json")
    assert [p.name for p in home.iterdir()] == ["format.json"]
