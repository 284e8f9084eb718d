"""Layers, and what an import costs."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.application import use_cases
from importlinter.configuration import configure
from support.source import FILES, ROOT, imported_modules, name_of, tree

LOOKING = ("numpy", "torch", "pyarrow", "optuna", "jsonschema", "words")
"""What no verb imports that only looks; the last one is the project's own code."""
PROJECT = {
    "pyproject.toml": '[tool.aidn]\npackages = ["words"]\n',
    "words/__init__.py": "",
    "words/stages.py": '''"""Stages."""

import numpy

from aidn_pipeline import File, StageContext, component


@component("stage", "count")
def count(ctx: StageContext, *, factor: int = 1) -> File:
    """Counts."""
    return ctx.save(File, numpy.array([factor]).tobytes())
''',
    "recipes/counting.yaml": """\
# @package _global_
# Counts.
name: counting
seed: 0
stages:
  count: {use: count, factor: 1}
""",
}
HEAVY = ("torch", "numpy", "pyarrow", "hydra", "omegaconf", "optuna", "rich", "blake3")


def modules_after(statement: str, cwd: Path = ROOT) -> list[str]:
    """Names in `sys.modules` of a fresh interpreter after a statement."""
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{statement}\n"
    code += "import json; print('\\n' + json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd
    )
    return json.loads(done.stdout.splitlines()[-1])


def heavy(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & set(HEAVY)


def test_every_import_points_down(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    configure()
    kept = use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert kept, capsys.readouterr().out


def test_no_contract_has_an_exception():
    text = (ROOT / "pyproject.toml").read_text()
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    assert [c["name"] for c in contracts if c.get("ignore_imports")] == []


def test_no_two_modules_import_each_other_in_a_circle():
    names = {_module(path): path for path in FILES}
    graph = {name: imported_modules(path) & names.keys() for name, path in names.items()}
    while graph:
        leaves = [name for name, needs in graph.items() if not needs & graph.keys()]
        assert leaves, f"a circle among {sorted(graph)}"
        for name in leaves:
            del graph[name]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_importing_the_package_loads_nothing_heavy():
    modules = modules_after("import aidn_pipeline")
    assert heavy(modules) == set()
    assert len(modules) <= 200


@pytest.mark.parametrize("name", ["--help", "--version"])
def test_help_loads_nothing_heavy(name):
    start = f"from aidn_pipeline.cli.main import main\nmain([{name!r}])"
    modules = modules_after(start)
    assert heavy(modules) == set()
    assert "aidn_pipeline.config.compose" not in modules


def test_planning_loads_no_torch_numpy_or_pyarrow(tmp_path):
    start = "from aidn_pipeline.cli.main import main\nmain(['recipe=digits', '--plan'])"
    modules = modules_after(start, cwd=tmp_path)
    assert heavy(modules) & {"torch", "numpy", "pyarrow", "optuna"} == set()


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that ran twice, with different results."""
    home = tmp_path_factory.mktemp("looking")
    for name, text in PROJECT.items():
        (home / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "project" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIDN_TRUST", "1")
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        for factor in (1, 2):
            modules = modules_of(f"recipe=counting stages.count.factor={factor}", home / "project")
            assert looked_at(modules) >= {"words", "numpy"}, "a run is seen to import them"
        yield home / "project"


def modules_of(line: str, cwd: Path) -> list[str]:
    """Names in `sys.modules` after a command that went well."""
    words = line.split(maxsplit=2) if line.startswith("--complete") else line.split()
    start = f"sys.argv[1:] = {words!r}\nfrom aidn_pipeline.entry import main\nassert not main()"
    return modules_after(start, cwd=cwd)


def looked_at(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & set(LOOKING)


@pytest.mark.parametrize(
    "line",
    [
        "recipe=counting --plan",
        "recipe=counting stages.count.factor=3 --plan",
        "plan recipe=counting",
        "why count recipe=counting",
        "why count recipe=counting stages.count.factor=3",
        "diff",
        "blame stages.count.factor recipe=counting",
        "graph recipe=counting",
        "graph recipe=counting --format svg",
        "lock recipe=counting",
        "list recipes",
        "list components",
        "list runs",
        "show",
        "show recipe=counting",
        "--complete bash aidn-run recipe=cou",
        "--complete zsh aidn-run recipe=counting stages.count.",
        "--complete fish aidn-run why ",
    ],
)
def test_a_verb_that_only_looks_imports_no_library_and_no_code_of_the_project(counted, line):
    assert looked_at(modules_of(line, counted)) == set()


def test_a_module_is_imported_by_name_in_these_places_only():
    """Names that are only known at run time, and what would make a start slow."""
    found = [
        name_of(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("importlib.import_module", "__import__")
    ]
    allowed = {
        "aidn_pipeline/core/describe.py",  # a component's module, when its stage runs
        "aidn_pipeline/engine/executors/choice.py",  # the executor that a run asks for
        "aidn_pipeline/engine/executors/forkserver.py",  # what a task imports, ahead of it
        "aidn_pipeline/engine/executors/child.py",  # the function that does a task
        "aidn_pipeline/inputs/images.py",  # Pillow, an extra, when an image is opened
        "aidn_pipeline/facade/predictor.py",  # torch and pyarrow, to predict
        "aidn_pipeline/facade/tables.py",  # pyarrow, to look at a table
        "aidn_pipeline/entry.py",  # the command line, where no answer is remembered
        "aidn_pipeline/cli/main.py",  # a verb's module, when it is typed
        "aidn_pipeline/cli/doctor.py",  # what needs the packages that it looks at first
        "aidn_pipeline/config/generate.py",  # our own components, when their index is made
        "aidn_pipeline/config/introspect_modules.py",  # a trusted project's modules, in a child
        "aidn_pipeline/config/introspect.py",  # a declared class of another package, there too
        "aidn_pipeline/__init__.py",  # the public names, when they are used
    }
    assert set(found) == allowed
