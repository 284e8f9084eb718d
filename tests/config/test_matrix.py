"""`matrix` and `when` of a recipe: the stages they come to, and what is told of a mistake."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.errors import AidnError, ConfigProblems

HEAD = """\
# @package _global_
defaults:
  - /pipeline: kfold
  - /source: digits
  - /model: mlp
  - /optimizer: adamw
  - _self_
name: toy
seed: 7
"""
FOLDS = [f"[fold={k}]" for k in range(5)]
Compose = Callable[..., PipelineSpec]


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """Composes the shipped pipeline of folds with some YAML over it and overrides."""

    def composed(body: str = "", *overrides: str) -> PipelineSpec:
        (tmp_path / "recipes").mkdir(exist_ok=True)
        (tmp_path / "recipes" / "toy.yaml").write_text(HEAD + body)
        return load_recipe("toy", overrides, find_project(tmp_path), builtin_index(), {})

    return composed


def problems(compose: Compose, body: str, *overrides: str) -> list[AidnError]:
    with pytest.raises(AidnError) as raised:
        compose(body, *overrides)
    error = raised.value
    return list(error.problems) if isinstance(error, ConfigProblems) else [error]


def wired(spec: PipelineSpec, stage: str) -> dict[str, list[str]]:
    return {port: [str(r) for r in refs] for port, refs in spec.stages[stage].inputs.items()}


def cells(spec: PipelineSpec, base: str) -> list[str]:
    return [name for name in spec.stages if name.partition("[")[0] == base]


# What it expands to.


def test_a_matrix_is_one_stage_for_each_value_written_into_its_field(compose: Compose) -> None:
    spec = compose()
    assert cells(spec, "split") == [f"split{f}" for f in FOLDS]
    assert [spec.stages[f"split{f}"].stage["fold"] for f in FOLDS] == [0, 1, 2, 3, 4]


def test_what_refers_to_a_matrix_is_repeated_and_paired_by_the_value(compose: Compose) -> None:
    spec = compose()
    assert wired(spec, "evaluate[fold=3]") == {
        "dataset": ["split[fold=3].dataset"],
        "checkpoint": ["train[fold=3].best"],
    }


def test_a_star_gathers_in_the_order_of_the_matrix_with_the_values_of_each(
    compose: Compose,
) -> None:
    refs = compose().stages["aggregate"].inputs["metrics"]
    assert [ref.stage for ref in refs] == [f"evaluate{f}" for f in FOLDS]
    assert [ref.cell for ref in refs] == [(("fold", k),) for k in range(5)]


def test_a_gathering_stage_and_what_follows_it_are_not_repeated(compose: Compose) -> None:
    spec = compose()
    for name in ("aggregate", "final", "register", "export"):
        assert cells(spec, name) == [name]


def test_one_cell_is_picked_by_its_value(compose: Compose) -> None:
    body = 'stages: {register: {inputs: {checkpoint: "train[fold=2].best"}}}\n'
    assert wired(compose(body), "register")["checkpoint"] == ["train[fold=2].best"]


def test_one_cell_is_picked_by_the_full_name_of_its_axis(compose: Compose) -> None:
    body = 'stages: {register: {inputs: {checkpoint: "train[split.fold=2].best"}}}\n'
    assert wired(compose(body), "register")["checkpoint"] == ["train[fold=2].best"]


def test_a_number_is_picked_however_it_is_written(compose: Compose) -> None:
    body = """\
stages:
  final: {matrix: {trainer.optimizer.lr: [1.0e-3, 0.01]}}
  register: {inputs: {checkpoint: "final[trainer.optimizer.lr=1.0e-2].best"}}
"""
    found = wired(compose(body), "register")["checkpoint"]
    assert found == ["final[trainer.optimizer.lr=0.01].best"]


def test_two_axes_give_every_combination_and_the_last_changes_fastest(compose: Compose) -> None:
    body = "stages: {split: {matrix: {seed: [0, 1], fold: [0, 1]}}}\n"
    # `fold` stands first: the pipeline has it already.
    assert cells(compose(body), "train") == [
        f"train[fold={fold},seed={seed}]" for fold in (0, 1) for seed in (0, 1)
    ]


def test_an_axis_of_its_own_is_added_to_those_that_are_followed(compose: Compose) -> None:
    body = "stages: {train: {matrix: {trainer.seed: [1, 2]}}}\n"
    spec = compose(body, "stages.split.folds=2")
    assert cells(spec, "evaluate") == [
        f"evaluate[fold={fold},trainer.seed={seed}]" for fold in (0, 1) for seed in (1, 2)
    ]
    assert spec.stages["train[fold=1,trainer.seed=2]"].stage["trainer"]["seed"] == 2
    assert wired(spec, "evaluate[fold=1,trainer.seed=2]")["dataset"] == ["split[fold=1].dataset"]


def test_a_sweep_in_each_fold_gives_its_params_to_the_training_of_that_fold(
    compose: Compose,
) -> None:
    body = """\
stages:
  tune:
    use: sweep
    inputs: {dataset: split.dataset}
    trial: ${trainer}
    objective: ${trainer.monitor}
    num_trials: 2
    sampler: {use: random}
    scheduler: {use: none}
    space: {optimizer.lr: {low: 1.0e-4, high: 1.0e-1, log: true}}
  train: {inputs: {params: "tune.params?"}}
"""
    spec = compose(body)
    assert wired(spec, "train[fold=2]")["params"] == ["tune[fold=2].params?"]
    assert spec.stages["tune[fold=0]"].stage == spec.stages["tune[fold=4]"].stage


def test_one_axis_is_gathered_for_each_value_of_the_other(compose: Compose) -> None:
    body = """\
stages:
  train: {matrix: {trainer.seed: [1, 2]}}
  aggregate: {inputs: {metrics: "evaluate[fold=*].metrics"}}
  register: {inputs: {metrics: "aggregate[trainer.seed=1].metrics",
                      report: "aggregate[trainer.seed=1].report"}}
"""
    spec = compose(body, "stages.split.folds=2")
    assert cells(spec, "aggregate") == ["aggregate[trainer.seed=1]", "aggregate[trainer.seed=2]"]
    refs = spec.stages["aggregate[trainer.seed=2]"].inputs["metrics"]
    assert [ref.stage for ref in refs] == [f"evaluate[fold={k},trainer.seed=2]" for k in (0, 1)]
    assert [ref.cell for ref in refs] == [(("fold", 0),), (("fold", 1),)]


def test_zip_moves_axes_together(compose: Compose) -> None:
    body = """\
stages:
  final:
    matrix: {zip: true, trainer.epochs: [5, 10], trainer.optimizer.lr: [0.1, 0.01]}
  register: {inputs: {checkpoint: "final[trainer.epochs=5].best"}}
"""
    spec = compose(body)
    first, second = cells(spec, "final")
    assert first == "final[trainer.epochs=5,trainer.optimizer.lr=0.1]"
    assert spec.stages[second].stage["trainer"]["epochs"] == 10
    assert spec.stages[second].stage["trainer"]["optimizer"]["lr"] == 0.01


def test_a_mapping_with_a_label_is_merged_into_the_field(compose: Compose) -> None:
    body = """\
stages:
  final:
    matrix:
      trainer.model:
        - {label: small, value: {hidden: 16}}
        - {label: big, value: {use: mlp, hidden: 256}}
  register: {inputs: {checkpoint: "final[trainer.model=small].best"}}
"""
    spec = compose(body)
    assert cells(spec, "final") == ["final[trainer.model=small]", "final[trainer.model=big]"]
    small = spec.stages["final[trainer.model=small]"].stage["trainer"]["model"]
    assert (small["use"], small["hidden"]) == ("mlp", 16)


def test_an_axis_may_be_the_artifact_of_a_port(compose: Compose) -> None:
    body = """\
stages:
  half: {use: split, inputs: {dataset: snapshot.dataset}, train: 0.5, validation: 0, test: 0.5}
  final: {matrix: {inputs.dataset: [all_rows.dataset, half.dataset]}}
  register: {inputs: {checkpoint: "final[inputs.dataset=half.dataset].best"}}
"""
    spec = compose(body)
    assert wired(spec, "final[inputs.dataset=all_rows.dataset]")["dataset"] == ["all_rows.dataset"]
    assert wired(spec, "final[inputs.dataset=half.dataset]")["dataset"] == ["half.dataset"]


def test_a_field_may_refer_to_the_value_of_its_cell(compose: Compose) -> None:
    body = """\
stages:
  register:
    inputs: {checkpoint: train.best, metrics: evaluate.metrics, report: evaluate.report}
    name: toy-${matrix.fold}
"""
    spec = compose(body)
    assert [spec.stages[f"register{f}"].stage["name"] for f in FOLDS] == [
        f"toy-{k}" for k in range(5)
    ]


def test_a_whole_value_that_refers_to_a_cell_keeps_its_type(compose: Compose) -> None:
    body = """\
trainer: {batch_size: "${matrix.rows}"}
stages:
  train: null
  evaluate: null
  aggregate: null
  split: null
  final: {matrix: {rows: [16, 64]}}
  register: {inputs: {checkpoint: "final[rows=16].best", metrics: m.metrics, report: null}}
  m: {use: evaluate, inputs: {dataset: all_rows.dataset, checkpoint: "final[rows=16].best"},
      split: train}
  all_rows: {folds: 5, validation: 0}
"""
    spec = compose(body)
    assert spec.stages["final[rows=64]"].stage["trainer"]["batch_size"] == 64


def test_axes_of_one_name_are_told_apart_by_their_stage(compose: Compose) -> None:
    body = """\
stages:
  split: {matrix: {fold: null, seed: [0, 1]}}
  all_rows: {matrix: {seed: [0, 1]}}
  aggregate: {inputs: {metrics: "evaluate[*].metrics"}}
  register: {inputs: {checkpoint: "final[seed=0].best"}}
"""
    spec = compose(body)
    assert cells(spec, "train") == ["train[split.seed=0]", "train[split.seed=1]"]
    assert cells(spec, "final") == ["final[all_rows.seed=0]", "final[all_rows.seed=1]"]


def test_a_plan_says_how_many_cells_there_are(compose: Compose) -> None:
    (note,) = (n for n in compose().notes if n.startswith("matrix"))
    assert note == "matrix: split, train, evaluate: 5 cells each by fold; 21 stages in all"


# What the command line changes.


def test_one_override_addresses_all_cells(compose: Compose) -> None:
    spec = compose("", "trainer.epochs=3", "stages.evaluate.split=train")
    for fold in FOLDS:
        assert spec.stages[f"train{fold}"].stage["trainer"]["epochs"] == 3
        assert spec.stages[f"evaluate{fold}"].stage["split"] == "train"


def test_the_number_of_folds_is_one_override(compose: Compose) -> None:
    assert len(cells(compose("", "stages.split.folds=3"), "train")) == 3


@pytest.mark.parametrize(
    "override",
    ["stages.final.matrix.trainer.seed=[3, 4]", "++stages.final.matrix={trainer.seed: [3, 4]}"],
)
def test_an_axis_with_dots_is_set_on_the_command_line(compose: Compose, override: str) -> None:
    body = 'stages: {register: {inputs: {checkpoint: "final[trainer.seed=3].best"}}}\n'
    assert len(cells(compose(body, override), "final")) == 2


def test_an_axis_with_dots_is_removed_on_the_command_line(compose: Compose) -> None:
    body = "stages: {train: {matrix: {trainer.seed: [3, 4]}}}\n"
    spec = compose(body, "~stages.train.matrix.trainer.seed")
    assert cells(spec, "train") == [f"train{f}" for f in FOLDS]


def test_a_value_of_the_command_line_is_the_only_one_of_its_axis(compose: Compose) -> None:
    spec = compose("", "stages.split.fold=3")
    assert cells(spec, "train") == ["train[fold=3]"]
    assert "fold of split has one value: pinned by stages.split.fold=3" in spec.notes


def test_forcing_a_matrix_forces_its_cells(compose: Compose) -> None:
    assert compose("", "run.force=[train]").run["force"] == [f"train{f}" for f in FOLDS]
    assert compose("", "run.force=['train[fold=1]']").run["force"] == ["train[fold=1]"]


# Mistakes.

WRONG = [
    ("split: {matrix: [1]}", "`stages.split.matrix` is a mapping of axes"),
    ("split: {matrix: {fold: 3}}", "`stages.split.matrix.fold` is a list of values, not 3"),
    ("split: {matrix: {fold: []}}", "`stages.split.matrix.fold` is a list of values, not empty"),
    ("split: {matrix: {fold: [0, 0]}}", "`stages.split.matrix.fold` has 0 twice"),
    ("split: {matrix: {fold: [0, 9]}}", "there is no fold 9 of 5"),
    ("split: {matrix: {fold: {range: 0}}}", "`stages.split.matrix.fold.range` is 0"),
    ("split: {matrix: {fold: [0], fodl: [1]}}", "stage 'kfold' has no key `fodl`"),
    ("split: {matrix: {fold: [{a: 1}]}}", "a mapping cannot stand in the name of a cell"),
    ("split: {matrix: {fold: [a b]}}", "a b cannot stand in the name of a cell"),
    ("split: {matrix: {zip: true, seed: [1, 2]}}", "axes that go together are equally long"),
    ("split: {matrix: {zip: 3}}", "`stages.split.matrix.zip` takes true or false"),
    ("final: {matrix: {trainer.epochs: [x, 5]}}", "takes a whole number, not x"),
    ('aggregate: {inputs: {metrics: "evaluate[fodl=*].metrics"}}', "has no axis 'fodl'"),
    ('aggregate: {inputs: {metrics: "final[*].metrics"}}', "'final' has no axes to gather"),
    ('aggregate: {inputs: {metrics: "evaluate[fold].metrics"}}', "is no reference to a port"),
    ('register: {inputs: {checkpoint: "train[fold=7].best"}}', "has no value `7`"),
    ('register: {inputs: {checkpoint: "final[fold=1].best"}}', "'final' is no matrix"),
    ('final: {inputs: {dataset: "split[*].dataset"}}', "takes one reference, not 5"),
    ("register: {inputs: {checkpoint: train.best}}", "would act 5 times under the name 'toy'"),
    ("register: {name: 'toy-${matrix.fold}'}", "stage 'register' has no axis 'fold'"),
    ("evaluate: {threads: '${matrix.fodl}'}", "stage 'evaluate' has no axis 'fodl'"),
    ("'train[fold=1]': {use: train}", "a stage cannot be called 'train[fold=1]'"),
    ("train: {on_failure: retry}", "takes one of stop, continue, not retry"),
    ("train: {when: 3}", "`stages.train.when` is a condition, not 3"),
    ("train: {when: trainer.epohcs > 3}", "`trainer.epohcs` in a condition refers to nothing"),
    ("train: {when: trainer.epochs}", "the condition is 20, not true or false"),
    ("split: {matrix: {fold: {range: 200000}}}", "200,000 cells are more than 10,000"),
    ("split: {matrix: {fold: {range: 300}, seed: {range: 300}}}", "90,000 cells are more than"),
]


@pytest.mark.parametrize(("body", "problem"), WRONG, ids=[problem[:40] for _, problem in WRONG])
def test_a_mistake_is_told_with_its_line_and_a_remedy(
    compose: Compose, body: str, problem: str
) -> None:
    found = problems(compose, f"stages:\n  {body}\n")
    (told,) = (p for p in found if problem in p.problem)
    assert "toy.yaml:11" in told.where
    assert told.remedy


def test_what_is_wrong_with_a_stage_is_told_once_not_for_each_cell(compose: Compose) -> None:
    found = problems(compose, "stages: {train: {inputs: {datset: split.dataset}}}\n")
    assert len([p for p in found if "datset" in p.problem]) == 1


def test_an_output_that_a_cell_has_not_is_told_once(compose: Compose) -> None:
    (found,) = problems(compose, "stages: {evaluate: {inputs: {checkpoint: train.bets}}}\n")
    assert "has no output port 'bets'" in found.problem
    assert found.where.endswith("(stages.evaluate.inputs.checkpoint)")


def test_values_of_a_port_have_the_same_axes(compose: Compose) -> None:
    body = "stages: {final: {matrix: {inputs.dataset: [all_rows.dataset, split.dataset]}}}\n"
    assert any("have not the same axes" in p.problem for p in problems(compose, body))


def test_a_circle_through_a_matrix_is_told(compose: Compose) -> None:
    found = problems(compose, "stages: {split: {inputs: {dataset: split.dataset}}}\n")
    assert any("in a circle" in p.problem for p in found)


def test_a_name_of_a_recipe_has_no_cells(compose: Compose) -> None:
    found = problems(compose, "", "name=toy-${matrix.fold}")
    assert any("stands in a stage" in p.problem for p in found)


# Conditions.


def test_a_stage_whose_condition_is_false_is_skipped_with_the_reason(compose: Compose) -> None:
    spec = compose("stages: {export: {when: trainer.epochs > 30}}\n")
    assert (
        spec.stages["export"].skip == "`when: trainer.epochs > 30` is false: trainer.epochs is 20"
    )
    assert compose("stages: {export: {when: trainer.epochs > 3}}\n").stages["export"].skip == ""


@pytest.mark.parametrize("condition", ["false", "${oc.decode:false}", "run.smoke", "seed == 8"])
def test_a_condition_is_a_truth_value_or_a_text(compose: Compose, condition: str) -> None:
    assert compose(f"stages: {{export: {{when: '{condition}'}}}}\n").stages["export"].skip


def test_what_needs_a_skipped_stage_is_skipped(compose: Compose) -> None:
    spec = compose("stages: {register: {when: run.smoke}}\n")
    assert spec.stages["export"].skip == "needs register"


def test_an_optional_input_goes_without_a_skipped_stage(compose: Compose) -> None:
    body = """\
stages:
  audit: {use: evaluate, inputs: {dataset: all_rows.dataset, checkpoint: final.best}, split: train,
          when: seed > 100}
  register: {inputs: {report: "audit.report?"}}
"""
    spec = compose(body)
    assert spec.stages["register"].skip == ""
    assert set(spec.stages["register"].inputs) == {"checkpoint", "metrics"}


def test_a_condition_leaves_single_cells_out_and_the_gather_goes_without(compose: Compose) -> None:
    spec = compose("stages: {train: {when: matrix.fold != 3}}\n")
    assert spec.stages["train[fold=3]"].skip
    assert spec.stages["evaluate[fold=3]"].skip == "needs train[fold=3]"
    gathered = spec.stages["aggregate"].inputs["metrics"]
    assert [dict(ref.cell or ())["fold"] for ref in gathered] == [0, 1, 2, 4]


def test_a_gather_of_which_nothing_is_left_is_skipped(compose: Compose) -> None:
    spec = compose("stages: {train: {when: false}}\n")
    assert spec.stages["aggregate"].skip.startswith("needs evaluate[fold=0]")
    assert spec.stages["register"].skip == "needs aggregate"


# Laws.

FEW = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
AXES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(sizes=AXES)
def test_cells_are_the_product_of_the_axes_and_a_gather_names_each_once(
    compose: Compose, sizes: list[int]
) -> None:
    axes = dict(zip(("fold", "seed", "validation"), sizes, strict=False))
    values = {
        "fold": list(range(4)),
        "seed": [5, 3, 9, 1],
        "validation": [0.1, 0.2, 0.3, 0.4],
    }
    matrix = {name: values[name][:size] for name, size in axes.items()}
    spec = compose(f"stages: {{split: {{matrix: {matrix}}}}}\n")
    refs = spec.stages["aggregate"].inputs["metrics"]
    assert [dict(ref.cell or ()) for ref in refs] == [
        dict(zip(matrix, combination, strict=True)) for combination in product(*matrix.values())
    ]
    assert [ref.stage for ref in refs] == cells(spec, "evaluate")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(values=st.lists(st.sampled_from(range(5)), min_size=1, max_size=5, unique=True))
def test_a_cell_is_the_same_work_whatever_other_cells_there_are(
    compose: Compose, values: list[int]
) -> None:
    whole, some = compose(), compose(f"stages: {{split: {{matrix: {{fold: {values}}}}}}}\n")
    for name in cells(some, "split") + cells(some, "train"):
        assert some.stages[name].stage == whole.stages[name].stage
