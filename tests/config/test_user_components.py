"""Mistakes in a project's own components: each is told with its place and what to write."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aidn_pipeline.config.indexes import cache_of, load_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.errors import AidnError, ConfigError, UnknownComponent

HEAD = """\
from dataclasses import dataclass
from torch import Tensor
from aidn_pipeline import component
from aidn_pipeline.core.artifact import Dataset
from aidn_pipeline.core.stage import StageContext

"""
LINE = HEAD.count("\n") + 1
Told = Callable[..., AidnError]


def loaded(root: Path, *, settings: str = "", **modules: str) -> None:
    (root / "kit").mkdir(exist_ok=True)
    (root / "kit" / "__init__.py").write_text("")
    (root / "pyproject.toml").write_text(f'[tool.aidn]\npackages = ["kit"]\n{settings}')
    for name, text in modules.items():
        (root / "kit" / f"{name}.py").write_text(HEAD + text)
    load_index(find_project(root))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setenv("AIDN_TRUST", "1")
    monkeypatch.delenv("AIDN_HOME", raising=False)

    def attempt(*, settings: str = "", **modules: str) -> AidnError:
        with pytest.raises(AidnError) as caught:
            loaded(tmp_path, settings=settings, **modules)
        return caught.value

    return attempt


def net(name: str, parameters: str = "self") -> str:
    head = f'@component("model", "{name}")\nclass Net:\n'
    return f"{head}    def __init__({parameters}):\n        pass\n"


def test_a_clash_with_a_built_in_names_both_places(told: Told, tmp_path: Path) -> None:
    error = told(nets=net("mlp"))
    assert "aidn_pipeline.training.models.mlp:" in error.problem
    assert error.where == f"{tmp_path}/kit/nets.py:{LINE}"
    assert "my_mlp" in error.remedy


def test_two_components_of_one_name_are_told_with_both_places(told: Told) -> None:
    error = told(one=net("wide"), two=net("wide"))
    assert f"kit/one.py:{LINE}" in error.problem
    assert error.where.endswith(f"kit/two.py:{LINE}")


def test_a_clash_in_the_settings_is_told(told: Told) -> None:
    error = told(one=net("wide"), settings='components = {"model/wide" = "torch.nn:Linear"}\n')
    assert f"kit/one.py:{LINE}" in error.problem
    assert "pyproject.toml" in error.where


def test_an_unknown_name_is_answered_with_the_project_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDN_TRUST", "1")
    loaded(tmp_path, nets=net("skipping_net"))
    with pytest.raises(UnknownComponent) as caught:
        load_index(find_project(tmp_path)).find("model", "skiping_net")
    assert "`skipping_net`" in caught.value.remedy


STAGE = '@component("stage", "cut")\ndef cut({}) -> {}:\n    raise NotImplementedError\n'


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        (net("a", "self, width: int, /"), "positional-only", "take the `/`"),
        (net("a", "self, *, width"), "'width' has no annotation", "`width: int`"),
        (net("a", "self, width=0.5"), "'width' has no annotation", "`width: float`"),
        (net("a", "self, *, width: 'Nowhere' = 1"), "names nothing", "`width: int`"),
        (net("a", "self, x: Tensor"), "a type no recipe can hold: Tensor", "plain types"),
        (net("a", "self, *, x: list = {1, 2}"), "'x', a set", "or None"),
        (STAGE.format("dataset, ctx: StageContext", "Dataset"), "port 'dataset'", "`Dataset`"),
        (STAGE.format("dataset: Dataset, *, bins=3", "Dataset"), "'bins' has no", "`bins: int`"),
        (STAGE.format("dataset: Dataset, /", "Dataset"), "positional-only", "take the `/`"),
        (STAGE.format("dataset: Dataset, **more: int", "Dataset"), "`*more`", "after `*`"),
        (STAGE.format("dataset: Dataset", "int"), "what it returns", "-> Dataset"),
        ('@component("x", "a")\n@dataclass\nclass A:\n    b: int = 1\n', "frozen", "frozen=True"),
    ],
)
def test_a_signature_mistake_is_told_with_file_line_and_remedy(
    told: Told, text: str, problem: str, remedy: str
) -> None:
    error = told(mistakes=text)
    assert type(error) is ConfigError
    assert problem in error.problem
    assert error.where.endswith(f"kit/mistakes.py:{LINE}")
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("import nowhere_at_all\n", "ModuleNotFoundError", "install what provides"),
        ("1 / 0\n", "ZeroDivisionError", "python -c"),
        ("raise SystemExit(3)\n", "SystemExit", "__main__"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(
    told: Told, text: str, problem: str, remedy: str
) -> None:
    error = told(nets="from kit import broken\n" + net("a"), broken=text)
    assert problem in error.problem
    assert error.where.endswith(f"kit/broken.py:{LINE}")
    assert remedy in error.remedy


def test_a_syntax_error_is_told_with_its_line(told: Told) -> None:
    error = told(nets="def\n")
    assert error.where.endswith(f"kit/nets.py:{LINE}")


def test_a_flipped_bit_in_the_list_of_components_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDN_TRUST", "1")
    monkeypatch.delenv("AIDN_HOME", raising=False)
    text = (
        '@component("metric", "share")\ndef share(x: Tensor, y: Tensor, *, at: int = 4) -> float:\n'
    )
    loaded(tmp_path, scores=f'{text}    """Share."""\n    return 1.0\n')
    (cached,) = cache_of(find_project(tmp_path)).glob("components-*.json")
    sound = cached.read_bytes()
    assert b'"default": 4' in sound
    cached.write_bytes(sound.replace(b'"default": 4', b'"default": 5'))
    spec = load_index(find_project(tmp_path)).find("metric", "share")
    assert [field.default for field in spec.fields] == [4]
    assert cached.read_bytes() == sound
