"""Schemas of a project: what they know, where they lie, and that its YAML names them."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from aidn_pipeline.cli.main import main
from aidn_pipeline.cli.projects.scaffold import TEMPLATES
from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.editor import FOLDER, is_stale, refresh
from aidn_pipeline.config.indexes import builtin_index, load_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.schema_files import MARK, headed, header, headers

SCHEMAS = data_folder("schemas").resolve()
EXAMPLES = SCHEMAS.parent / "docs" / "examples"
SHIPPED = sorted(
    (*data_folder("recipes").rglob("*.yaml"), *data_folder("conf").glob("*/*.yaml")),
)
OF_PROJECTS = sorted(
    (*TEMPLATES.rglob("*.yaml.tmpl"), *EXAMPLES.glob("*/recipes/*.yaml")),
)
NAMES = sorted(p.relative_to(SCHEMAS) for p in SCHEMAS.rglob("*.schema.json"))
OWN = '''"""A model."""

from aidn_pipeline import component


@component("model", "own_net")
class OwnNet:
    """A network of one's own.

    Args:
        depth: layers.
    """

    def __init__(self, *, depth: int = 2) -> None:
        self.depth = depth
'''


def validator(folder: Path, name: str) -> Any:
    """A validator of a schema among the others of its folder."""
    files = {file.as_uri(): json.loads(file.read_text()) for file in folder.rglob("*.schema.json")}
    pairs = [(uri, Resource.from_contents(document)) for uri, document in files.items()]
    registry: Registry[Any] = Registry().with_resources(pairs)
    return jsonschema.Draft202012Validator({"$ref": (folder / name).as_uri()}, registry=registry)


def schema_named_by(file: Path) -> Path:
    """The schema that the comment on top of a file names."""
    line = next(one for one in file.read_text().splitlines() if one.startswith(MARK))
    return (file.parent / line.removeprefix(MARK)).resolve()


@pytest.mark.parametrize(
    "name", sorted(p.relative_to(SCHEMAS) for p in SCHEMAS.rglob("*.schema.json")), ids=str
)
def test_every_schema_is_one_of_the_draft_of_2020(name: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads((SCHEMAS / name).read_text()))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_shipped_yaml_names_its_schema_and_fits_it(file: Path) -> None:
    schema = schema_named_by(file)
    is_preset = file.parent.parent.name == "conf" and file.parent.name != "pipeline"
    wanted = f"conf/{file.parent.name}.schema.json" if is_preset else "recipe.schema.json"
    assert schema == SCHEMAS / wanted
    validator(SCHEMAS, wanted).validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", OF_PROJECTS, ids=lambda p: str(p.relative_to(p.parents[4])))
def test_yaml_of_a_project_names_the_schemas_of_that_project(file: Path) -> None:
    root = file.parent
    while root.name not in ("recipes", "conf"):
        root = root.parent
    assert schema_named_by(file).is_relative_to(root.parent.resolve() / FOLDER)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIDN_TRUST", "1")
    monkeypatch.delenv("AIDN_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    files = {
        "pyproject.toml": '[tool.aidn]\npackages = ["mine"]\n',
        "mine/__init__.py": "",
        "mine/nets.py": OWN,
        "recipes/a.yaml": "# @package _global_\n# A.\ndefaults:\n  - /digits_train\n",
        "recipes/sub/b.yaml": "defaults:\n  - /a\n",
        "conf/model/deep.yaml": "use: own_net\ndepth: 9\n",
        "conf/place/here.yaml": "x: 1\n",
        "conf/pipeline/p.yaml": "# @package _global_\nstages: {}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_schemas_of_a_project_know_its_components_and_presets(project: Path) -> None:
    assert main(["schema", "--write"]) == 0
    recipe = validator(project / FOLDER, "recipe.schema.json")
    assert recipe.is_valid({"defaults": [{"/model": "deep"}], "model": {"use": "own_net"}})
    assert not recipe.is_valid({"model": {"use": "own_net", "deepth": 3}})
    assert not recipe.is_valid({"defaults": [{"/model": "deeep"}]})
    shipped = validator(SCHEMAS, "recipe.schema.json")
    assert not shipped.is_valid({"model": {"use": "own_net"}})
    assert validator(project / FOLDER, "conf/model.schema.json").is_valid(
        yaml.safe_load((project / "conf/model/deep.yaml").read_text())
    )


def test_headers_are_written_into_every_file_of_which_something_is_known(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (project / "conf/place/here.yaml").read_text()
    assert main(["schema", "--write", "--headers"]) == 0
    assert "recipes/sub/b.yaml" in capsys.readouterr().out
    assert (project / "recipes/a.yaml").read_text() == (
        "# @package _global_\n"
        "# yaml-language-server: $schema=../.aidn/schemas/recipe.schema.json\n"
        "# A.\ndefaults:\n  - /digits_train\n"
    )
    for name, schema in {
        "recipes/sub/b.yaml": "recipe.schema.json",
        "conf/model/deep.yaml": "conf/model.schema.json",
        "conf/pipeline/p.yaml": "recipe.schema.json",
    }.items():
        assert schema_named_by(project / name) == project / FOLDER / schema
    assert (project / "conf/place/here.yaml").read_text() == before
    assert main(["schema", "--write", "--headers"]) == 0
    assert "first line" not in capsys.readouterr().out


def test_schemas_may_lie_in_a_folder_that_is_committed(project: Path) -> None:
    assert main(["schema", "--write", "--headers", "--in", "schemas"]) == 0
    assert schema_named_by(project / "recipes/sub/b.yaml") == project / "schemas/recipe.schema.json"


def test_a_header_in_the_place_of_another_one() -> None:
    line = header(Path("/p/recipes/x.yaml"), Path("/p/schemas"), "recipe.schema.json")
    assert line == f"{MARK}../schemas/recipe.schema.json"
    once = headed("# @package _global_\na: 1\n", f"{MARK}elsewhere")
    assert headed(once, line) == f"# @package _global_\n{line}\na: 1\n"


def test_schemas_are_written_again_when_a_component_or_a_preset_comes(project: Path) -> None:
    found = find_project()
    assert is_stale(found)
    refresh(found, load_index(found))
    assert not is_stale(found)
    assert validator(project / FOLDER, "recipe.schema.json").is_valid({"model": {"use": "own_net"}})
    (project / "mine/nets.py").write_text(OWN.replace("own_net", "other_net"))
    (project / "conf/model/deep.yaml").write_text("use: other_net\n")
    refresh(found, load_index(found))
    recipe = validator(project / FOLDER, "recipe.schema.json")
    assert not recipe.is_valid({"model": {"use": "own_net"}})
    assert recipe.is_valid({"model": {"use": "other_net"}})
    (project / "conf/model/flat.yaml").write_text("use: other_net\n")
    assert is_stale(found)
    refresh(found, load_index(found))
    recipe = validator(project / FOLDER, "recipe.schema.json")
    assert recipe.is_valid({"defaults": [{"/model": "flat"}]})


def test_a_project_without_components_of_its_own_gets_none_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["list", "recipes"]) == 0
    assert not (tmp_path / ".aidn").exists()


def test_schemas_that_cannot_be_written_stop_nothing_but_their_own_command(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / FOLDER).parent.mkdir(exist_ok=True)
    (project / FOLDER).write_text("in the way")
    assert main(["recipe=a", "--plan"]) == 0
    capsys.readouterr()
    assert main(["schema", "--write"]) == 2
    assert "--in FOLDER" in capsys.readouterr().err


def test_a_schema_is_printed_and_a_wrong_name_is_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, title in {"recipe": "aidn recipe", "model": "aidn model preset"}.items():
        assert main(["schema", name]) == 0
        assert json.loads(capsys.readouterr().out)["title"] == title
    assert main(["schema", "run"]) == 0
    assert main(["schema", "modle"]) == 2
    assert "`model`" in capsys.readouterr().err


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="no examples beside the package")
@pytest.mark.parametrize("folder", sorted(EXAMPLES.glob("*")), ids=lambda p: p.name)
def test_recipes_of_the_examples_fit_schemas_with_their_components(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDN_TRUST", "1")
    monkeypatch.setenv("AIDN_HOME", str(tmp_path / "store"))
    monkeypatch.chdir(folder)
    assert main(["schema", "--write", "--in", str(tmp_path / "schemas")]) == 0
    for file in folder.glob("recipes/*.yaml"):
        validator(tmp_path / "schemas", "recipe.schema.json").validate(
            yaml.safe_load(file.read_text())
        )


def test_every_shipped_file_has_a_header_of_its_own() -> None:
    found = headers(find_project(SCHEMAS), SCHEMAS, builtin_index())
    assert {os.fspath(p.resolve()) for p in SHIPPED} <= {os.fspath(p.resolve()) for p in found}
