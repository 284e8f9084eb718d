"""A user's own project: where it is, whether it is trusted, what its code is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aidn_pipeline.config.code import Codebase, syntax_digest
from aidn_pipeline.config.indexes import load_index
from aidn_pipeline.config.project import Project, find_project
from aidn_pipeline.config.trust import is_trusted, trust
from aidn_pipeline.errors import ConfigError, NotTrusted, UnknownKey

SETTINGS = '[tool.aidn]\npackages = ["churn"]\ncomponents = {"model/flat" = "churn.other:Flat"}\n'
FILES = {
    "pyproject.toml": SETTINGS,
    "churn/__init__.py": "",
    "churn/models.py": (
        '"""Models."""\n'
        "import yaml\n"
        "from aidn_pipeline.core.component import component\n"
        "from churn.layers import width\n"
        '@component("model", "churn_net")\n'
        "class ChurnNet:\n"
        "    def __init__(self, *, hidden: int = width()) -> None:\n"
        "        self.hidden = hidden\n"
    ),
    "churn/layers.py": "from shared import COUNT\ndef width() -> int:\n    return COUNT\n",
    "churn/other.py": (
        "class Flat:\n"
        "    def __init__(self, size: int = 3, hook=None, ones: set = ()):\n"
        "        pass\n"
    ),
    "churn/unused.py": "print('imported by nobody')\n",
    "shared.py": "COUNT = 12\n",
}


@pytest.fixture
def churn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("AIDN_TRUST", raising=False)
    monkeypatch.delenv("AIDN_HOME", raising=False)
    root = tmp_path / "project"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_the_nearest_ancestor_with_settings_or_recipes_is_the_project(churn: Path) -> None:
    inner = churn / "a" / "b"
    inner.mkdir(parents=True)
    assert find_project(inner).root == churn
    (churn / "a" / "recipes").mkdir()
    assert find_project(inner).root == churn / "a"
    assert find_project(churn.parent).root == churn.parent


def test_the_store_is_below_the_root_or_where_the_environment_says(
    churn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_project(churn).store_root == churn / ".aidn"
    monkeypatch.setenv("AIDN_HOME", str(churn / "elsewhere"))
    assert find_project(churn).store_root == churn / "elsewhere"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[tool.aidn]\npackage = []\n", UnknownKey),
        ("[tool.aidn]\npackages = 'churn'\n", ConfigError),
        ("[tool.aidn]\ncomponents = ['x']\n", ConfigError),
        ("[tool]\naidn = 3\n", ConfigError),
        ("[tool.aidn\n", ConfigError),
    ],
)
def test_wrong_settings_are_refused(churn: Path, text: str, error: type[ConfigError]) -> None:
    (churn / "pyproject.toml").write_text(text)
    with pytest.raises(error) as caught:
        find_project(churn)
    assert "pyproject.toml" in caught.value.where


def test_code_of_a_workspace_waits_for_trust(churn: Path) -> None:
    project = find_project(churn)
    with pytest.raises(NotTrusted) as caught:
        load_index(project)
    assert "aidn-run trust" in caught.value.remedy
    trust(project)
    assert load_index(project).get("model", "churn_net") is not None


def test_other_settings_ask_again(churn: Path) -> None:
    trust(find_project(churn))
    (churn / "pyproject.toml").write_text(SETTINGS.replace('"churn"', '"churn", "more"'))
    assert not is_trusted(find_project(churn))


def test_trust_by_environment(churn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDN_TRUST", "1")
    assert is_trusted(find_project(churn))


@pytest.fixture
def trusted(churn: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("AIDN_TRUST", "1")
    return find_project(churn)


def test_own_components_are_found_with_fields_code_and_packages(trusted: Project) -> None:
    spec = load_index(trusted).find("model", "churn_net")
    assert (spec.module, spec.form) == ("churn.models", "factory")
    assert [(f.name, f.type, f.default) for f in spec.fields] == [("hidden", "int", 12)]
    assert list(spec.code) == [
        "churn/__init__.py",
        "churn/layers.py",
        "churn/models.py",
        "shared.py",
    ]
    assert spec.packages == ("PyYAML",)


def test_what_cannot_be_decorated_is_named_in_the_settings(trusted: Project) -> None:
    spec = load_index(trusted).find("model", "flat")
    assert [(f.name, f.default) for f in spec.fields] == [("size", 3), ("hook", None)]


def test_a_helper_changes_the_code_and_a_comment_does_not(trusted: Project) -> None:
    before = load_index(trusted).find("model", "churn_net").code
    (trusted.root / "churn/models.py").write_text(
        "# a comment\n" + FILES["churn/models.py"].replace("Models.", "M.")
    )
    assert load_index(trusted).find("model", "churn_net").code == before
    (trusted.root / "shared.py").write_text("COUNT = 11 + 2\n")
    spec = load_index(trusted).find("model", "churn_net")
    assert {path for path in before if before[path] != spec.code[path]} == {"shared.py"}
    assert spec.fields[0].default == 13


def test_a_second_look_imports_nothing(trusted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list(load_index(trusted))
    monkeypatch.setattr("subprocess.run", None)
    assert list(load_index(trusted)) == first


def test_a_module_that_raises_is_named(trusted: Project) -> None:
    (trusted.root / "churn/layers.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"churn\.models cannot be imported: ZeroDivisionError"):
        load_index(trusted)


def test_a_module_that_is_no_python_is_named_with_its_line(trusted: Project) -> None:
    (trusted.root / "churn/layers.py").write_text("\ndef\n")
    with pytest.raises(ConfigError) as caught:
        load_index(trusted)
    assert caught.value.where.endswith("churn/layers.py:2")


def test_a_package_that_is_missing_is_named(trusted: Project) -> None:
    (trusted.root / "pyproject.toml").write_text('[tool.aidn]\npackages = ["churm"]\n')
    with pytest.raises(ConfigError, match="churm"):
        load_index(find_project(trusted.root))


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("def f():\n    '''Doc.'''\n    return 1", "def f(): return 1  # one", True),
        ("x = 'a'", 'x = ("a")', True),
        ("x = 1", "x = 1.0", False),
        ("x = True", "x = 1", False),
        ("def f(a, b): pass", "def f(b, a): pass", False),
        ("x: int = 1", "x = 1", False),
        ("class A:\n    'doc'", "class A:\n    b = 'doc'", False),
    ],
)
def test_the_identity_of_code_is_what_it_says(one: str, other: str, equal: bool) -> None:
    assert (syntax_digest(one) == syntax_digest(other)) is equal


def test_relative_imports_are_followed(tmp_path: Path) -> None:
    for name, text in {
        "p/__init__.py": "",
        "p/q/__init__.py": "",
        "p/q/a.py": "from . import b\nfrom ..c import d\nimport json\nimport nowhere.at_all\n",
        "p/q/b.py": "from .a import x\n",
        "p/c.py": "d = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    code, foreign = Codebase(tmp_path, (tmp_path,)).closure("p.q.a")
    assert list(code) == ["p/__init__.py", "p/c.py", "p/q/__init__.py", "p/q/a.py", "p/q/b.py"]
    assert foreign == {"nowhere"}
