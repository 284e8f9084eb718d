"""From live classes and functions to index entries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from support.shapes import Train, accuracy, register

from aidn_pipeline.config.annotations import Unrepresentable, docs_of, field_type
from aidn_pipeline.config.introspect import spec_of, spec_of_external
from aidn_pipeline.core.artifact import Dataset, Metrics
from aidn_pipeline.core.component import component, setting
from aidn_pipeline.core.index import PortSpec
from aidn_pipeline.core.signature import Signature
from aidn_pipeline.errors import ConfigError


@component("toy", "inner")
@dataclass(frozen=True, kw_only=True)
class Inner:
    """Inner."""

    size: int = 1


@component("toy", "outer", version=3, packages=("x",))
@dataclass(frozen=True, kw_only=True)
class Outer:
    """Outer,
    on two lines.

    More.

    Attributes:
        inner: a component
            on two lines.
        steps: a number.

    Raises:
        steps: never.
    """

    inner: Inner = Inner(size=2)
    steps: int = setting(extends=True)
    wait: float = setting(1.0, semantic=False)


def test_a_dataclass_gives_its_fields_with_defaults_flags_and_docs() -> None:
    spec = spec_of(Outer)
    assert (spec.key, spec.version, spec.packages, spec.doc) == (
        "toy/outer",
        3,
        ("x",),
        "Outer, on two lines.",
    )
    inner, steps, wait = spec.fields
    assert (inner.type, inner.default) == ({"component": "toy"}, {"use": "inner", "size": 2})
    assert (inner.doc, steps.doc) == ("a component on two lines.", "a number.")
    assert (steps.required, steps.extends, wait.semantic) == (True, True, False)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, "int"),
        (Path, "str"),
        (Any, "any"),
        (str | None, {"optional": "str"}),
        (Literal["a", 1], {"literal": ["a", 1]}),
        (tuple[float, float], {"list": "float"}),
        (tuple[int, ...], {"list": "int"}),
        (tuple[int, str], {"list": {"union": ["int", "str"]}}),
        (Sequence[bool], {"list": "bool"}),
        (Mapping[str, Mapping[str, float]], {"map": {"map": "float"}}),
        (float | torch.Tensor, "float"),
        (int | str | None, {"optional": {"union": ["int", "str"]}}),
        (Inner, {"component": "toy"}),
    ],
)
def test_a_type_in_a_recipe(annotation: Any, expected: Any) -> None:
    assert field_type(annotation, None) == expected


def test_a_group_stands_for_the_innermost_type() -> None:
    assert field_type(Mapping[str, object] | None, "metric") == {
        "optional": {"map": {"component": "metric"}}
    }


@pytest.mark.parametrize("annotation", [torch.Tensor, Callable[[int], int], torch.Tensor | None])
def test_a_type_that_no_recipe_can_hold_is_refused(annotation: Any) -> None:
    with pytest.raises(Unrepresentable):
        field_type(annotation, None)


def test_a_stage_gives_its_ports() -> None:
    spec = spec_of(Train)
    assert spec.inputs == (
        PortSpec(name="dataset", kind="dataset"),
        PortSpec(name="params", kind="params", optional=True, into="trainer"),
    )
    assert [(p.name, p.kind) for p in spec.outputs] == [
        ("best", "checkpoint"),
        ("metrics", "metrics"),
    ]


def test_a_stage_written_as_a_function_gives_ports_and_fields() -> None:
    spec = spec_of(register)
    assert spec.form == "function"
    assert [p.name for p in spec.inputs] == ["checkpoint", "metrics"]
    assert [(p.name, p.kind) for p in spec.outputs] == [("model_version", "model_version")]
    assert [(f.name, f.required) for f in spec.fields] == [("name", True), ("gate", False)]
    assert spec.injected == ("ctx",)


def test_many_references_and_no_result() -> None:
    @component("stage", "watch")
    def watch(metrics: tuple[Metrics, ...], data: Dataset | None = None) -> None:
        """Watches."""

    spec = spec_of(watch)
    assert [(p.name, p.many, p.optional) for p in spec.inputs] == [
        ("metrics", True, False),
        ("data", False, True),
    ]
    assert (spec.outputs, spec.seeded) == ((), False)


def test_a_function_called_with_tensors_gives_its_keywords_as_fields() -> None:
    spec = spec_of(accuracy)
    assert (spec.injected, [f.name for f in spec.fields]) == (("outputs", "targets"), ["top"])


def test_a_model_gets_its_signature_handed_over() -> None:
    @component("model", "m")
    class Net(torch.nn.Module):
        def __init__(self, signature: Signature, width: int, *, depth: int = 2) -> None:
            """Makes it.

            Args:
                signature: of the data.
                width: units.
                depth: layers.
            """
            super().__init__()

    spec = spec_of(Net)
    assert spec.wants_signature == ("signature",)
    assert [(f.name, f.required, f.doc) for f in spec.fields] == [
        ("width", True, "units."),
        ("depth", False, "layers."),
    ]


def test_a_torch_class_gives_what_a_recipe_can_hold() -> None:
    spec = spec_of_external("optimizer/adamw", "torch.optim:AdamW")
    fields = {f.name: f for f in spec.fields}
    assert (fields["lr"].type, fields["lr"].default) == ("float", 0.001)
    assert (fields["betas"].type, fields["betas"].default) == ({"list": "float"}, [0.9, 0.999])
    assert spec.injected == ("params",)


@dataclass
class Loose:
    """Not frozen."""

    size: int = 1


def undecided(data: Dataset) -> int:
    """Says it gives a number."""
    return 1


def unwired(data: int) -> Dataset:
    """Takes a number as a port."""
    raise NotImplementedError


def conditional(data: Dataset, *, when: str = "") -> Dataset:
    """Has a field that every stage has as a key."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        (object, "@component"),
        (component("toy", "loose")(Loose), "frozen=True"),
        (component("stage", "undecided")(undecided), "-> Dataset"),
        (component("stage", "unwired")(unwired), "Dataset"),
        (component("stage", "conditional")(conditional), "call the field something else"),
        (component("stage", "plain")(type("Plain", (), {})), "frozen=True"),
    ],
)
def test_what_is_no_component_is_refused_with_a_remedy(target: Any, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        spec_of(target)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("key", "path"),
    [("model/x", "nowhere:X"), ("model/x", "torch:Nothing"), ("model", "torch:nn"), ("a/b", "c")],
)
def test_an_external_that_is_not_there_is_refused(key: str, path: str) -> None:
    with pytest.raises(ConfigError):
        spec_of_external(key, path)


def test_docs_of_a_class_include_those_of_its_constructor() -> None:
    assert docs_of(torch.optim.lr_scheduler.StepLR)["step_size"].startswith("Period")
