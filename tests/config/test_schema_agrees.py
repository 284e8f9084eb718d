"""Our check and `jsonschema` agree on documents of which every value is known.

A resolved recipe is taken and one or two things of it are changed. What the strict schema refuses
is refused by us as well. What it takes is refused by us only for a reason that no schema can state:
these reasons are listed here by name, each with the words it is told by.
"""

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.library import GivenRecipe
from aidn_pipeline.config.origins import annotated
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.index import Index
from aidn_pipeline.errors import (
    AidnError,
    ConfigError,
    ConfigProblems,
    UnknownKey,
    WiringError,
    WrongType,
)

STRICTER: dict[str, tuple[type[AidnError], str]] = {
    "what is wired is there, of the right kind, in no circle, and complete": (WiringError, ""),
    "an axis of a matrix is a field of the stage, or called by it": (
        UnknownKey,
        "^stage '.*' has no key",
    ),
    "an axis has no value twice, and each can stand in a name": (
        ConfigError,
        "twice$|stand in the name of a cell",
    ),
    "a condition reads, and refers to what is there": (ConfigError, "in a condition|condition"),
    "a domain of a space has the keys and the numbers of its form": (
        ConfigError,
        "domain|no field stands behind|^(low|high|log|step|choices|ordered) |is missing$",
    ),
    "an objective names a metric and a mode": (ConfigError, "objective"),
    "a trainer computes what it monitors": (WrongType, "^the trainer computes no"),
    "the shares of a split add up to 1": (WrongType, "^shares "),
    "a fold is one of the folds": (ConfigError, "fold"),
    "a value that is searched, or looked for, has the type of its field": (
        WrongType,
        "is not a (whole )?number",
    ),
    "a gate has bounds": (ConfigError, "gate|^(min|max|equals) "),
    "a model's name is a name": (ConfigError, "is no name for a model"),
    "a size has a number and a unit": (WrongType, "takes a size"),
    "errors are called by their names": (WrongType, "takes the names of errors"),
    "a whole number has no point": (WrongType, r"takes a whole number.*, not -?\d+\.0$"),
}
"""What a schema cannot say, with the error and the words it is told by."""
RECIPES = ("breast_cancer", "digits", "tickets")
BY_HAND = """
name: by_hand
seed: 3
run: {executor: inline, wait: 2.5, smoke: true, resources: {cpu: 2, memory: 2GB}}
stages:
  snapshot: {use: snapshot, source: {use: table, path: a.csv, label: y}, timeout_s: 3, retries: 2}
  split:
    use: kfold
    folds: 3
    inputs: {dataset: snapshot.dataset}
    matrix: {fold: {range: 3}}
    resources: {cpu: 1, mutex: [disk]}
    on_failure: continue
  train:
    use: train
    inputs: {dataset: split.dataset}
    when: seed > 2
    retries: {times: 1, backoff_s: 0.5, "on": [OSError]}
    trainer:
      model: {use: mlp, hidden: 8}
      optimizer: {use: adamw, lr: 1.0e-3}
      metrics: {best: {use: top_k, k: 2}, gone: null}
      early_stop: {use: patience, patience: 2}
      epochs: 2
  evaluate: {use: evaluate, inputs: {dataset: split.dataset, checkpoint: train.best}}
  aggregate: {use: aggregate, inputs: {metrics: "evaluate[*].metrics"}}
  gone: null
"""
VALUES = [
    *(None, True, False, 0, 1, 3, -1, 3.5, -0.5, "", "text", "auto", "???", "${nothing.here}"),
    *([], [1], ["text"], [None], {}, {"x": 1}, {"use": "mlp"}, {"use": "nothing"}),
]


@cache
def index() -> Index:
    return builtin_index()


@cache
def validator() -> Any:
    text = (data_folder("schemas") / "resolved.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


@cache
def lenient() -> Any:
    text = (data_folder("schemas") / "recipe.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


@cache
def project() -> Project:
    nowhere = Path(__file__).parent / "nowhere"
    return Project(root=nowhere, store_root=nowhere / ".aidn")


@cache
def documents() -> dict[str, Any]:
    found = {name: load_recipe(name, [], project(), index(), {}) for name in RECIPES}
    texts = {name: annotated(spec) for name, spec in found.items()}
    return {name: yaml.safe_load(text) for name, text in {**texts, "by hand": BY_HAND}.items()}


def problems(document: Any) -> list[AidnError]:
    """What we say is wrong with a document."""
    text = yaml.safe_dump(document, default_flow_style=None, sort_keys=False, width=10_000)
    given = GivenRecipe("document", text, "document.yaml")
    try:
        load_recipe("document", [], project(), index(), {}, given)
    except ConfigProblems as several:
        return list(several.problems)
    except AidnError as problem:
        return [problem]
    return []


def reason(problem: AidnError) -> str | None:
    """The name of the rule that no schema states, if it is one of these."""
    if ".matrix." in problem.where:
        return "what an axis gives to a field is what the field takes"
    for name, (kind, words) in STRICTER.items():
        if isinstance(problem, kind) and re.search(words, problem.problem):
            return name
    return None


def paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a document."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [p for key, child in inner for p in ((*above, key), *paths(child, (*above, key)))]


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A document of which one or two things are changed."""
    document = copy.deepcopy(documents()[draw(st.sampled_from(sorted(documents())))])
    for _ in range(draw(st.integers(1, 2))):
        *above, key = draw(st.sampled_from(paths(document)))
        holder = at(document, tuple(above))
        how = draw(st.sampled_from(["value", "value", "key", "gone", "more", "copied"]))
        if how == "value":
            holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif how == "copied":
            holder[key] = copy.deepcopy(at(document, draw(st.sampled_from(paths(document)))))
        elif how == "gone":
            del holder[key]
        elif isinstance(holder, dict):
            name = (
                f"{key}x"
                if how == "more"
                else draw(st.sampled_from(["use", "inputs", "lr", "zip"]))
            )
            holder[name] = holder.pop(key) if how == "key" else copy.deepcopy(holder[key])
    return document


def test_the_documents_fit_both() -> None:
    for document in documents().values():
        validator().validate(document)
        assert problems(document) == []


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_our_check_and_jsonschema_agree(document: Any) -> None:
    found = problems(document)
    if not validator().is_valid(document):
        assert found, json.dumps(document)
        return
    assert [str(problem) for problem in found if reason(problem) is None] == []
    # What an editor is given underlines nothing that is right.
    assert lenient().is_valid(document)


FOUND = {
    "a list is the name of no component": (
        ("stages", "train", "trainer", "optimizer"),
        {"use": [1]},
    ),
    "nor is one for a field that has a component by default": (
        ("stages", "train", "trainer", "lr_scheduler"),
        {"use": {"x": 1}},
    ),
    "bounds hold for each member of a union": (("run",), {"wait": -1}),
    "null takes away no key that there is not": (("stages", "train", "retries", "onn"), None),
    "null takes away no claim that there is not": (("stages", "split", "resources", "cpux"), None),
    "null takes away no port that there is not": (("stages", "train", "inputs", "datasett"), None),
}
"""What one of the two once took, and both refuse."""


@pytest.mark.parametrize("name", FOUND)
def test_both_refuse_what_one_of_them_once_took(name: str) -> None:
    (*above, key), value = FOUND[name]
    document = copy.deepcopy(documents()["by hand"])
    at(document, tuple(above))[key] = value
    assert not validator().is_valid(document)
    (problem,) = problems(document)
    assert problem.where.startswith("document.yaml:")
    assert problem.remedy


def test_a_form_of_a_domain_that_is_no_word_is_refused() -> None:
    document = copy.deepcopy(documents()["digits"])
    document["stages"]["tune"]["space"]["optimizer.lr"]["type"] = ["float"]
    (problem,) = problems(document)
    assert "no such type of domain" in problem.problem
