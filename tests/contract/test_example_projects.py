"""The components of the example projects keep their contracts, as a user's do."""

import importlib
import shutil
import sys

from support.source import ROOT

from aidn_pipeline.testing.examples import example_text_signature, example_texts, example_trainer
from aidn_pipeline.testing.loss import LossSuite
from aidn_pipeline.testing.metric import MetricSuite
from aidn_pipeline.testing.model import ModelSuite
from aidn_pipeline.testing.source import SourceSuite
from aidn_pipeline.testing.stage import StageSuite

PROJECTS = ROOT / "docs" / "examples"
REGRESSION = ("regression",)


def component(project, module, name):
    """A component of an example, with its project on the path as a run has it."""
    place = str(PROJECTS / project)
    if place not in sys.path:
        sys.path.append(place)
    return getattr(importlib.import_module(f"{project}.{module}"), name)


FLATS = component("rents", "data", "Flats")


def with_data(self, folder):
    shutil.copytree(PROJECTS / "rents" / "data", folder / "data")


def judged(bench, dataset, trainer):
    """The predictions of a model that was trained on the data set."""
    trained = bench.perform({"use": "train", "trainer": trainer}, {"dataset": dataset})
    inputs = {"dataset": dataset, "checkpoint": trained["best"]}
    return {
        "dataset": dataset,
        "predictions": bench.perform({"use": "evaluate"}, inputs)["predictions"],
    }


class TestFlats(SourceSuite):
    make = FLATS
    project = with_data


class TestByDistrict(StageSuite):
    make = staticmethod(lambda: component("rents", "by_district", "by_district"))
    project = with_data
    components = (FLATS,)

    def inputs(self, bench):
        dataset = bench.perform({"use": "snapshot", "source": {"use": "flats"}})["dataset"]
        for stage in ("split", "prepare"):
            dataset = bench.perform({"use": stage}, {"dataset": dataset})["dataset"]
        return judged(bench, dataset, example_trainer())


class TestPinball(LossSuite):
    make = staticmethod(lambda: component("rents", "quantile", "pinball"))
    tasks = REGRESSION


class TestCoverage(MetricSuite):
    make = staticmethod(lambda: component("rents", "quantile", "coverage"))
    tasks = REGRESSION


class TestWorstRecall(MetricSuite):
    make = staticmethod(lambda: component("triage", "worst", "worst_recall"))
    tasks = ("multiclass",)


class TestTextCNN(ModelSuite):
    make = staticmethod(lambda: component("triage", "text_cnn", "TextCNN"))
    signatures = (example_text_signature("multiclass"),)


class TestMistakes(StageSuite):
    make = staticmethod(lambda: component("triage", "mistakes", "mistakes"))

    def inputs(self, bench):
        dataset = bench.perform(
            {"use": "tokenize", "min_count": 1}, {"dataset": example_texts(bench)}
        )
        model = {"use": "embedding_bag", "embedding": 4}
        return judged(bench, dataset["dataset"], example_trainer(model=model))
