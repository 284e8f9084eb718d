"""A small project of its own for every test."""

from pathlib import Path

import pytest
from support.projects import FILES, Load, Write
from support.shapes import toy_index

from aidn_pipeline.config.project import Project, find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.pipeline import PipelineSpec


@pytest.fixture(scope="session")
def index() -> Index:
    """The toy components."""
    return toy_index()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a toy recipe."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return find_project(tmp_path)


@pytest.fixture
def write(project: Project) -> Write:
    """Writes a file of the project."""

    def write_file(name: str, text: str) -> Path:
        file = project.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write_file


@pytest.fixture
def load(project: Project, index: Index) -> Load:
    """Loads a recipe of the project with overrides."""

    def load_toy(*overrides: str, recipe: str = "toy", **environ: str) -> PipelineSpec:
        return load_recipe(recipe, overrides, project, index, environ)

    return load_toy
