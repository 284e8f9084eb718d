"""What a recipe says of a secret: its name where a component takes one, and nothing else."""

import pytest
from jsonschema import Draft202012Validator
from support.projects import Load
from support.shapes import Vault, toy_index

from aidn_pipeline.config.annotations import Unrepresentable, field_type
from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.config.schema import recipe_schema
from aidn_pipeline.core import masking
from aidn_pipeline.core.index import Index
from aidn_pipeline.core.secret import Secret
from aidn_pipeline.errors import AidnError, ConfigError, ForbiddenKey, WrongType

VALUE = "hunter2hunter2"


@pytest.fixture(autouse=True)
def nothing_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test masks is no mask for another."""
    monkeypatch.setattr(masking, "KNOWN", masking.Known())


@pytest.fixture
def index() -> Index:
    """The toy components, and one that takes secrets."""
    return toy_index().merged([spec_of(Vault)])


def source_of(load: Load, *overrides: str, **environ: str) -> dict[str, object]:
    spec = load("source=vault", *overrides, **environ)
    return dict(spec.stages["snapshot"].stage["source"])


def refused(load: Load, *overrides: str, **environ: str) -> AidnError:
    with pytest.raises(AidnError) as told:
        load("source=vault", *overrides, **environ)
    return told.value


@pytest.mark.parametrize(
    "written",
    ["${secret:TOKEN}", "Bearer ${secret:TOKEN}", "https://${secret:USER}:${secret:TOKEN}@x/"],
)
def test_a_secret_stays_a_reference(load: Load, written: str) -> None:
    assert source_of(load, f"source.token='{written}'")["token"] == written


def test_a_reference_to_a_reference_is_the_secret(load: Load) -> None:
    found = source_of(load, "source.token=${secret:A}", "source.headers={x: '${source.token}'}")
    assert found["headers"] == {"x": "${secret:A}"}


def test_a_required_secret_that_is_not_given_is_told(load: Load) -> None:
    error = refused(load)
    assert "`source.token` must be given" in error.problem
    assert "${secret:NAME}" in error.problem


@pytest.mark.parametrize(
    ("override", "where"),
    [
        (f"source.token={VALUE}", "override source.token=..."),
        (f"source.token='{VALUE}'", "override source.token=..."),
        (f"source={{use: vault, token: {VALUE}}}", "override source=..."),
        ("source.token=12345678901", "override source.token=..."),
        (f"source.headers={{auth: {VALUE}}}", "override source.headers=..."),
        (f"source.token=[{VALUE}]", "override source.token=..."),
    ],
)
def test_a_value_on_the_command_line_is_refused_and_not_shown(
    load: Load, override: str, where: str
) -> None:
    first = [] if "source.token" in override or "{use" in override else ["source.token=${secret:A}"]
    error = refused(load, override, *first)
    assert isinstance(error, WrongType)
    assert VALUE not in str(error)
    assert "12345678901" not in str(error)
    assert where in error.where
    assert "export AIDN_SECRET_" in error.remedy
    assert "${secret:" in error.remedy


def test_a_value_in_a_recipe_is_refused_with_its_line_and_not_shown(
    load: Load, write: object
) -> None:
    text = f"defaults: [/toy, override /source: vault, _self_]\nsource:\n  token: {VALUE}\n"
    write("recipes/leaky.yaml", text)  # type: ignore[operator]
    with pytest.raises(WrongType) as told:
        load(recipe="leaky")
    assert "leaky.yaml:3" in told.value.where
    assert VALUE not in str(told.value)


def test_a_value_is_not_shown_by_other_problems_of_the_same_override(load: Load) -> None:
    error = refused(load, f"source={{use: vault, token: {VALUE}, tokken: 3}}")
    assert "tokken" in str(error)
    assert VALUE not in str(error)


def test_a_value_that_the_environment_hands_in_is_refused_and_not_shown(load: Load) -> None:
    error = refused(load, "source.token=${oc.env:HF}", HF=VALUE)
    assert isinstance(error, WrongType)
    assert VALUE not in str(error)


def test_the_environment_of_secrets_is_not_read_as_a_plain_value(load: Load) -> None:
    error = refused(load, "source.url=${oc.env:AIDN_SECRET_HF}", AIDN_SECRET_HF=VALUE)
    assert isinstance(error, (ForbiddenKey, ConfigError))
    assert "`${secret:HF}`" in str(error)
    assert VALUE not in str(error)


@pytest.mark.parametrize(
    "override",
    [
        "source.url=https://x/${secret:A}",
        "source.extra=${secret:A}",
        "source.extra={deep: [1, '${secret:A}']}",
        "name=${secret:A}",
    ],
)
def test_a_field_that_is_recorded_takes_no_secret(load: Load, override: str) -> None:
    error = refused(load, "source.token=${secret:A}", override)
    assert isinstance(error, ForbiddenKey)
    assert "`Secret`" in error.remedy


@pytest.mark.parametrize("name", ["", "1A", "A B", "A-B", "../x", "A" * 129, "${oc.env:HOME}"])
def test_what_is_no_name_is_refused(load: Load, name: str) -> None:
    error = refused(load, f"source.token='${{secret:{name}}}'", HOME="/x/y")
    assert "no name of a secret" in str(error)


def test_keys_that_only_sound_secret_are_ordinary(load: Load) -> None:
    found = source_of(load, "source.token=${secret:A}", "source.extra={use_cls_token: true}")
    assert found["extra"] == {"use_cls_token": True}


@pytest.mark.parametrize("annotation", [Secret | str, Secret | int | None])
def test_a_field_that_takes_a_secret_takes_nothing_else(annotation: object) -> None:
    with pytest.raises(Unrepresentable, match="Secret beside other types"):
        field_type(annotation, None)


def test_types_of_secrets() -> None:
    assert field_type(Secret, None) == "secret"
    assert field_type(Secret | None, None) == {"optional": "secret"}
    assert field_type(dict[str, Secret], None) == {"map": "secret"}
    assert field_type(tuple[Secret, ...], None) == {"list": "secret"}


def test_editors_mark_a_value_that_is_no_reference(index: Index) -> None:
    editor = Draft202012Validator(recipe_schema(index, {}))
    assert editor.is_valid({"source": {"use": "vault", "token": "${secret:TOKEN}"}})
    assert not editor.is_valid({"source": {"use": "vault", "token": "open-sesame"}})
