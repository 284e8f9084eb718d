"""Digests, fingerprints, descriptions and wiring."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.toys import INDEX, stage

from aidn_pipeline.core.artifact import KINDS, Dataset, Params, artifact_from_json
from aidn_pipeline.core.component import Factory, component, mark_of, setting
from aidn_pipeline.core.describe import build, complete, describe, write_params
from aidn_pipeline.core.fingerprint import Fingerprint, canonical_json, derive_seed, digest_bytes
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, Index
from aidn_pipeline.core.pipeline import PortRef, StageSpec
from aidn_pipeline.core.wiring import order, problems
from aidn_pipeline.engine.fingerprint import base_of, identify
from aidn_pipeline.errors import UnknownComponent, UnknownKey, WiringError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_canonical_json_ignores_the_order_of_keys(value):
    shuffled = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(shuffled)


@given(VALUES)
def test_equal_values_under_different_tags_are_different_work(value):
    assert Fingerprint.of("a", value) != Fingerprint.of("b", value)


def test_numbers_that_are_not_finite_have_no_canonical_form():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": math.nan})


def test_a_digest_is_blake3_of_the_bytes():
    # The empty input's digest from the BLAKE3 paper's test vectors.
    assert (
        digest_bytes(b"") == "b3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    )


@given(st.integers(0, 2**40), st.text(max_size=5), st.integers(0, 1000))
def test_a_seed_depends_on_nothing_but_its_purpose(seed, purpose, number):
    assert derive_seed(seed, purpose, number) == derive_seed(seed, purpose, number)
    assert derive_seed(seed, purpose, number) != derive_seed(seed, purpose, number + 1)
    assert 0 <= derive_seed(seed, purpose) < 2**63


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_artifact_survives_its_json_form(kind):
    artifact = KINDS[kind]("b3:" + "1" * 64, 5, kind in ("dataset", "bundle"))
    assert artifact_from_json(artifact.to_json()) == artifact


def test_equal_bytes_of_different_kinds_are_different_artifacts():
    assert Dataset("b3:1", 1) != Params("b3:1", 1)


@component("toy", "inner")
@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    noise: int = setting(1, semantic=False)
    rounds: int = setting(3, extends=True)


@component("toy", "total")
@dataclass(frozen=True, kw_only=True)
class Total:
    rate: float = 0.5


FIELDS = (
    FieldSpec(name="rate", type="float", default=0.5),
    FieldSpec(name="noise", type="int", default=1, semantic=False),
    FieldSpec(name="rounds", type="int", default=3, extends=True),
    FieldSpec(name="schedule", type={"optional": {"component": "toy"}}),
    FieldSpec(name="later", type="int", default=0, since=2),
)
TOYS = Index(
    [
        ComponentSpec(group="toy", name="inner", module=__name__, attribute="Inner", fields=FIELDS),
        ComponentSpec(
            group="toy",
            name="total",
            module=__name__,
            attribute="Total",
            fields=FIELDS[:1],
            bounded=True,
        ),
        ComponentSpec(
            group="stage",
            name="outer",
            module="m",
            attribute="Outer",
            seeded=False,
            fields=(
                FieldSpec(name="toy", type={"component": "toy"}, required=True),
                FieldSpec(name="fixed", type={"optional": {"component": "toy"}}, fixed=True),
                FieldSpec(name="space", type={"map": "any"}, default={}, masks="toy"),
            ),
        ),
    ]
)


def outer(**fields):
    toy = {"use": "inner", **fields.pop("toy", {})}
    return complete(TOYS, "stage", {"use": "outer", "toy": toy, **fields})


def work(description):
    return identify(TOYS, description, description, {}, seed=0, project=Path())


def config_of(rate):
    return base_of(TOYS, outer(toy={"rate": rate}), seed=0, project=Path())


def test_defaults_are_filled_in_and_floats_are_floats():
    assert outer(toy={"rate": 1})["toy"]["rate"] == 1.0
    assert isinstance(outer(toy={"rate": 1})["toy"]["rate"], float)


def test_a_field_without_meaning_for_the_result_is_left_out():
    assert work(outer(toy={"noise": 9})).fingerprint == work(outer()).fingerprint


def test_an_extendable_field_changes_the_work_but_not_the_family():
    longer, shorter = work(outer(toy={"rounds": 9})), work(outer())
    assert longer.family == shorter.family
    assert longer.fingerprint != shorter.fingerprint
    assert longer.extends == {"toy.rounds": 9}


def test_a_schedule_over_the_total_makes_extending_impossible():
    a = work(outer(toy={"rounds": 9, "schedule": {"use": "total"}}))
    b = work(outer(toy={"rounds": 3, "schedule": {"use": "total"}}))
    assert (a.extends, a.family != b.family) == ({}, True)


def test_inside_a_fixed_field_nothing_extends():
    a, b = (work(outer(fixed={"use": "inner", "rounds": n})) for n in (3, 9))
    assert a.family != b.family
    assert a.extends == {"toy.rounds": 3}


def test_a_new_field_at_its_default_keeps_old_results():
    older = outer()
    del older["toy"]["later"]
    assert work(older).fingerprint == work(outer()).fingerprint
    assert work(outer(toy={"later": 1})).fingerprint != work(outer()).fingerprint


def test_the_base_value_of_a_searched_key_is_masked():
    a, b = (work(outer(toy={"rate": r}, space={"rate": [1, 2]})) for r in (0.1, 0.9))
    assert a.fingerprint == b.fingerprint
    assert config_of(0.1) != config_of(0.9)


def test_writing_params_leaves_the_original_alone_and_keeps_types():
    description = outer()
    changed = write_params(description, {"toy.rate": 2})
    assert (changed["toy"]["rate"], description["toy"]["rate"]) == (2.0, 0.5)
    assert isinstance(changed["toy"]["rate"], float)


def test_writing_an_unknown_path_is_an_error():
    with pytest.raises(UnknownKey, match=r"toy\.rote"):
        write_params(outer(), {"toy.rote": 2})


def test_a_component_goes_to_its_description_and_back():
    inner = Inner(rate=0.25)
    assert build(TOYS, "toy", describe(inner)) == inner
    assert mark_of(inner).name == "inner"


def test_an_object_that_is_no_component_cannot_be_described():
    with pytest.raises(UnknownComponent, match="no component"):
        describe(object())


def test_a_factory_hands_the_signature_over():
    factory = Factory(
        "model", "m", lambda shape, *, width: (shape, width), {"width": 2}, ("shape",)
    )
    assert factory(signature="S") == ("S", 2)
    assert describe(factory) == {"use": "m", "width": 2}


def test_an_unknown_component_names_the_nearest():
    with pytest.raises(UnknownComponent) as raised:
        INDEX.find("stage", "wirte")
    assert "`write`" in raised.value.remedy


@pytest.mark.parametrize("text", ["a", "a.", ".b", "a.b.c", ""])
def test_a_reference_is_a_stage_and_a_port(text):
    with pytest.raises(ValueError):
        PortRef.parse(text)


def test_stages_come_after_what_they_need():
    stages = {s.name: s for s in (stage("b", "upper", {"file": "a.file"}), stage("a", "write"))}
    assert order(stages) == ["a", "b"]


def test_a_circle_is_named():
    stages = {
        s.name: s
        for s in (stage("b", "boom", {"file": "a.file"}), stage("a", "boom", {"file": "b.file"}))
    }
    with pytest.raises(WiringError, match="b -> a -> b"):
        order(stages)


@pytest.mark.parametrize(
    ("inputs", "problem", "remedy"),
    [
        ({"file": "count.metrics"}, "wants a file", "count.file"),
        ({"file": "strat.file"}, "no stage 'strat'", "start.file"),
        ({"file": "start.fiel"}, "no output port 'fiel'", "start.file"),
        ({"fiel": "start.file"}, "no input port 'fiel'", "file"),
        ({}, "needs a file", "inputs"),
    ],
)
def test_wrong_wiring_is_named_with_its_remedy(inputs, problem, remedy):
    stages = {
        s.name: s
        for s in (
            stage("start", "write"),
            stage("count", "count", {"file": "start.file"}),
            stage("x", "upper", inputs),
        )
    }
    found = list(problems(stages, INDEX))
    assert any(problem in p.problem and remedy in p.remedy for p in found)
    assert all(p.where.startswith("stages.x") for p in found)


@given(st.lists(st.lists(st.integers(0, 11), max_size=3), min_size=1, max_size=12))
def test_of_the_stages_that_may_come_next_the_first_written_does(needed):
    stages = {
        f"s{at}": StageSpec(
            name=f"s{at}",
            stage={},
            inputs={"files": tuple(PortRef(f"s{n}", "file") for n in some if n < at)},
        )
        for at, some in reversed(list(enumerate(needed)))
    }
    waiting = {name: {r.stage for r in s.inputs["files"]} for name, s in stages.items()}
    for name in order(stages):
        free = [n for n, missing in waiting.items() if not missing]
        assert name == free[0]
        del waiting[name]
        for missing in waiting.values():
            missing.discard(name)


@pytest.mark.parametrize(
    ("text", "stage_name", "port"),
    [
        ("train[fold=0].best", "train[fold=0]", "best"),
        ("train[trainer.seed=1,fold=2].best", "train[trainer.seed=1,fold=2]", "best"),
        ("train[lr=0.1].best?", "train[lr=0.1]", "best"),
    ],
)
def test_a_reference_may_be_to_a_cell_whose_name_has_dots(text, stage_name, port):
    found = PortRef.parse(text)
    assert (found.stage, found.port, found.optional) == (stage_name, port, text.endswith("?"))
    assert str(found) == text


@pytest.mark.parametrize("text", ["train[fold=0]", "train[].best", "train[a].b.c", "a[b[c]].d"])
def test_a_cell_without_a_port_is_no_reference(text):
    with pytest.raises(ValueError):
        PortRef.parse(text)
