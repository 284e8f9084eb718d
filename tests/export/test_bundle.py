"""Bundles: what is exported is what was trained, and every damaged byte is found."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training import INDEX, csv_dataset, stage, train

from aidn_pipeline.core.artifact import ModelVersion
from aidn_pipeline.core.columns import Column, Image, Text
from aidn_pipeline.core.fingerprint import canonical_json, digest_bytes
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import CorruptObject, DataError, ModelNotFound, NewerFormat, StageFailed
from aidn_pipeline.export.bundle import Predictor, load_bundle
from aidn_pipeline.export.document import KEYS
from aidn_pipeline.stages.evaluate import EvaluateInputs, check_same_data
from aidn_pipeline.stages.export import ExportInputs
from aidn_pipeline.testing.context import Bench

LEARNS = {"epochs": 15, "optimizer": {"use": "adamw", "lr": 0.03}}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, INDEX) as opened:
        yield opened


def exported(bench: Bench, tmp_path: Path, task: str = "multiclass") -> Path:
    dataset = csv_dataset(bench, tmp_path, task=task)
    trained = train(bench, dataset, "train", LEARNS)
    document = {"name": "small", "version": 1, "checkpoint": trained.best.to_json()}
    version = bench.context("register").save(ModelVersion, document)
    bundle = bench.run(stage(use="export"), ExportInputs(version), "export").bundle
    weights = bench.store.refs(trained.best)["state.safetensors"]
    assert bench.store.refs(bundle)["weights.safetensors"] == weights
    bench.store.checkout(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def bundle(bench: Bench, tmp_path: Path) -> Path:
    return exported(bench, tmp_path)


ROW = {"a": 3.0, "b": 0.0, "c": 0.0, "d": 0.0, "e": 0.0, "f": 0.0}


def test_rows_arrays_and_lists_give_one_answer(bundle):
    predictor = load_bundle(bundle, INDEX)
    answers = [
        predictor.predict([ROW]),
        predictor.predict([{**ROW, "label": 1}]),
        predictor.predict([list(ROW.values())]),
        predictor.predict(np.array([list(ROW.values())])),
        predictor.predict(torch.tensor([list(ROW.values())])),
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0].label == "0"
    assert sum(answers[0][0].probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert predictor.predict([]) == []


WRONG = {
    "a missing column": ([{k: v for k, v in ROW.items() if k != "c"}], "lacks the columns c"),
    "an unknown column": ([{**ROW, "g": 1}], "does not know: g"),
    "a short row": ([[1.0, 2.0]], "has 2 values"),
    "NaN": ([{**ROW, "d": float("nan")}], "no finite number"),
    "None": ([{**ROW, "d": None}], "no finite number"),
    "text": ([{**ROW, "d": "1"}], "no finite number"),
    "too large for float32": ([{**ROW, "d": 1e300}], "no finite number"),
    "no row at all": ([3], "neither named columns"),
    "an array of another width": (np.zeros((2, 5)), "takes"),
    "one row without its axis": (np.zeros(6), "takes"),
    "an array with NaN": (np.full((2, 6), np.nan), "no finite number"),
    "an array of text": (np.full((2, 6), "x"), "not numbers"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("name", WRONG)
def test_rows_that_do_not_fit_are_refused(bundle, name):
    rows, problem = WRONG[name]
    with pytest.raises(DataError, match=problem):
        load_bundle(bundle, INDEX).predict(rows)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_other_tasks_are_served_too(bench, tmp_path, task):
    (answer,) = load_bundle(exported(bench, tmp_path, task), INDEX).predict([ROW])
    assert (answer.label is None) == (task == "regression")
    assert json.dumps(answer.to_json())


def test_no_flipped_bit_is_served(bundle):
    for file in sorted(bundle.iterdir()):
        file.chmod(0o600)
        sound = file.read_bytes()
        for i in range(0, len(sound), max(1, len(sound) // 60)):
            damaged = bytearray(sound)
            damaged[i] ^= 1 << (i % 8)
            file.write_bytes(damaged)
            with pytest.raises((CorruptObject, NewerFormat)):
                load_bundle(bundle, INDEX)
        file.write_bytes(sound)
    assert isinstance(load_bundle(bundle, INDEX), Predictor)


def rewritten(bundle, *path, value):
    """Changes a value of `model.json` and signs it anew, as somebody who means harm would."""
    file = bundle / "model.json"
    document = json.loads(file.read_text())
    del document["digest"]
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    signed = {**document, "digest": digest_bytes(canonical_json(document))}
    file.chmod(0o600)
    file.write_bytes(canonical_json(signed))


IMAGE = {"name": "a", "channels": -1, "height": 1, "width": 1}
CRAFTED = [
    *(((key,), None) for key in KEYS),
    (("format",), "1"),
    (("version",), "x"),
    (("version",), True),
    (("classes",), ["x"]),
    (("preprocess",), "rescale"),
    (("preprocess",), ["rescale"]),
    (("preprocess",), [{"use": "tabular", "center": [1], "scale": [1], "categories": [5]}]),
    (("model", "use"), None),
    (("model", "hidden"), 10**10),
    (("model", "hidden"), "many"),
    (("files", "weights.safetensors"), None),
    (("files", "weights.safetensors", "digest"), 7),
    (("golden", "rows"), "abc"),
    (("golden", "rows"), [[1], [2, 3]]),
    (("golden", "rows"), []),
    (("golden", "outputs"), [["x"]]),
    (("golden", "tolerance"), {"absolute": "x", "relative": 1}),
    (("golden", "tolerance"), {}),
    (("signature", "zzz"), 1),
    (("signature", "task"), "guess"),
    (("signature", "label"), None),
    (("signature", "classes"), 5),
    (("signature", "shape"), ["x"]),
    (("signature", "shape"), [-6]),
    (("signature", "dtype"), 5),
    (("signature", "columns"), [{"a": 1}]),
    (("signature", "columns"), [5]),
    (("signature", "image"), IMAGE),
    (("signature", "image"), {**IMAGE, "channels": 3}),
    (("signature", "text"), {"name": "a"}),
    (("signature", "text"), {"name": "a", "words": ["a"], "length": 10**15}),
    (("signature", "target_scale"), "x"),
]


def test_no_document_that_was_tampered_with_is_served_or_ends_in_a_bug(bundle):
    sound = (bundle / "model.json").read_bytes()
    for path, value in CRAFTED:
        rewritten(bundle, *path, value=value)
        with pytest.raises(CorruptObject) as raised:
            load_bundle(bundle, INDEX)
        assert raised.value.where, path
        assert raised.value.remedy, path
        (bundle / "model.json").write_bytes(sound)
    assert isinstance(load_bundle(bundle, INDEX), Predictor)


def test_a_document_cannot_switch_its_golden_rows_off(bundle):
    outputs = json.loads((bundle / "model.json").read_text())["golden"]["outputs"]
    rewritten(bundle, "golden", "tolerance", value={"absolute": 1e300, "relative": 1e300})
    assert isinstance(load_bundle(bundle, INDEX), Predictor)
    rewritten(bundle, "golden", "outputs", value=[[v + 1 for v in row] for row in outputs])
    with pytest.raises(CorruptObject, match="does not give the outputs"):
        load_bundle(bundle, INDEX)


def test_a_folder_without_a_model_is_no_bundle(tmp_path):
    with pytest.raises(ModelNotFound):
        load_bundle(tmp_path, INDEX)


def test_loading_leaves_the_generator_alone(bundle):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    load_bundle(bundle, INDEX)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_bundle_answers_in_a_fresh_process(bundle):
    here = load_bundle(bundle, INDEX).predict([ROW])[0].label
    code = (
        "import sys; from pathlib import Path; from support.training import INDEX;"
        "from aidn_pipeline.export.bundle import load_bundle;"
        f"print(load_bundle(Path(sys.argv[1]), INDEX).predict([{ROW!r}])[0].label)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)],
        env={"PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == here


def test_a_whole_training_state_is_not_exported(bench, tmp_path):
    dataset = csv_dataset(bench, tmp_path)
    trained = train(bench, dataset, "train")
    document = {"name": "small", "version": 1, "checkpoint": trained.last.to_json()}
    version = bench.context("register").save(ModelVersion, document)
    with pytest.raises(StageFailed, match="golden"):
        bench.run(stage(use="export"), ExportInputs(version), "export")


def test_evaluation_counts_every_row_and_agrees_with_its_predictions(bench, tmp_path):
    dataset = csv_dataset(bench, tmp_path)
    trained = train(bench, dataset, "train", LEARNS)
    settings = {"use": "evaluate", "metrics": {"top_2": {"use": "top_k", "k": 2}}}
    found = bench.run(stage(**settings), EvaluateInputs(dataset, trained.best), "evaluate")
    metrics, report, rows = (
        bench.store.read_json(a) for a in (found.metrics, found.report, found.predictions)
    )
    right = [p == t for p, t in zip(rows["predicted"], rows["targets"], strict=True)]
    assert metrics["accuracy"] == pytest.approx(sum(right) / len(right))
    assert sum(map(sum, report["confusion"])) == report["rows"] == len(right)
    assert metrics["top_2"] >= metrics["accuracy"] > 0.6
    assert [c["class"] for c in report["per_class"]] == ["0", "1", "2"]


def test_evaluation_on_other_features_is_refused(bench, tmp_path):
    dataset = csv_dataset(bench, tmp_path)
    trained = train(bench, dataset, "train")
    other = csv_dataset(bench, tmp_path, task="binary")
    with pytest.raises(DataError, match="other task"):
        bench.run(stage(use="evaluate"), EvaluateInputs(other, trained.best), "evaluate")


SAME = Signature(task="binary", features=("x",), shape=(1,), label="y", classes=("a", "b"))
WORDS = Text(name="x", words=("a", "b"), length=3)
IMAGE = Image(name="x", channels=1, height=2, width=2, resize="crop")


@pytest.mark.parametrize(
    ("field", "trained", "found"),
    [
        (
            "columns",
            (Column(name="x", kind="numeric", fill=1.0),),
            (Column(name="x", kind="numeric", fill=2.0),),
        ),
        ("text", WORDS, replace(WORDS, words=("b", "a"))),
        ("image", IMAGE, replace(IMAGE, resize="pad")),
        ("dtype", "float32", "int64"),
    ],
)
def test_evaluation_on_another_preparation_is_refused(field, trained, found):
    with pytest.raises(DataError, match=f"another {field}"):
        check_same_data(replace(SAME, **{field: found}), replace(SAME, **{field: trained}), "test")


def test_evaluation_may_take_files_that_were_read_with_another_limit():
    larger = replace(IMAGE, max_pixels=9)
    check_same_data(replace(SAME, image=larger), replace(SAME, image=IMAGE), "test")
