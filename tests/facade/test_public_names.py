"""The public names: what they are, that they are typed, and that nobody needs another."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import foreign
from support.source import PACKAGE, ROOT

import aidn_pipeline
from aidn_pipeline import AiModelBuilder, AiModelResult
from aidn_pipeline.cli.projects.scaffold import filled

DOORS = ("aidn_pipeline", "aidn_pipeline.testing")
FENCE = re.compile(r"^```(?:python|py)\b[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
STUB = PACKAGE / "__init__.pyi"


def written_for_users() -> Iterator[tuple[str, str]]:
    """Python that a user reads or is given: a place and a source."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for document in documents:
        for found in FENCE.finditer(document.read_text(encoding="utf-8")):
            yield f"{document.relative_to(ROOT)}", found["text"]
    for file in sorted((ROOT / "docs").rglob("*.py")):
        yield f"{file.relative_to(ROOT)}", file.read_text(encoding="utf-8")
    for file in sorted((PACKAGE / "cli" / "templates").rglob("*.py.tmpl")):
        text = file.read_text(encoding="utf-8")
        yield f"{file.relative_to(ROOT)}", re.sub(r"\{\{.*?\}\}", "x", text)
    for name, text in foreign.MODULES.items():
        yield f"foreign/{name}", text.replace("{package}", "ringkit")
    values = {"package": "churn", "class": "Churn", "data_python": "''"}
    values |= {"label_python": "''", "text_python": "''", "height": "8", "width": "8"}
    for file in sorted((PACKAGE / "cli" / "projects" / "templates").rglob("*.py.tmpl")):
        text = filled(file.read_text(encoding="utf-8"), defaultdict(str, values))
        yield f"{file.relative_to(ROOT)}", text


def ours(source: str) -> Iterator[tuple[str, str]]:
    """What a source imports of the package: module and name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aidn_pipeline"):
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.startswith("aidn_pipeline"))


def public_methods(facade: type) -> Iterator[tuple[str, typing.Any]]:
    for name, member in vars(facade).items():
        if not name.startswith("_") and (
            callable(member) or isinstance(member, (classmethod, property))
        ):
            yield name, member


def test_examples_of_imports_are_found():
    assert len(list(written_for_users())) > 10
    assert ("aidn_pipeline", "component") in {i for _, s in written_for_users() for i in ours(s)}


def test_a_user_needs_no_other_names():
    odd = [
        f"{place}: {module} {name}"
        for place, source in written_for_users()
        for module, name in ours(source)
        if not module.startswith(DOORS[1])
        and (module != DOORS[0] or (name and name not in {*aidn_pipeline.__all__, "testing"}))
    ]
    assert odd == []


@pytest.mark.parametrize("name", aidn_pipeline.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name):
    value = getattr(aidn_pipeline, name)
    if name not in ("Decision", "__version__"):
        assert inspect.getdoc(value)
    assert name in dir(aidn_pipeline)


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="nothing"):
        _ = aidn_pipeline.nothing


def test_type_checkers_and_the_interpreter_see_the_same_names():
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    listed = next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign))

    assert sorted(listed) == sorted(aidn_pipeline.__all__)
    assert {*seen, "__version__"} == set(aidn_pipeline.__all__)
    for name, module in seen.items():
        assert getattr(aidn_pipeline, name) is getattr(importlib.import_module(module), name)


@pytest.mark.slow
def test_a_user_s_program_is_typed(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(
        "from aidn_pipeline import AiModelBuilder, Dataset\n"
        "result = AiModelBuilder.from_recipe('digits').build()\n"
        "metric: float = result.metrics['accuracy']\n"
        "wrong: int = Dataset('digest', 1).digest\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
    )
    errors = [line for line in done.stdout.splitlines() if line.startswith("program.py")]
    assert len(errors) == 1, done.stdout + done.stderr
    assert "program.py:4" in errors[0]


@pytest.mark.parametrize("facade", [AiModelBuilder, AiModelResult])
def test_a_facade_s_members_are_documented_and_typed(facade):
    for name, member in public_methods(facade):
        function = (
            member.fget
            if isinstance(member, property)
            else inspect.unwrap(getattr(member, "__func__", member))
        )
        assert inspect.getdoc(function), name
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Parameter.empty, name
        bare = [
            p.name
            for p in signature.parameters.values()
            if p.name not in ("self", "cls") and p.annotation is inspect.Parameter.empty
        ]
        assert bare == [], name
