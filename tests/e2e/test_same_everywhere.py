"""The same pipeline from YAML, from a script and from a notebook: the same work, byte for byte."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import aidn, last_object
from support.foreign import write_package, write_project
from support.notebook import run_notebook
from support.source import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CHANGES = ("trainer.epochs=2", "optimizer.lr=0.02")
PROGRAM = """\
import json
from aidn_pipeline import AiModelBuilder
builder = AiModelBuilder.from_recipe("rings")
builder = builder.configure("trainer.epochs=2", **{"optimizer.lr": 0.02})
"""
TELL = 'print(json.dumps(builder.build().check().to_json()["stages"]))'
AGAIN = "builder = AiModelBuilder.from_recipe(builder.to_yaml())"
LIVE = '''\
import json
from torch import nn
from aidn_pipeline import AiModelBuilder, Signature, component

SLOPE = 0.2

@component("model", "mine")
class Mine(nn.Module):
    """One layer, and a slope."""
    def __init__(self, signature: Signature, *, hidden: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(len(signature.features), hidden)
        self.last = nn.Linear(hidden, signature.outputs)
    def forward(self, rows):
        return self.last(nn.functional.leaky_relu(self.first(rows.flatten(1)), SLOPE))
'''
SCRATCH = """\
builder = AiModelBuilder().configure(
    "trainer.epochs=1", source="digits", model=Mine, **{"model.hidden": 4}
)
"""


def work(stages: dict[str, Any]) -> dict[str, Any]:
    """Fingerprint and outputs of each stage."""
    return {name: (s["fingerprint"], s["outputs"]) for name, s in stages.items()}


def project(folder: Path) -> Path:
    write_package(write_project(folder))
    return folder


def script(text: str, folder: Path) -> dict[str, Any]:
    """Runs a script; the stages it prints last."""
    file = folder / "script.py"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIDN_TRUST": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    stages: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return stages


@pytest.fixture(scope="module")
def from_yaml(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = project(tmp_path_factory.mktemp("yaml"))
    done = aidn("recipe=rings", *CHANGES, "--json", cwd=folder, AIDN_TRUST="1")
    assert done.returncode == 0, done.stderr
    stages: dict[str, Any] = last_object(done.stdout)["stages"]
    return stages


def test_a_script_does_the_same_work(from_yaml, tmp_path):
    assert work(script(f"{PROGRAM}{TELL}", project(tmp_path))) == work(from_yaml)


def test_a_notebook_does_the_same_work(from_yaml, tmp_path):
    told = run_notebook([PROGRAM, TELL, "builder.build()"], project(tmp_path), AIDN_TRUST="1")

    assert work(json.loads(told[1])) == work(from_yaml)
    assert "AiModelResult(rings: done" in told[2]
    assert "<table>" in told[2]


def test_the_text_of_a_builder_does_the_same_work_on_the_command_line(from_yaml, tmp_path):
    root = project(tmp_path)
    write = "from pathlib import Path\nPath('recipes/mine.yaml').write_text(builder.to_yaml())\n"
    assert work(script(f"{PROGRAM}{write}{AGAIN}\n{TELL}", root)) == work(from_yaml)

    done = aidn("recipe=mine", "--json", cwd=root, AIDN_TRUST="1")
    stages = last_object(done.stdout)["stages"]
    assert {stage["action"] for stage in stages.values()} == {"reuse"}
    assert work(stages) == work(from_yaml)


def test_a_class_of_a_cell_and_of_a_script_do_the_same_work(tmp_path):
    for name in ("cell", "script"):
        (tmp_path / name).mkdir()
    told = run_notebook([LIVE, SCRATCH, TELL, TELL], tmp_path / "cell")
    first, second = (json.loads(text) for text in told[2:])

    assert {stage["action"] for stage in first.values()} == {"run"}
    assert {stage["action"] for stage in second.values()} == {"reuse"}
    assert work(script(f"{LIVE}{SCRATCH}{TELL}", tmp_path / "script")) == work(first)


def test_an_edited_cell_runs_again_what_uses_it_and_nothing_else(tmp_path):
    edited = LIVE.replace("SLOPE = 0.2", "SLOPE = 0.3")
    told = run_notebook([LIVE, SCRATCH, TELL, edited, SCRATCH, TELL], tmp_path)
    again = {name: s["action"] for name, s in json.loads(told[5]).items()}

    assert again["snapshot"] == again["split"] == "reuse"
    assert again["train"] == "run"
