"""Code that is edited or changed while the program runs: no result under another code's name."""

import importlib
import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aidn_pipeline import AiModelBuilder
from aidn_pipeline.core.events import Notice, StageFinished
from aidn_pipeline.errors import AidnError, ConfigError

METRIC = '''
from aidn_pipeline import component
from edited_helper import DEGREE, Settings, squash

FACTOR = 1.0
SEEN = {}
count = 0

@component("metric", "mine", mode="max")
class Mine:
    """A metric."""

    weight = 2.0

    def __call__(self, outputs, targets, *, power: int = 1) -> float:
        global count
        count += 1
        SEEN[count] = True
        return squash(FACTOR) * self.weight

    @staticmethod
    def twice(x):
        return 2 * x

@component("metric", "plain", mode="max")
def plain(outputs, targets):
    return 1.0
'''
HELPER = '''
import functools

DEGREE = 3

class Settings:
    width = 4

@functools.cache
def squash(x, by=0.5):
    """Squashes."""
    return x * by
'''
Edit = Callable[..., None]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two modules that the program may import."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "edited_metric.py").write_text(METRIC)
    (tmp_path / "edited_helper.py").write_text(HELPER)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("edited_metric", "edited_helper"):
        sys.modules.pop(name, None)


@pytest.fixture
def edit(modules: Path) -> Edit:
    def replace(old: str, new: str) -> None:
        for name in ("edited_metric.py", "edited_helper.py"):
            text = (modules / name).read_text()
            if old in text:
                (modules / name).write_text(text.replace(old, new))
                return
        raise AssertionError(f"{old!r} is in neither module")

    return replace


@pytest.fixture
def metric(modules: Path) -> ModuleType:
    return importlib.import_module("edited_metric")


def base(project: Path) -> AiModelBuilder:
    return AiModelBuilder(workspace=AiModelBuilder.from_scratch(project).workspace).configure(
        "trainer.epochs=1", "~stages.register", "~stages.export", source="wine"
    )


def judged(project: Path, metric: Any) -> AiModelBuilder:
    return base(project).configure(**{"stages.evaluate.metrics": {"m": metric}})


EDITS = [
    ("return 1.0", "return 2.0"),
    ("FACTOR = 1.0", "FACTOR = 2.0"),
    ("weight = 2.0", "weight = 3.0"),
    ("return 2 * x", "return 3 * x"),
    ("power: int = 1", "power: int = 2"),
    ("x * by", "x + by"),
    ("by=0.5", "by=0.25"),
    ("DEGREE = 3", "DEGREE = 4"),
    ("width = 4", "width = 5"),
    ("SEEN = {}", "SEEN = {1: 2}"),
]


@pytest.mark.parametrize(("old", "new"), EDITS)
def test_a_module_edited_since_it_was_looked_at_is_refused(metric, edit, tmp_path, old, new):
    builder = judged(tmp_path / "project", metric.plain)
    builder.spec()
    edit(old, new)
    with pytest.raises(ConfigError, match="was edited since it was imported") as told:
        builder.build()
    assert "edited_" in told.value.where
    assert "importlib.reload(edited_" in told.value.remedy


@pytest.mark.parametrize(("old", "new"), EDITS[:-1])
def test_a_module_edited_before_it_was_first_looked_at_is_refused(metric, edit, tmp_path, old, new):
    edit(old, new)
    with pytest.raises(ConfigError, match="in memory is not what its file says"):
        judged(tmp_path / "project", metric.plain).spec()


def test_an_edit_that_changes_no_result_is_none(metric, edit, tmp_path):
    builder = judged(tmp_path / "project", metric.plain)
    first = builder.index.find("metric", "plain").code
    edit('"""A metric."""', '"""Another text."""')
    edit('"""Squashes."""', '"""Squashes."""\n    # by a factor')
    assert builder.index.find("metric", "plain").code == first


def test_a_module_that_runs_changes_its_registers_and_stays_what_it_is(metric, tmp_path):
    metric.Mine()([], [])
    assert metric.SEEN
    assert judged(tmp_path / "project", metric.plain).spec()


def test_a_module_is_used_again_once_it_and_what_imports_it_were_loaded_again(
    metric, edit, tmp_path
):
    project = tmp_path / "project"
    first = judged(project, metric.plain).build().check()
    edit("x * by", "x + by")
    importlib.reload(sys.modules["edited_helper"])
    with pytest.raises(ConfigError, match="uses squash as it was before"):
        judged(project, metric.plain).build()
    importlib.reload(metric)
    second = judged(project, metric.plain).build().check()

    assert first.stages["evaluate"].fingerprint != second.stages["evaluate"].fingerprint
    assert judged(project, metric.plain).build().stages["evaluate"].action == "reuse"


@pytest.mark.parametrize(
    "change",
    [
        "FACTOR = 5.0",
        "Mine.weight = 5.0",
        "Mine.__call__ = plain",
        "Mine.extra = plain",
        "Settings.width = 64",
    ],
)
def test_a_module_that_the_program_changed_is_refused(metric, tmp_path, change):
    exec(change, vars(metric))
    with pytest.raises(ConfigError, match="in memory is not what its file says"):
        judged(tmp_path / "project", metric.plain).spec()


@pytest.fixture
def project(modules: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the two modules as its packages."""
    monkeypatch.setenv("AIDN_TRUST", "1")
    (modules / "pyproject.toml").write_text(
        '[tool.aidn]\npackages = ["edited_metric", "edited_helper"]\n'
    )
    return modules


def test_a_package_edited_between_two_builds_of_a_process_is_refused(project, edit):
    first = judged_by_name(project).build().check()
    assert first.metrics["m"] == 1.0
    edit("return 1.0", "return 2.0")
    with pytest.raises(ConfigError, match="edited_metric was edited since it was imported"):
        judged_by_name(project).build()
    importlib.reload(sys.modules["edited_metric"])
    assert judged_by_name(project).build().check().metrics["m"] == 2.0


def test_a_package_edited_while_it_runs_is_told(project, edit):
    class Editing:
        def on_event(self, event) -> None:
            if isinstance(event, StageFinished) and event.stage == "train":
                edit("return 1.0", "return 2.0")
                importlib.import_module("edited_metric")
                edit("return 2.0", "return 1.0")
            if isinstance(event, Notice):
                told.append(event.text)

    told: list[str] = []
    judged_by_name(project).listening(Editing()).build().check()
    assert "edited_metric.plain in memory is not what its file says" in told[-1]


class Editing:
    """A listener that edits once a stage ended."""

    def __init__(self, edit: Edit, after: str) -> None:
        self._edit = edit
        self._after = after

    def on_event(self, event) -> None:
        if isinstance(event, StageFinished) and event.stage == self._after:
            self._edit("return 1.0", "return 2.0")


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_package_edited_before_a_stage_imports_it_makes_no_result(project, edit, executor):
    builder = judged_by_name(project).configure(f"run.executor={executor}")
    found = builder.listening(Editing(edit, "train")).build()
    assert (found.status, found.stages["evaluate"].status) == ("failed", "failed")
    assert "the code of stage 'evaluate' was edited while the run was going" in str(found.error)
    assert "edited_metric.py" in found.error.where
    again = judged_by_name(project).build().check()
    assert again.metrics["m"] == 2.0
    assert again.stages["train"].action == "reuse"


def test_a_package_that_is_imported_may_be_edited_while_the_run_goes_on(project, edit):
    importlib.import_module("edited_metric")
    found = judged_by_name(project).listening(Editing(edit, "train")).build().check()
    assert found.metrics["m"] == 1.0


def test_a_package_edited_after_the_builder_was_made_is_read_as_it_is_now(project, edit):
    builder = judged_by_name(project)
    edit("return 1.0", "return 2.0")
    first = builder.build().check()
    assert first.metrics["m"] == 2.0
    assert judged_by_name(project).build().stages["evaluate"].action == "reuse"


def test_a_package_edited_where_the_pipeline_does_not_use_it_does_not_matter(project, edit):
    importlib.import_module("edited_metric")
    edit("return 1.0", "return 2.0")
    assert base(project).spec()


def judged_by_name(project: Path) -> AiModelBuilder:
    return judged(project, {"use": "plain"})


def test_a_script_edited_while_it_runs_is_refused(tmp_path, monkeypatch):
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    text = METRIC.replace("from edited_helper import DEGREE, Settings, squash", "")
    file = tmp_path / "script.py"
    file.write_text(text)
    main.__dict__.update(__file__=str(file))
    exec(compile(text, str(file), "exec"), main.__dict__)
    file.write_text(text.replace("return 1.0", "return 2.0"))
    linecache.checkcache(str(file))
    with pytest.raises(AidnError, match="plain in memory is not what the source of plain says"):
        judged(tmp_path / "project", main.plain).build()
