"""`show`: a run in parts that fit on a terminal, and a recipe with the origin of each value."""

import json
import math
from contextlib import redirect_stdout
from io import StringIO

import pytest
import yaml
from support.breaking import written
from support.command import QUICK, last_object
from support.toys import INDEX
from support.unruly import SPEC

from aidn_pipeline import AiModelBuilder
from aidn_pipeline.cli.main import main
from aidn_pipeline.cli.plot import HEIGHT, plot
from aidn_pipeline.cli.text import pairs
from aidn_pipeline.config.origins import annotated
from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.pipeline import PipelineSpec, StageSpec
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.facade.information import resolved_config
from aidn_pipeline.store.store import Store

UNRULY = INDEX.merged([SPEC])


def parts(out):
    """The blocks of a run by their first line."""
    return {block.splitlines()[0]: block for block in out.split("\n\n")}


@pytest.fixture(scope="module")
def told(ran_once):
    """What is shown of the run."""
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.chdir(ran_once)
        assert main(["show"]) == 0
    return parts(out.getvalue())


def test_a_run_is_told_in_parts_of_at_most_80_columns(told):
    assert list(told)[1:-1] == ["plan", "parameters", "metrics", "curves", "model"]
    assert max(len(line) for block in told.values() for line in block.splitlines()) <= 80


def test_the_plan_has_each_stage_with_its_artifacts(told):
    words = [line.split() for line in told["plan"].splitlines()[2:]]
    assert [w[0] for w in words if len(w) > 4][:3] == ["snapshot", "split", "train"]
    assert any(w[:1] == ["last"] for w in words)


def test_parameters_are_those_of_the_components(told):
    assert "train.trainer.model: mlp" in told["parameters"]
    assert "epochs 3" in told["parameters"]


def test_metrics_stand_beside_their_baseline(told):
    line = next(li for li in told["metrics"].splitlines() if " accuracy " in li)
    assert "baseline 0.07" in line


def test_curves_are_plotted_by_epoch(told):
    assert "* val_loss  o train_loss   by epoch" in told["curves"]
    assert "val_accuracy  " in told["curves"]
    assert "  lr " not in told["curves"]


def test_the_model_is_named_with_its_gate_and_its_bundle(told):
    assert "digits@1  checkpoint " in told["model"]
    assert "met: accuracy min 0.5" in told["model"]
    assert "bundles/digits/1" in told["model"]


def test_a_run_is_shown_to_programs_as_its_result(here, say):
    out = say("show", "--json")[1]
    assert last_object(out)["model"]["name"] == "digits"


def test_two_runs_are_one_too_many(here, say):
    code, _, err = say("show", "2", "2")
    assert code == 2
    assert "show takes one run" in err


def test_a_failed_run_shows_what_stopped_it_and_where(tmp_path, say, monkeypatch):
    monkeypatch.chdir(written(tmp_path))
    monkeypatch.setenv("AIDN_TRUST", "1")
    say("recipe=digits_train", "model=broken_net", "model.batches=1", "~stages.register.gate")
    out = say("show")[1]
    assert "ValueError: the network broke" in out
    assert "train     failed" in out
    assert "evaluate  skip" in out
    assert "aidn-run debug train recipe=digits_train" in out


def test_trials_are_listed_the_best_first(copied, say):
    sweep = ("stages.tune.num_trials=3", "trainer.epochs=2", "~stages.register.gate")
    assert say("recipe=digits", *sweep)[0] == 0
    found = parts(say("show")[1])
    rows = [line.split() for line in found["trials"].splitlines()[2:]]
    values = [float(row[1]) for row in rows]
    assert values == sorted(values)
    assert len(values) == 3
    assert "found by the sweep" in found["parameters"]
    assert found["parameters"].count(f"hidden {rows[0][5]}") == 2


def test_the_output_of_stages_is_named_and_that_of_a_failed_one_shown(empty, say):
    described = complete(UNRULY, "stage", {"use": "unruly", "way": "exits"})
    stage = StageSpec(name="bad", stage=described, inputs={})
    spec = PipelineSpec(name="toy", stages={"bad": stage}, run={"executor": "processes"})
    with Store.open(empty / ".aidn", durability="process") as store:
        found = run_pipeline(spec, store, UNRULY, empty)
    _, out, _ = say("show")
    first, place, last = parts(out)["output"].splitlines()[1:]
    assert first.startswith("  bad: 16 B, peak of its memory ")
    assert place.strip() == str(empty / ".aidn" / "logs" / found.run / "bad.log")
    assert last.strip() == "| before the exit"


def test_a_recipe_is_shown_as_yaml_with_the_origin_of_each_value(empty, say):
    code, out, _ = say("show", "recipe=digits", "trainer.epochs=3")
    lines = {line.split("#")[0].strip(): line for line in out.splitlines()}
    assert code == 0
    assert lines["epochs: 3"].endswith("# override trainer.epochs=3")
    assert lines["use: mlp"].endswith("# conf/model/mlp.yaml:4")
    assert lines["min: 0.95"].endswith("# recipes/digits.yaml:23")
    assert lines["amsgrad: false"].endswith("# default")


@pytest.mark.parametrize("recipe", ["digits", "tabular_file", "diabetes", "tickets"])
def test_the_yaml_of_a_recipe_reads_as_what_a_run_records(recipe, tmp_path):
    asked = AiModelBuilder.from_recipe(recipe, tmp_path)
    if recipe == "tabular_file":
        (tmp_path / "t.csv").write_text("a,b\n1,x\n")
        asked = asked.configure("source.path=t.csv", "source.label=b")
    spec = asked.spec()
    recorded = json.loads(json.dumps(resolved_config(spec)))
    for stage in recorded["stages"].values():
        refs = stage.pop("inputs")
        if refs:
            stage["inputs"] = {p: r[0] if len(r) == 1 else r for p, r in refs.items()}
    if not recorded["run"]:
        del recorded["run"]
    assert yaml.safe_load(annotated(spec)) == recorded


def test_a_plot_has_the_ends_of_both_axes():
    lines = plot({"loss": [(1, 4.0), (5, 1.0), (9, 2.0)]}, unit="epoch", width=20)
    assert len(lines) == HEIGHT + 3
    assert lines[0].startswith("4 |*")
    assert lines[HEIGHT - 1].startswith("1 |")
    assert lines[HEIGHT + 1].split() == ["1", "9"]


def test_a_plot_leaves_gaps_where_a_value_is_not_finite():
    lines = plot({"loss": [(0, 1.0), (10, math.nan), (20, 1.0)]}, unit="epoch", width=21)
    assert lines[HEIGHT - 1] == "1 |*                   *"


def test_a_flat_curve_and_one_point_are_plotted_and_none_is_not():
    assert any("*" in line for line in plot({"loss": [(1, 2.0)]}, unit="epoch"))
    assert any("**" in line for line in plot({"loss": [(1, 2.0), (2, 2.0)]}, unit="epoch"))
    assert plot({"loss": [(1, math.nan)]}, unit="epoch") == []


def test_pairs_are_wrapped_between_them():
    told = pairs({"a": "one two", "b": "three", "c": "x"}, label="x: ", width=18)
    assert told == "x: a one two\n   b three  c x"


def test_show_needs_no_more_than_was_run(here, say):
    assert say("show", QUICK[0], *QUICK[1:])[0] == 0
