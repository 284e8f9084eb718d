"""How the cells of a matrix are shown: together where they are alike."""

import io
import json

import pytest
import yaml
from support.command import aidn, last_object

from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.cells import called, shortened, together
from aidn_pipeline.cli.lines import Lines
from aidn_pipeline.cli.live import LiveTable
from aidn_pipeline.cli.plan import text
from aidn_pipeline.config.origins import annotated
from aidn_pipeline.core.events import Progress, RunStarted, StageFinished, StageStarted
from aidn_pipeline.engine.plan import Plan, PlanRow
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.information import resolved_config

FOLDS = [f"train[fold={k}]" for k in range(5)]


def test_cells_that_count_up_are_a_span():
    assert called(FOLDS) == "train[fold=0..4]"


def test_few_values_are_written_out():
    assert called(["t[lr=0.1]", "t[lr=0.01]"]) == "t[lr=0.1|0.01]"


def test_many_values_are_counted():
    assert called([f"t[lr={10**-k}]" for k in range(6)]) == "t[lr=6 values]"


def test_axes_are_shown_one_by_one():
    names = [f"t[fold={k},model={m}]" for k in range(3) for m in ("mlp", "cnn")]
    assert called(names) == "t[fold=0..2,model=mlp|cnn]"


def test_cells_that_are_no_whole_product_are_counted():
    assert called(["t[a=0,b=0]", "t[a=1,b=1]"]) == "t[2 cells]"


def test_one_cell_has_its_own_name():
    assert called(["t[a=0]"]) == "t[a=0]"


def test_a_reason_names_the_cells_of_a_stage_once():
    assert shortened(f"needs {', '.join(FOLDS)}, split") == "needs train[fold=0..4], split"


def test_another_reason_is_left_as_it_is():
    assert shortened("epochs 3 -> 5, needs more") == "epochs 3 -> 5, needs more"


def test_cells_that_differ_are_apart_and_stages_are_never_put_together():
    alike = {"a": 1, "b": 1, "t[k=0]": 1, "t[k=1]": 2, "t[k=2]": 1}
    assert together(alike, alike) == [["a"], ["b"], ["t[k=0]", "t[k=2]"], ["t[k=1]"]]


def test_a_plan_has_a_line_for_the_cells_that_do_the_same():
    rows = [
        PlanRow(name=name, component="train", action="wait", reason="depends on " + before)
        for name, before in zip(FOLDS, [f.replace("train", "split") for f in FOLDS], strict=True)
    ]
    rows[2] = PlanRow(name=FOLDS[2], component="train", action="reuse", reason="unchanged")
    lines = text(Plan(tuple(rows)), ()).splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        ["train[fold=0|1|3|4]", "wait"],
        ["train[fold=2]", "reuse"],
    ]
    assert lines[0].endswith("depends on split")


STARTED = RunStarted(run="r1", recipe="kfold", stages=("split", *FOLDS))


def drawn(*events):
    out = io.StringIO()
    with LiveTable(out) as shown:
        for event in (STARTED, *events):
            shown.on_event(event)
    return out.getvalue()


def test_a_live_table_has_one_row_for_all_cells_with_the_one_at_work():
    out = drawn(
        StageStarted(stage=FOLDS[0], action="run", reason="not run before"),
        StageFinished(stage=FOLDS[0], action="run", seconds=1.5),
        StageStarted(stage=FOLDS[1], action="run", reason="not run before"),
        Progress(done=3, total=20, unit="epoch", values={"train_loss": 0.25}),
    )
    line = next(li for li in out.splitlines() if "train" in li)
    assert line.split()[:2] == ["train[fold=0..4]", "run"]
    assert "1/5  fold=1  epoch 3/20  train_loss 0.25" in line


def test_a_live_table_names_the_cell_that_failed():
    out = drawn(
        StageStarted(stage=FOLDS[3], action="run", reason="not run before"),
        StageFinished(stage=FOLDS[3], action="run", seconds=1.5, problem="no memory"),
    )
    assert "1/5  fold=3  no memory" in out


def test_lines_are_those_of_single_cells():
    out = io.StringIO()
    with Lines(out) as shown:
        shown.on_event(STARTED)
        shown.on_event(StageFinished(stage=FOLDS[1], action="run", seconds=1.5))
    assert "train[fold=1]: done in 1.5 s" in out.getvalue()


def test_a_shown_recipe_is_its_configuration_and_a_further_cell_is_what_differs(tmp_path):
    spec = AiModelBuilder.from_recipe("wine_kfold", project=tmp_path).spec()
    shown = annotated(spec)
    config = resolved_config(spec)
    for stage in config["stages"].values():
        if not stage["inputs"]:
            del stage["inputs"]
        else:
            stage["inputs"] = {p: r[0] if len(r) == 1 else r for p, r in stage["inputs"].items()}
    assert yaml.safe_load(shown)["stages"] == json.loads(json.dumps(config["stages"]))
    assert shown.count("use: adamw") == 2


def test_cells_are_forced_by_name_although_their_names_have_commas():
    found = parse(["--force", "a,t[k=0,m=1],b"], {"--force": "values"}, verb="run")
    assert found.values["--force"] == ("a", "t[k=0,m=1]", "b")


@pytest.mark.e2e
def test_a_skipped_stage_is_shown_with_its_reason(tmp_path):
    given = ("recipe=wine_kfold", "stages.export.when=false")
    assert "export:  # skip: `when` is false" in aidn("show", *given, cwd=tmp_path).stdout
    planned = last_object(aidn("plan", *given, "--json", cwd=tmp_path).stdout)
    assert planned["stages"]["export"]["action"] == "skip"
    assert planned["stages"]["export"]["reason"] == "`when` is false"
