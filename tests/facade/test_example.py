"""The example of a model: a raw row as somebody would write it."""

import json
from datetime import date

import pytest

from aidn_pipeline import AiModelBuilder, AiModelResult, Servable
from aidn_pipeline.core.columns import EPOCH, Column, Image, Text
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.facade.example import bundle_example, example_row
from aidn_pipeline.inputs.images import read_pixels


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


def test_a_bundle_predicts_its_own_example(built):
    assert built.bundle
    loaded = Servable.load(built.bundle)

    assert bundle_example(built.bundle) == loaded.example
    assert loaded.predict([loaded.example]) == built.predict([loaded.example])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_of_images_is_a_file_of_those_pixels(channels):
    image = Image(name="file", channels=channels, height=2, width=3)
    pixels = list(range(channels * 6))
    found = example_row(document([pixels], features=("file",), image=image))

    assert isinstance(found, bytes)
    read = read_pixels(found, image, where="here")
    assert read.transpose(2, 0, 1).ravel().tolist() == pixels
