"""What differs between a record and what is asked now: values, and the sentence a plan has."""

from collections.abc import Mapping

import pytest

from aidn_pipeline.core.record import StageRecord
from aidn_pipeline.engine.reasons import Difference, changed, differences

HASHED = {
    "component": "stage/train",
    "fields": {"use": "train", "model": {"use": "mlp", "hidden": 8, "layers": 1}},
    "versions": {"stage/train": 1, "model/mlp": {"nets/a.py": "b3:1", "nets/b.py": "b3:2"}},
    "packages": {"torch": "2.13"},
    "files": {"t.csv": "b3:3"},
    "seed": 7,
    "inputs": {"dataset": "b3:4", "parts": ["b3:5", "b3:6"]},
}


def record(**changes: object) -> StageRecord:
    return StageRecord(
        fingerprint="b3:w",
        family="b3:f",
        base="b3:b",
        component="stage/train",
        hashed={**HASHED, **changes},
        extends={"epochs": 3},
        outputs={},
    )


def found(
    old: StageRecord, epochs: int = 3, origins: Mapping[str, str] | None = None
) -> list[Difference]:
    return differences("train", old, HASHED, {"epochs": epochs}, origins or {})


def test_nothing_differs_from_itself():
    assert found(record()) == []


@pytest.mark.parametrize(
    ("old", "kind", "sentence"),
    [
        (record(packages={"torch": "2.12"}), "package", "package torch 2.12 -> 2.13"),
        (record(packages={}), "package", "package torch none -> 2.13"),
        (record(files={"t.csv": "b3:0"}), "file", "t.csv changed"),
        (record(seed=1), "seed", "seed 1 -> 7"),
        (record(inputs={**HASHED["inputs"], "dataset": "b3:0"}), "input", "input dataset changed"),
        (record(inputs={**HASHED["inputs"], "parts": ["b3:5"]}), "input", "input parts changed"),
        (
            record(versions={**HASHED["versions"], "stage/train": 0}),
            "code",
            "stage/train has a new version",
        ),
        (
            record(versions={**HASHED["versions"], "model/mlp": {"nets/a.py": "b3:1"}}),
            "code",
            "code of model/mlp changed: nets/b.py",
        ),
    ],
)
def test_each_kind_has_its_sentence(old, kind, sentence):
    (one,) = found(old)
    assert (one.kind, str(one)) == (kind, sentence)


def test_a_value_has_the_place_it_is_from():
    fields = {"use": "train", "model": {"use": "mlp", "hidden": 4, "layers": 1}}
    (one,) = found(record(fields=fields), origins={"stages.train.model.hidden": "a.yaml:3"})
    assert str(one) == "model.hidden 4 -> 8 (a.yaml:3)"


def test_an_extendable_value_is_a_difference_too():
    (one,) = found(record(), epochs=5)
    assert (one.name, one.old, one.new) == ("epochs", 3, 5)


def test_of_another_component_only_the_name_is_told():
    old = {"use": "train", "model": {"use": "cnn", "channels": 16}}
    assert list(changed(old, HASHED["fields"])) == [("model.use", "cnn", "mlp")]
