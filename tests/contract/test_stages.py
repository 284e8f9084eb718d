"""Every built-in stage keeps its contract."""

from aidn_pipeline.core.artifact import Metrics
from aidn_pipeline.testing.examples import (
    example_dataset,
    example_texts,
    example_trainer,
    example_training,
    example_version,
)
from aidn_pipeline.testing.export import ExportSuite
from aidn_pipeline.testing.stage import StageSuite


class TestSnapshot(StageSuite):
    make = staticmethod(lambda: {"use": "snapshot", "source": {"use": "table", "path": "rows.csv"}})

    def project(self, folder):
        rows = "".join(f"{i / 10},{i * i},{i % 3}\n" for i in range(30))
        (folder / "rows.csv").write_text(f"x,y,label\n{rows}")


class TestSplit(StageSuite):
    make = staticmethod(lambda: {"use": "split"})

    def inputs(self, bench):
        return {"dataset": example_dataset(bench, split=False)}


class TestSplitRows(StageSuite):
    make = staticmethod(lambda: {"use": "split_rows", "train": 36, "test": 12})

    def inputs(self, bench):
        return {"dataset": example_dataset(bench, split=False)}


class TestKFold(StageSuite):
    make = staticmethod(lambda: {"use": "kfold", "folds": 4, "fold": 1, "validation": 0.2})

    def inputs(self, bench):
        return {"dataset": example_dataset(bench, split=False)}


class TestAggregate(StageSuite):
    make = staticmethod(lambda: {"use": "aggregate", "cells": [{"fold": 0}, {"fold": 1}]})

    def inputs(self, bench):
        values = ({"accuracy": 0.5, "loss": 2.0}, {"accuracy": 0.75, "loss": 1.5})
        return {"metrics": tuple(bench.context("cells").save(Metrics, v) for v in values)}


class TestPrepare(StageSuite):
    make = staticmethod(lambda: {"use": "prepare"})

    def inputs(self, bench):
        return {"dataset": example_dataset(bench)}


class TestTokenize(StageSuite):
    make = staticmethod(lambda: {"use": "tokenize", "min_count": 1})

    def inputs(self, bench):
        return {"dataset": example_texts(bench)}


class TestNormalize(StageSuite):
    make = staticmethod(lambda: {"use": "normalize"})

    def inputs(self, bench):
        return {"dataset": example_dataset(bench, shape=(2, 3, 3))}


class TestTrain(StageSuite):
    make = staticmethod(
        lambda: {
            "use": "train",
            "trainer": example_trainer(epochs=2, checkpoint={"use": "standard", "every_epochs": 1}),
        }
    )
    indifferent = {"trainer.checkpoint.every_steps": 1, "trainer.checkpoint.keep": 1}
    shorter = {"trainer.epochs": 1}
    kill_points = 30

    def inputs(self, bench):
        return {"dataset": example_dataset(bench)}


class TestSweep(StageSuite):
    make = staticmethod(
        lambda: {
            "use": "sweep",
            "trial": example_trainer(),
            "objective": {"metric": "val_loss", "mode": "min"},
            "num_trials": 2,
            "space": {"optimizer.lr": {"low": 1e-3, "high": 0.1, "log": True}},
        }
    )
    indifferent = {"max_failures": 1}
    shorter = {"num_trials": 1}
    kill_points = 20
    another_process = False  # its trials are the work of `train`

    def inputs(self, bench):
        return {"dataset": example_dataset(bench)}


class TestEvaluate(StageSuite):
    make = staticmethod(lambda: {"use": "evaluate"})
    another_process = False  # `train` has shown it for torch, which takes seconds to import

    def inputs(self, bench):
        dataset = example_dataset(bench)
        return {"dataset": dataset, "checkpoint": example_training(bench, dataset)["best"]}


class TestRegister(StageSuite):
    make = staticmethod(lambda: {"use": "register", "name": "example"})

    def inputs(self, bench):
        trained = example_training(bench, example_dataset(bench))
        return {"checkpoint": trained["best"], "metrics": trained["metrics"]}


class TestExport(ExportSuite):
    make = staticmethod(lambda: {"use": "export"})
    another_process = False  # `train` has shown it for torch, which takes seconds to import

    def inputs(self, bench):
        return {"version": example_version(bench, example_dataset(bench))}
