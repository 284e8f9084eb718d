"""What is generated from the source is fresh, and planning reads it without the heavy libraries."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from aidn_pipeline.config import generate
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.headers import list_recipes
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.index import ComponentSpec

RECIPES = [info for info in list_recipes(find_project(data_folder("recipes"))) if info.builtin]
PRESETS = sorted(data_folder("conf").glob("*/*.yaml"))


def test_the_generated_files_are_fresh() -> None:
    assert generate.main(["--check"]) == 0


def test_a_stamp_stays_until_the_version_is_bumped_or_the_change_is_accepted() -> None:
    old = {"a": {"version": 1, "code": "x"}, "gone": {"version": 1, "code": "x"}}
    same, bumped = {"version": 1, "code": "y"}, {"version": 2, "code": "y"}
    assert generate.restamped(old, {"a": same, "b": same}, accept=False) == {
        "a": old["a"],
        "b": same,
    }
    assert generate.restamped(old, {"a": bumped}, accept=False) == {"a": bumped}
    assert generate.restamped(old, {"a": same}, accept=True) == {"a": same}


def test_an_entry_survives_json() -> None:
    for spec in builtin_index():
        assert ComponentSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


NEEDED = {
    "tabular_file": ["source.path=data.csv", "source.label=y"],
    "text_file": ["source.path=texts.jsonl"],
    "image_folder": ["source.path=photos"],
}
"""What a recipe leaves to its user."""


@pytest.mark.parametrize("info", RECIPES, ids=lambda info: info.name)
def test_a_shipped_recipe_loads_and_says_what_it_does(info, tmp_path: Path) -> None:
    needed = NEEDED.get(info.name, [])
    spec = load_recipe(info.name, needed, find_project(tmp_path), builtin_index())
    assert info.header
    assert f"aidn-run recipe={info.name}" in info.path.read_text()
    assert spec.stages


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_preset_names_a_component_and_its_fields_and_has_its_command_on_top(path: Path) -> None:
    text = path.read_text()
    assert "\n#   aidn-run recipe=" in text
    tree = yaml.safe_load(text)
    if path.parent.name == "pipeline":
        assert text.startswith("# @package _global_\n")
        return
    spec = builtin_index().find(path.parent.name, tree["use"])
    assert set(tree) - {"use", "defaults"} <= {item.name for item in spec.fields}


def test_planning_loads_no_torch_numpy_or_pyarrow(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "import aidn_pipeline\n"
        "assert not {'hydra', 'yaml'} & set(sys.modules)\n"
        "from aidn_pipeline.config.indexes import load_index\n"
        "from aidn_pipeline.config.project import find_project\n"
        "from aidn_pipeline.config.recipe import load_recipe\n"
        "from aidn_pipeline.engine.plan import make_plan\n"
        "from aidn_pipeline.store.store import Store\n"
        "project = find_project()\n"
        "index = load_index(project)\n"
        "spec = load_recipe('digits', [], project, index)\n"
        "make_plan(spec, Store.open(project.store_root), index, project.root)\n"
        "print(sorted({'torch', 'numpy', 'pyarrow', 'optuna', 'jsonschema'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


HEAVY = ("torch", "numpy", "pyarrow", "optuna", "jsonschema", "rich", "pdb", "email", "churn.nets")
NET = (
    "from aidn_pipeline import component\n"
    '@component("model", "net")\n'
    "class Net:\n"
    "    def __init__(self, *, hidden: int = 3) -> None:\n"
    "        self.hidden = hidden\n"
)


def loaded(folder: Path, *words: str) -> list[str]:
    """Which of the heavy modules a command imports, in a process of its own."""
    program = (
        "import sys\n"
        "from aidn_pipeline.entry import main\n"
        f"sys.argv = ['aidn-run', *{words!r}]\n"
        "code = main()\n"
        f"print('loaded', code, *sorted({set(HEAVY)!r} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "AIDN_TRUST": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("words", [["recipe=a", "--plan"], ["plan", "recipe=a", "--json"]])
def test_a_plan_imports_no_heavy_library_and_no_code_of_the_user(
    tmp_path: Path, words: list[str]
) -> None:
    for name, text in {
        "pyproject.toml": '[tool.aidn]\npackages = ["churn"]\n',
        "churn/__init__.py": "",
        "churn/nets.py": NET,
        "recipes/a.yaml": "defaults:\n  - /digits_train\n  - override /model: net\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    # The first command reads the components, in a process of its own.
    loaded(tmp_path, "list", "components")
    # The installed files of a project's own imports are looked up by a library that reads mails.
    assert loaded(tmp_path, *words) in (["0"], ["0", "email"])


def test_a_plan_without_code_of_the_users_imports_the_least(tmp_path: Path) -> None:
    assert loaded(tmp_path, "recipe=digits", "--plan") == ["0"]
