"""What only looks writes nothing into the project it looks at."""

from pathlib import Path

import pytest
from support.mill import write_mill


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def mill(tmp_path, monkeypatch) -> Path:
    """The working folder: a project with components of its own in which nothing was run."""
    monkeypatch.setenv("AIDN_TRUST", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AIDN_HOME", raising=False)
    write_mill(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.mark.parametrize(
    "look",
    [
        ("recipe=small", "--plan"),
        ("why", "count", "recipe=small"),
        ("graph", "recipe=small"),
        ("blame", "stages", "recipe=small"),
        ("show", "recipe=small"),
        ("list", "recipes"),
        ("list", "stages"),
        ("schema", "recipe"),
        ("check",),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_look_leaves_a_project_with_components_as_it_was(mill, say, look):
    before = files(mill)
    _, out, _ = say(*look)
    assert out
    assert files(mill) == before


def test_a_lock_is_all_that_lock_writes(mill, say):
    before = files(mill)
    code, _, err = say("lock", "recipe=small")
    assert code == 0, err
    assert sorted(set(files(mill)) - set(before)) == ["recipes/small.lock"]


def test_a_run_writes_the_schemas_of_a_project_with_components(mill, say):
    code, _, err = say("recipe=small")
    assert code == 0, err
    assert (mill / ".aidn/schemas/recipe.schema.json").is_file()
    assert not (mill / ".aidn/cache").exists()


def test_what_is_cached_of_many_projects_is_bounded(mill, say, tmp_path, monkeypatch):
    monkeypatch.setattr("aidn_pipeline.config.indexes.MOST_PROJECTS", 2)
    projects = tmp_path / "cache/aidn/projects"
    for name in ("a", "b", "c"):
        (projects / name).mkdir(parents=True)
    say("recipe=small", "--plan")
    assert len(list(projects.iterdir())) <= 3
