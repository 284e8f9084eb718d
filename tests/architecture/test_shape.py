"""The budgets of the house: sizes, names, docstrings, where imports stand."""

import ast
import re
from pathlib import Path

import pytest
from support.source import (
    FILES,
    PACKAGE,
    classes,
    code_lines,
    functions,
    imported_modules,
    name_of,
    public_definitions,
    size,
    tree,
)

BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc|base_classes)$")
SPINE = ("core", "store", "engine")
BESIDE = {
    *(
        f"store/{verb}.py"
        for verb in ("check", "clone", "dependents", "gc", "reach", "repair", "worth")
    ),
    *(
        f"engine/executors/{part}.py"
        for part in ("capture", "child", "connection", "ending", "forkserver", "linux", "processes")
    ),
}
"""Upkeep of a store, and processes of stages: a run in one process passes none of it."""
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


@each_file
def test_a_file_has_at_most_400_code_lines(path: Path):
    assert len(code_lines(path)) <= 400


@each_file
def test_a_function_has_at_most_50_code_lines(path: Path):
    assert {f.name: size(path, f) for f in functions(path) if size(path, f) > 50} == {}


@each_file
def test_a_class_has_at_most_12_public_methods(path: Path):
    counts = {c.name: sum(_is_public_method(n) for n in c.body) for c in classes(path)}
    assert {name: count for name, count in counts.items() if count > 12} == {}


def _is_public_method(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
        return False
    return not any(ast.unparse(d) == "property" for d in node.decorator_list)


@each_file
def test_a_module_is_named_by_what_it_is_about(path: Path):
    assert not BANNED_NAMES.search(path.stem)
    assert not BANNED_NAMES.search(path.parent.name)


@each_file
def test_a_module_and_its_public_names_have_docstrings(path: Path):
    if path.name == "__init__.py" and path.parent != PACKAGE:
        assert path.read_text() == "", "the __init__ of a subpackage stays empty"
        return
    assert ast.get_docstring(tree(path)), "the module has no docstring"
    silent = [n.name for n in public_definitions(path) if not ast.get_docstring(n)]
    assert [name for name in silent if not _is_obvious(path, name)] == []


def _is_obvious(path: Path, name: str) -> bool:
    # Properties of a protocol whose name and type say it all, and methods that only repeat what
    # the protocol above them says.
    return any(
        isinstance(node, ast.FunctionDef) and node.name == name and _overrides(cls)
        for cls in classes(path)
        for node in cls.body
    )


def _overrides(cls: ast.ClassDef) -> bool:
    return any(not (isinstance(b, ast.Name) and b.id == "object") for b in cls.bases)


@each_file
def test_imports_stand_at_the_top(path: Path):
    top = {id(node) for node in tree(path).body}
    late = [
        ast.unparse(node)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top
    ]
    assert late == []


@each_file
def test_no_import_is_for_type_checkers_alone(path: Path):
    assert "TYPE_CHECKING" not in path.read_text()


@each_file
def test_nothing_pickles(path: Path):
    assert {m.partition(".")[0] for m in imported_modules(path)} & PICKLES == set()
    called = {ast.unparse(n.func) for n in ast.walk(tree(path)) if isinstance(n, ast.Call)}
    assert called & {"torch.load", "torch.save", "np.load", "numpy.load", "eval", "exec"} == set()


def test_the_path_of_a_run_reads_in_a_day():
    spine = [PACKAGE / "errors.py", *(f for part in SPINE for f in (PACKAGE / part).rglob("*.py"))]
    names = {str(f.relative_to(PACKAGE)): f for f in spine}
    assert names.keys() >= BESIDE
    assert sum(len(code_lines(f)) for name, f in names.items() if name not in BESIDE) <= 6000


def test_the_median_file_is_short():
    sizes = sorted(len(code_lines(file)) for file in FILES if file.name != "__init__.py")
    assert sizes[len(sizes) // 2] <= 110


def test_every_error_of_ours_is_raised_with_a_remedy_or_a_place():
    bare = []
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = ast.unparse(node.exc.func)
                words = {keyword.arg for keyword in node.exc.keywords}
                if name in OUR_ERRORS and not words & {"where", "remedy", None}:
                    bare.append(f"{name_of(path)}:{node.lineno} {name}")
    assert bare == []


OUR_ERRORS = {c.name for c in classes(PACKAGE / "errors.py")} - {"Interrupted", "ConfigProblems"}
