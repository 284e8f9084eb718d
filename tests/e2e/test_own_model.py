"""A project with a model of its own: it must be trusted, and its source is part of its identity."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command import aidn, last_object

pytestmark = pytest.mark.e2e

FILES = {
    "pyproject.toml": '[tool.aidn]\npackages = ["churn"]\n',
    "churn/__init__.py": "",
    "churn/layers.py": '''\
"""Layers of the model."""

from torch import Tensor, nn


class Body(nn.Module):
    """One hidden layer."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden activations."""
        return self.linear(x.flatten(1)).relu()
''',
    "churn/models.py": '''\
"""Models of this project."""

from torch import Tensor, nn

from aidn_pipeline import Signature, component
from churn.layers import Body


@component("model", "churn_net")
class ChurnNet(nn.Module):
    """A body and a head."""

    def __init__(self, signature: Signature, *, hidden: int = 32) -> None:
        super().__init__()
        self.body = Body(len(signature.features), hidden)
        self.head = nn.Linear(hidden, signature.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.body(x))
''',
}
COMMAND = (
    "recipe=digits_train",
    "model=churn_net",
    "trainer.epochs=2",
    "~stages.register.gate",
    "--json",
)


def written(folder: Path) -> Path:
    for name, text in FILES.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def actions(answer: dict[str, Any]) -> dict[str, str]:
    return {name: stage["action"] for name, stage in answer["stages"].items()}


@pytest.fixture(autouse=True)
def _nobody_trusts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AIDN_TRUST", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("churn"))


@pytest.fixture(scope="module")
def first(project: Path) -> dict[str, Any]:
    return answered(aidn(*COMMAND, cwd=project, AIDN_TRUST="1"))


def answered(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return last_object(done.stdout)


def planned(project: Path) -> dict[str, Any]:
    return answered(aidn(*COMMAND, "--plan", cwd=project, AIDN_TRUST="1"))


def test_untrusted_code_never_runs(tmp_path):
    project = written(tmp_path)
    (project / "churn" / "models.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    done = aidn(*COMMAND, cwd=project)
    error = last_object(done.stdout)["error"]

    assert done.returncode == 2
    assert error["type"] == "NotTrusted"
    assert error["where"] == str(project / "pyproject.toml")
    assert "aidn-run trust" in error["remedy"]
    assert not (project / "ran").exists()
    assert not (project / ".aidn").exists()


def test_trust_is_asked_once_and_again_when_the_packages_change(tmp_path):
    project = written(tmp_path)
    trusted = aidn("trust", cwd=project)
    after = aidn(*COMMAND, "--plan", cwd=project)
    (project / "pyproject.toml").write_text('[tool.aidn]\npackages = ["churn", "other"]\n')
    changed = aidn(*COMMAND, "--plan", cwd=project)

    assert trusted.returncode == 0, trusted.stderr
    assert "trusted: churn" in trusted.stdout
    assert after.returncode == 0, after.stderr
    assert changed.returncode == 2
    assert last_object(changed.stdout)["error"]["type"] == "NotTrusted"


def test_own_model_trains_registers_and_answers(first, project):
    (project / "rows.json").write_text(f"[{[0] * 64}]")
    answer = aidn("predict", "digits@1", "--input", "rows.json", cwd=project, AIDN_TRUST="1")

    assert first["status"] == "done"
    assert first["model"]["version"] == 1
    assert answer.returncode == 0, answer.stderr
    assert '"label"' in answer.stdout


def test_comment_changes_nothing(first, project):
    models = project / "churn" / "models.py"
    text = models.read_text()
    commented = text.replace("self.head =", "# Another.\n        self.head =")
    models.write_text("# A comment.\n" + commented)
    try:
        plan = planned(project)
    finally:
        models.write_text(text)

    assert set(actions(plan).values()) == {"reuse"}


def test_changed_layer_runs_the_training_and_what_follows_and_nothing_else(first, project):
    layers = project / "churn" / "layers.py"
    text = layers.read_text()
    layers.write_text(text.replace(".relu()", ".tanh()"))
    try:
        plan = planned(project)
    finally:
        layers.write_text(text)

    changed = [name for name, action in actions(plan).items() if action != "reuse"]
    assert changed == ["train", "evaluate", "register", "export"]
    assert "churn/layers.py" in plan["stages"]["train"]["reason"]
