"""The reference pages: a page for each group, and examples that are right."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.check import Checker
from aidn_pipeline.config.groups import GROUPS, PIPELINE
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.reference import FOLDER, example, page_of, presets
from aidn_pipeline.config.text import read_mapping

INDEX = builtin_index()
FENCE = re.compile(r"^```yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> Iterator[tuple[str, str]]:
    """YAML of the pages, each with its page and number."""
    for page in sorted(FOLDER.glob("*.md")):
        for number, found in enumerate(FENCE.finditer(page.read_text())):
            yield f"{page.stem}-{number}", found["text"]


@pytest.fixture(scope="module")
def schema() -> Any:
    text = (data_folder("schemas") / "recipe.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


@pytest.mark.parametrize(("name", "text"), list(examples()), ids=lambda value: value[:30])
def test_the_yaml_of_a_page_is_a_recipe_or_a_preset(name: str, text: str, schema: Any) -> None:
    value = yaml.safe_load(text)
    assert isinstance(value, dict)
    group = name.rpartition("-")[0]
    schema.validate({group: value} if "use" in value else value)


@pytest.mark.parametrize("spec", list(INDEX), ids=lambda spec: spec.key)
def test_the_example_of_a_component_lacks_nothing_but_what_the_reader_gives(spec: Any) -> None:
    checker = Checker(INDEX)
    text = yaml.safe_dump(example(spec), sort_keys=False)
    checker.component(spec.group, read_mapping(text, "example.yaml"))
    missing = {item.name for item in spec.fields if item.required}
    assert len(checker.problems) == len(missing)
    assert all("must be given" in problem.problem for problem in checker.problems)


@pytest.mark.parametrize("group", [*INDEX.groups(), PIPELINE])
def test_every_group_has_a_page_with_its_components_and_a_sentence(group: str) -> None:
    page = (FOLDER / page_of(group)).read_text()
    assert GROUPS[group]
    assert all(f"## {name}" in page for name in INDEX.names(group))
    if group == PIPELINE:
        assert all(f"## {name}\n" in page for name in presets(group))


def test_no_page_is_left_of_a_group_that_is_gone() -> None:
    pages = {page_of(group) for group in (*INDEX.groups(), PIPELINE)} | {"components.md"}
    generated = [p.name for p in FOLDER.glob("*.md") if "config.reference" in p.read_text()]
    assert set(generated) == pages


def test_words_of_groups_are_of_groups_that_there_are() -> None:
    folders = {Path(folder).name for folder in data_folder("conf").iterdir() if folder.is_dir()}
    assert set(GROUPS) == {*INDEX.groups(), *folders}
