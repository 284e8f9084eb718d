"""The example of a model: a raw row as somebody would write it."""

import json
from datetime import date
from pathlib import Path

import pytest

from aidn_pipeline import AiModelBuilder, AiModelResult, ModelNotFound
from aidn_pipeline.core.columns import EPOCH, Column, Text
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.facade.example import bundle_example, example_row


def document(rows, **signature):
    given = {"task": "regression", "features": ("a",), "shape": (1,), "label": "y", **signature}
    return {
        "signature": json.loads(json.dumps(Signature(**given).to_json())),
        "golden": {"rows": rows},
    }


def test_prepared_columns_are_decoded_to_what_they_were():
    columns = (
        Column(name="age", kind="numeric", indicator=True),
        Column(name="member", kind="boolean"),
        Column(name="since", kind="date"),
        Column(name="plan", kind="categorical", categories=("basic", "pro")),
        Column(name="town", kind="categorical", categories=("Bonn",)),
    )
    since = float(date(2026, 3, 1).toordinal() - EPOCH)
    golden = [[41.5, 0.0, 1.0, since, 2.0, 0.0]]

    assert example_row(document(golden, columns=columns)) == {
        "age": 41.5,
        "member": True,
        "since": "2026-03-01",
        "plan": "pro",
        "town": "",
    }


def test_single_precision_leaves_no_digits_that_were_never_there():
    assert example_row(document([[93.4000015258789]])) == {"a": 93.4}


def test_many_plain_features_are_a_list():
    names = tuple(f"p{n}" for n in range(16))
    found = example_row(document([[[float(n)] * 4 for n in range(4)]], features=names))
    assert found == [n for n in range(4) for _ in range(4)]


def test_a_text_has_the_words_that_are_known():
    text = Text(name="note", words=("all", "is", "well"), length=5)
    assert example_row(document([[2, 3, 1, 4, 0]], text=text)) == {"note": "all is well"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> AiModelResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AIDN_HOME", raising=False)
        folder = tmp_path_factory.mktemp("wine")
        return AiModelBuilder.from_recipe("diabetes", folder).build().check()


def test_a_bundle_loads_by_its_folder_and_predicts_its_example(built):
    assert built.bundle
    loaded = AiModelResult.load(built.bundle)

    assert loaded.predict([loaded.example]) == built.predict([built.example])
    assert str(loaded.model) == str(built.model)
    assert bundle_example(built.bundle) == built.example


def test_a_damaged_bundle_is_told(built, tmp_path: Path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ModelNotFound, match="no bundle that can be read"):
        AiModelResult.load(tmp_path)
