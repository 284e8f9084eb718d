"""Components of a script or a notebook: no package, no trust, the same promises."""

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from aidn_pipeline import AiModelBuilder, AiModelResult
from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.errors import ConfigError, UnknownComponent

NET = '''
import math
from dataclasses import dataclass
from functools import partial
import torch
from torch import Tensor, nn
from aidn_pipeline import Signature, component

SLOPE = 0.1
TABLE = {"a": [1, 2.5]}

def squash(x: Tensor) -> Tensor:
    """Hidden activations."""
    return nn.functional.leaky_relu(x, SLOPE)

class Body(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return squash(self.linear(x.flatten(1)))

@component("model", "my_net")
class MyNet(nn.Module):
    """A body and a head."""

    def __init__(self, signature: Signature | None = None, *, hidden: int = 8) -> None:
        super().__init__()
        width, outputs = (len(signature.features), signature.outputs) if signature else (1, 1)
        self.body = Body(width, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

@component("loss", "my_loss")
def my_loss(outputs: Tensor, targets: Tensor, *, gain: float = 1.0) -> Tensor:
    return gain * nn.functional.cross_entropy(outputs, targets)

@component("metric", "my_metric", mode="max")
def my_metric(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs.argmax(dim=1) == targets).double().mean())
'''
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that is running."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


@pytest.fixture
def script(main, tmp_path: Path) -> Run:
    """Runs a text as `python script.py` does; gives its names."""

    def run(text: str) -> dict[str, Any]:
        file = tmp_path / "script.py"
        file.write_text(text)
        linecache.checkcache(str(file))
        main.__dict__.update(__file__=str(file))
        exec(compile(text, str(file), "exec"), main.__dict__)
        return main.__dict__

    return run


@pytest.fixture
def cell(main) -> Run:
    """Runs a text as a notebook's cell."""
    main.__dict__["In"] = [""]

    def run(text: str) -> dict[str, Any]:
        name = f"/tmp/ipykernel_1/{len(main.In)}.py"
        main.In.append(text)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), main.__dict__)
        return main.__dict__

    return run


@pytest.fixture
def base(tmp_path: Path) -> AiModelBuilder:
    return AiModelBuilder.from_recipe("digits_train", tmp_path / "project").configure(
        "trainer.epochs=1", "~stages.register.gate"
    )


def code_of(builder: AiModelBuilder, name: str = "my_net", group: str = "model") -> dict[str, str]:
    spec = builder.index.get(group, name)
    assert spec is not None
    return dict(spec.code)


def test_a_class_of_a_script_trains_registers_and_predicts(script, base, tmp_path):
    names = script(NET)
    result = base.configure(model=names["MyNet"]).build().check()

    assert result.stages["train"].status == "done"
    assert len(result.predict([[0.0] * 64])) == 1
    assert result.config["stages"]["train"]["trainer"]["model"] == {"use": "my_net", "hidden": 8}

    folder = result.save(tmp_path / "saved")
    again = AiModelResult.load(folder, components=[names["MyNet"]])
    assert again.predict([[1.0] * 64]) == result.predict([[1.0] * 64])
    with pytest.raises(UnknownComponent, match="my_net") as told:
        AiModelResult.load(folder).predict([[1.0] * 64])
    assert "components=" in told.value.remedy


def test_a_class_of_a_notebook_trains_and_its_second_run_reuses(cell, base):
    cell(NET)
    names = cell("x = 1")
    builder = base.configure(model=names["MyNet"])
    builder.build().check()
    again = builder.build().check()

    assert {stage.action for stage in again.stages.values()} == {"reuse"}


def test_a_script_and_a_notebook_give_the_same_identity(script, cell, base):
    first = code_of(base.configure(model=script(NET)["MyNet"]))
    assert code_of(base.configure(model=cell(NET)["MyNet"])) == first
    assert set(first) == {
        *("__main__:MyNet", "__main__:Body", "__main__:squash", "__main__:SLOPE"),
    }


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("SLOPE = 0.1", "SLOPE = 0.2", True),
        ("leaky_relu(x, SLOPE)", "leaky_relu(-x, SLOPE)", True),
        ("self.head(self.body(x))", "self.head(self.body(x)) + 1", True),
        ('"""Hidden activations."""', '"""Something else."""', False),
        ("TABLE = {", "\n# a comment\nTABLE = {1: 2, ", False),
        ("gain * nn", "2 * gain * nn", False),
    ],
)
def test_what_a_model_uses_is_its_identity_and_nothing_else(script, base, old, new, changes):
    before = code_of(base.configure(model=script(NET)["MyNet"]))
    assert old in NET
    after = code_of(base.configure(model=script(NET.replace(old, new))["MyNet"]))
    assert (after != before) is changes


def test_a_local_variable_is_not_what_the_program_has_under_its_name(cell, base):
    names = cell(NET)
    builder = base.configure(model=names["MyNet"])
    before = code_of(builder)
    cell("import threading\nx = hidden = self = threading.Lock()\nwidth = 3")
    assert code_of(builder) == before


def with_slope(text: str) -> str:
    """The script with another value for a constant that the model uses."""
    return NET.replace("SLOPE = 0.1", text)


def test_a_set_is_the_same_in_whatever_order(script, base):
    one, other, more = (
        code_of(base.configure(model=script(with_slope(f"SLOPE = set({x})"))["MyNet"]))
        for x in ([0, 8], [8, 0], [8, 1])
    )
    assert one == other != more


def test_an_object_of_the_script_s_own_class_counts_with_the_class(script, base):
    text = "from enum import Enum\nclass Slope(Enum):\n    LOW = 0.1\nSLOPE = Slope.LOW"
    one, other = (
        code_of(base.configure(model=script(with_slope(t))["MyNet"]))
        for t in (text, text.replace("0.1", "0.2"))
    )
    assert set(one) == set(other)
    assert "__main__:Slope" in one
    assert one["__main__:Slope"] != other["__main__:Slope"]


@pytest.mark.parametrize("form", ["MyNet(hidden=3)", "partial(MyNet, hidden=3)"])
def test_arguments_are_given_by_an_instance_or_a_partial(script, base, form):
    names = script(f"{NET}\ngiven = {form}")
    spec = base.configure(model=names["given"]).spec()
    assert spec.stages["train"].stage["trainer"]["model"] == {"use": "my_net", "hidden": 3}


@pytest.mark.parametrize(
    "change",
    [
        "net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})",
        "net.head.weight.data.fill_(7.0)",
        "net.scale.fill_(2.0)",
        "net.head.bias = nn.Parameter(torch.ones(1))",
    ],
)
def test_an_instance_with_other_weights_than_it_was_made_with_is_refused(script, base, change):
    buffer = "self.register_buffer('scale', torch.ones(1), persistent=False)"
    text = NET.replace("self.body = ", f"{buffer}\n        self.body = ")
    net = script(f"{text}\nnet = MyNet(hidden=3)\n{change}")["net"]
    with pytest.raises(UnknownComponent, match="weights of this MyNet were changed") as told:
        base.configure(model=net)
    assert "pass the class, `MyNet`" in told.value.remedy


def test_an_instance_without_room_for_its_arguments_is_refused_by_name(script, base):
    text = (
        "from aidn_pipeline import component\n"
        '@component("sampler", "slotted")\nclass Slotted:\n    __slots__ = ("a",)\n'
        "    def __init__(self, *, a: int = 1) -> None:\n        self.a = a\n"
        "    def propose(self, space, history, rng):\n        return {}\n"
    )
    names = script(f"{text}\ngiven = Slotted(a=2)")
    assert names["given"].a == 2
    with pytest.raises(UnknownComponent, match="Slotted"):
        base.configure(sampler=names["given"])


def test_a_class_of_a_script_is_searched_like_any_other(script, tmp_path):
    builder = AiModelBuilder.from_recipe("digits", tmp_path / "sweep").configure(
        *("trainer.epochs=1", "stages.tune.num_trials=2", "~stages.register.gate"),
        "stages.tune.space.model.hidden.choices=[2,3]",
        model=script(NET)["MyNet"],
    )
    result = builder.build().check()
    assert result.config["stages"]["tune"]["trial"]["model"]["use"] == "my_net"


MORE = """
from dataclasses import dataclass
from pathlib import Path
from typing import Any
import pyarrow as pa
from aidn_pipeline import Dataset, Metrics, SourceTable, StageContext, component

@component("stage", "count_rows")
def count_rows(dataset: Dataset, ctx: StageContext, *, times: int = 1) -> Metrics:
    rows = ctx.load(dataset).table("train").num_rows
    return ctx.save(Metrics, {"counted": float(times * rows)})

@component("sampler", "corner")
@dataclass(frozen=True, kw_only=True)
class Corner:
    hidden: int = 4

    def propose(self, space: Any, history: Any, rng: Any) -> Any:
        return {"optimizer.lr": 0.01, "model.hidden": (32, 64, 128)[len(history.trials)]}

@component("source", "ramp")
@dataclass(frozen=True, kw_only=True)
class Ramp:
    rows: int = 60

    def read(self, project: Path) -> SourceTable:
        x = [float(i) for i in range(self.rows)]
        table = pa.table({"x": x, "high": [i >= self.rows / 2 for i in range(self.rows)]})
        return SourceTable(
            name="ramp", table=table, label="high", task="binary", features=("x",), shape=(1,)
        )
"""


def test_a_stage_of_a_script_takes_its_place_among_the_others(script, base):
    stage = {"use": script(MORE)["count_rows"], "inputs": {"dataset": "split.dataset"}, "times": 2}
    result = base.configure(**{"stages.count": stage}).build().check()
    assert result.metrics["counted"] == 2 * result.experiment_info.dataset.splits["train"]


def test_a_sampler_and_a_source_of_a_script_are_given_as_they_are(script, tmp_path):
    names = script(MORE)
    builder = AiModelBuilder.from_recipe("digits", tmp_path / "own").configure(
        *("trainer.epochs=1", "stages.tune.num_trials=2", "~stages.register.gate"),
        sampler=names["Corner"](hidden=5),
        source=names["Ramp"](rows=80),
    )
    result = builder.build().check()

    assert result.experiment_info.dataset.rows == 80
    assert result.config["stages"]["tune"]["sampler"] == {"use": "corner", "hidden": 5}


def test_an_instance_of_a_class_without_a_mark_is_refused(base):
    with pytest.raises(UnknownComponent, match="Linear is no component") as told:
        base.configure(model=torch.nn.Linear(2, 2))
    assert "@component" in told.value.remedy


def test_functions_are_given_as_values_of_any_key(script, base):
    names = script(NET)
    more = {"trainer.metrics": {"mine": names["my_metric"]}}
    builder = base.configure(loss=names["my_loss"], **more).configure("loss.gain=2.0")
    trainer = builder.spec().stages["train"].stage["trainer"]

    assert trainer["loss"] == {"use": "my_loss", "gain": 2.0}
    assert trainer["metrics"] == {"mine": {"use": "my_metric"}}
    assert builder.build().check().metrics["val_mine"] >= 0


def test_a_name_that_a_built_in_has_is_told_with_both_places(script, base):
    names = script(NET.replace('"my_net"', '"mlp"'))
    with pytest.raises(ConfigError, match="two components are named model/mlp") as told:
        base.configure(model=names["MyNet"]).spec()
    assert "aidn_pipeline.training.models.mlp" in told.value.problem
    assert "script.py" in told.value.where
    assert "my_mlp" in told.value.remedy


def test_a_class_that_was_defined_anew_is_configured_again(cell, base):
    old = base.configure(model=cell(NET)["MyNet"])
    new = cell(NET.replace("x.flatten(1)", "-x.flatten(1)"))["MyNet"]

    with pytest.raises(ConfigError, match="MyNet was defined anew") as told:
        old.plan()
    assert "configure" in told.value.remedy
    assert old.configure(model=new).plan().row("train").action in ("run", "wait")


def test_a_class_without_a_method_is_found_among_the_cells(cell, base):
    text = (
        "from dataclasses import dataclass\nfrom aidn_pipeline import component\n"
        '@component("early_stop", "never")\n@dataclass(frozen=True, kw_only=True)\n'
        "class Never:\n    patience: int = 3\n"
    )
    cell(text.replace("3", "4"))
    names = cell(text)
    builder = base.configure(early_stop=names["Never"](patience=5))
    first = code_of(builder, "never", "early_stop")

    assert builder.spec().stages["train"].stage["trainer"]["early_stop"]["patience"] == 5
    names = cell(text.replace("3", "4"))
    second = code_of(base.configure(early_stop=names["Never"]), "never", "early_stop")
    assert first != second


def test_a_source_that_is_gone_is_a_typed_error(main, base):
    exec(compile(NET, "<string>", "exec"), main.__dict__)
    with pytest.raises(ConfigError, match="source of MyNet cannot be found") as told:
        base.configure(model=main.MyNet).spec()
    assert "file or a notebook cell" in told.value.remedy


def test_a_class_inside_a_function_is_a_typed_error(script, base):
    inner = "\n".join(f"    {line}" for line in NET.splitlines())
    names = script(f"def make():\n{inner}\n    return MyNet\nfound = make()")
    with pytest.raises(ConfigError, match="inside a function") as told:
        base.configure(model=names["found"]).spec()
    assert "top of the script" in told.value.remedy


@pytest.mark.parametrize(
    "value",
    [
        "lambda x: x",
        "iter([1])",
        "torch.Generator()",
        "torch.zeros(2, 2).to_sparse()",
        "__import__('numpy').array([object()])",
        "__import__('threading').Lock()",
    ],
)
def test_a_value_that_cannot_be_told_by_its_text_is_refused(script, base, value):
    text = NET.replace("SLOPE = 0.1", f"SLOPE = {value}")
    builder = base.configure(model=script(text)["MyNet"])
    with pytest.raises(ConfigError) as told:
        builder.spec()
    assert "SLOPE" in told.value.problem or "<lambda>" in told.value.problem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("torch.tensor([1.00001])", "torch.tensor([1.00002])"),
        ("torch.zeros(2000)", "torch.cat([torch.zeros(1999), torch.ones(1)])"),
        ("torch.zeros(2)", "torch.zeros(2).bfloat16()"),
        ("np.array([1.0000000001])", "np.array([1.0000000002])"),
        ("np.float64(1.0000000001)", "np.float32(1.0000000001)"),
        ("torch.manual_seed(1) and nn.Linear(2, 2)", "torch.manual_seed(2) and nn.Linear(2, 2)"),
        ("nn.Dropout(0.1)", "nn.Dropout(0.2)"),
        ("Config(1)", "Config(2)"),
        ("Hidden()", "Hidden(2)"),
        ("{'f': nn.functional.relu}", "{'f': nn.functional.gelu}"),
        ("nn.functional.relu", "nn.functional.gelu"),
        ("Path('a')", "Path('b')"),
        ("range(3)", "range(4)"),
        ("re.compile('a' * 300)", "re.compile('a' * 299 + 'b')"),
        ("partial(max, 1)", "partial(max, 2)"),
        ("torch.float32", "torch.float64"),
        ("[torch.zeros(1)]", "[torch.ones(1)]"),
    ],
)
def test_a_value_counts_in_full(script, base, one, other):
    more = (
        "import re\nimport numpy as np\nfrom dataclasses import field\nfrom pathlib import Path\n"
        "class Config:\n    def __init__(self, n):\n        self.n = n\n"
        "    def __repr__(self):\n        return 'Config()'\n"
        "@dataclass\nclass Hidden:\n    n: int = field(default=1, repr=False)\n"
    )
    codes = [
        code_of(base.configure(model=script(with_slope(f"{more}SLOPE = {value}"))["MyNet"]))
        for value in (one, one, other)
    ]
    assert codes[0] == codes[1]
    assert codes[0] != codes[2]
    assert {place for place, _ in codes[0].items() ^ codes[2].items()} == {"__main__:SLOPE"}


def test_values_without_any_effect_on_a_result_are_taken(script, base):
    text = (
        "import logging, typing\nLOG = logging.getLogger('x')\nT = typing.TypeVar('T')\n"
        "Shape = tuple[int, ...] | None\nSLOPE = (LOG, T, Shape, typing.Any)"
    )
    assert "__main__:SLOPE" in code_of(base.configure(model=script(with_slope(text))["MyNet"]))


def test_what_the_program_sets_on_a_class_counts(script, base):
    text = with_slope("class SLOPE:\n    width = 4\n    weights = torch.ones(1)\n")
    names = script(text)
    builder = base.configure(model=names["MyNet"])
    codes = [code_of(builder)]
    names["SLOPE"].width = 64
    codes.append(code_of(builder))
    names["SLOPE"].weights.fill_(2.0)
    codes.append(code_of(builder))
    names["SLOPE"].more = 1
    codes.append(code_of(builder))
    assert len({tuple(code.items()) for code in codes}) == 4


@pytest.mark.parametrize("name", ["forward", "more"])
def test_a_function_that_the_program_puts_into_a_class_is_refused(script, base, name):
    names = script(f"{NET}\ndef other(self, x):\n    return 0 * x\n")
    builder = base.configure(model=names["MyNet"])
    assert builder.spec()
    setattr(names["MyNet"], name, names["other"])
    with pytest.raises(ConfigError, match=f"MyNet.{name} in memory is not") as told:
        builder.spec()
    assert "write it in the source of MyNet" in told.value.remedy


def test_a_module_beside_the_script_counts_by_its_files(script, base, tmp_path, monkeypatch):
    (tmp_path / "nets_here.py").write_text(
        NET.replace("def squash", "import layers_here\n\ndef squash")
    )
    (tmp_path / "layers_here.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = script("import nets_here\nfrom nets_here import MyNet")
    try:
        builder = base.configure(model=names["MyNet"])
        assert set(code_of(builder)) == {"nets_here.py", "layers_here.py"}
        assert builder.build().check().status == "done"
    finally:
        del sys.modules["nets_here"], sys.modules["layers_here"]


def test_a_component_s_own_signature_is_not_hidden(script):
    spec = spec_of(script(NET)["MyNet"])
    assert [f.name for f in spec.fields] == ["hidden"]
    assert spec.wants_signature == ("signature",)


def test_a_cache_that_a_component_fills_is_named_in_a_warning_and_in_the_plan(script, base, caplog):
    names = script(
        f"{NET}\nCACHE = {{}}\n"
        '@component("metric", "caching", mode="max")\ndef caching(outputs, targets):\n'
        '    CACHE["n"] = CACHE.get("n", 0) + 1\n    return 1.0\n'
    )
    builder = base.configure(**{"stages.evaluate.metrics": {"m": names["caching"]}})
    builder.build().check()

    assert "CACHE changed while the pipeline ran" in caplog.text
    assert "metric/caching" in caplog.text
    assert "CACHE" in builder.plan().row("evaluate").reason
