"""Overrides: swap, set, remove, pin; and what is refused."""

import pytest
from support.projects import Load

from aidn_pipeline.errors import (
    AidnError,
    ConfigError,
    ConfigProblems,
    ForbiddenKey,
    UnknownComponent,
    UnknownKey,
    UsageError,
    WrongType,
)


def test_every_component_is_an_option_of_its_group_without_a_file(load: Load) -> None:
    spec = load("model=curve", "~stages.tune")
    assert spec.stages["train"].stage["trainer"]["model"] == {"use": "curve", "degree": 2}


def test_a_preset_is_an_option_of_its_group(load: Load) -> None:
    model = load("model=wide").stages["train"].stage["trainer"]["model"]
    assert model == {"use": "line", "hidden": 64, "bias": True}


def test_a_group_that_is_referred_to_by_select_can_be_chosen(load: Load) -> None:
    trainer = load("lr_scheduler=wave").stages["train"].stage["trainer"]
    assert trainer["lr_scheduler"] == {"use": "wave", "warmup": 0}


def test_a_choice_can_be_mounted_at_a_path(load: Load) -> None:
    trainer = load("metric@trainer.metrics.acc=hits").stages["train"].stage["trainer"]
    assert trainer["metrics"] == {"acc": {"use": "hits", "top": 1}}


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_field_is_set_with_or_without_plus(load: Load, sign: str) -> None:
    spec = load(f"{sign}trainer.clip=1")
    assert spec.stages["train"].stage["trainer"]["clip"] == 1.0
    assert spec.origins["trainer.clip"] == f"override {sign}trainer.clip=1"


@pytest.mark.parametrize("override", ["~stages.export", "stages.export=null"])
def test_a_stage_is_removed(load: Load, override: str) -> None:
    assert "export" not in load(override).stages


def test_removing_the_sweep_leaves_its_groups_unblamed(load: Load) -> None:
    assert "tune" not in load("~stages.tune", "sampler=dice").stages


def test_a_key_with_dots_is_set_and_removed_like_any_other(load: Load) -> None:
    space = load("stages.tune.space.optimizer.lr.low=1e-5", "~stages.tune.space.model.hidden")
    assert space.stages["tune"].stage["space"] == {
        "optimizer.lr": {"type": "float", "low": 1e-5, "high": 0.1, "log": True, "step": None}
    }


def test_a_new_key_with_dots_is_added_to_a_space(load: Load) -> None:
    space = (
        load("stages.tune.space.optimizer.betas={choices: [[0.9, 0.99]]}")
        .stages["tune"]
        .stage["space"]
    )
    assert list(space) == ["model.hidden", "optimizer.betas", "optimizer.lr"]


def test_a_searched_key_on_the_command_line_is_pinned(load: Load) -> None:
    spec = load("optimizer.lr=0.5")
    assert list(spec.stages["tune"].stage["space"]) == ["model.hidden"]
    assert spec.notes == ("optimizer.lr is not searched by tune: pinned by optimizer.lr=0.5",)


def test_pinning_every_key_is_refused(load: Load) -> None:
    with pytest.raises(ConfigError, match="nothing is left to search"):
        load("optimizer.lr=0.5", "model.hidden=8")


def test_the_last_of_two_overrides_wins(load: Load) -> None:
    assert load("seed=1", "seed=2").seed == 2


def test_a_mapping_merges_and_a_list_replaces(load: Load) -> None:
    optimizer = load("optimizer={betas: [0.5, 0.6]}").stages["train"].stage["trainer"]["optimizer"]
    assert optimizer == {"use": "walk", "lr": 0.1, "betas": [0.5, 0.6]}


def test_a_text_field_gets_what_was_written(load: Load) -> None:
    assert (
        load("source.revision=12345e7").stages["snapshot"].stage["source"]["revision"] == "12345e7"
    )


@pytest.mark.parametrize("value", ["a=b", "a#b", "~/x", "é", "f(x)", "a: b", "a, b"])
def test_a_word_may_contain_anything(load: Load, value: str) -> None:
    source = load(f"source.revision={value}").stages["snapshot"].stage["source"]
    assert source["revision"] == value


REFUSED: list[tuple[str, type[AidnError], str]] = [
    ("stages.train.trainer.epochs=3", ConfigError, "write `trainer.epochs=3`"),
    ("stages.tune.trial.optimizer.lr=3", ConfigError, "write `optimizer.lr=3`"),
    ("~stages.tune.trial.optimizer.lr", ConfigError, "write `~optimizer.lr`"),
    ("stages.train.trainer={epochs: 3}", ConfigError, "`trainer.epochs`"),
    ("trainer.model=line", WrongType, "{use: line}"),
    ("scheduler=wave", UnknownKey, "write `lr_scheduler=wave`"),
    ("modle=line", UnknownKey, "`model`"),
    ("model=lin", UnknownComponent, "`line`"),
    ("model.use=curve", ConfigError, "write `model=curve`"),
    ("stages.tun.num_trials=3", UnknownKey, "`tune`"),
    ("~stages.exprt", UnknownKey, "`export`"),
    ("trainer.epohcs=1", UnknownKey, "`epochs`"),
    ("trainer.epochs=x", WrongType, "passes over the data"),
    ("trainer.epochs=1.0", WrongType, "write 1"),
    ("trainer.epochs=010", WrongType, "write 8"),
    ("trainer.epochs=null", WrongType, "default"),
    ("trainer.device=gpu", WrongType, "`cpu`"),
    ("trainer.clip=.nan", WrongType, ""),
    ("optimizer.betas.0=1", ConfigError, "`optimizer.betas=[...]`"),
    ("model={_target_: a.b.Net}", ForbiddenKey, '@component("model", "net")'),
    ("model._target_=a.b.Net", ForbiddenKey, "use: net"),
    ("hydra.run.dir=x", ForbiddenKey, "remove"),
    ("recipe=other", UsageError, "one"),
    ("epochs", UsageError, "epochs=VALUE"),
    ("optimiser@trainer.optimizer=walk", UnknownKey, "`optimizer`"),
    ("run.force=[trian]", UnknownKey, "`train`"),
    ("run.durability=low", WrongType, "full"),
    ("stages.tune.space.optimizer.lr.low=0", WrongType, ""),
    ("stages.tune.space.optimzer.lr={low: 1, high: 2}", UnknownKey, "optimizer"),
    ("stages.tune.space.model.hidden={choices: []}", WrongType, ""),
    ("trainer.clip=${now:%Y}", ForbiddenKey, "record"),
    ("trainer.clip=${modle.hidden}", UnknownKey, "${model.hidden}"),
    ("trainer.clip=${oc.env:CLIP}", ConfigError, "${oc.env:CLIP,DEFAULT}"),
    ("trainer.clip=${trainer.clip}", ConfigError, "one of these places"),
    ("trainer.clip=???", ConfigError, "trainer.clip=VALUE"),
    ("model={use: [", ConfigError, "close it with `]`"),
]


@pytest.mark.parametrize(("override", "error", "remedy"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_wrong_override_is_refused_with_its_place_and_remedy(
    load: Load, override: str, error: type[AidnError], remedy: str
) -> None:
    with pytest.raises(error) as caught:
        load(override)
    assert caught.value.exit_code == 2
    assert caught.value.where.startswith((f"override {override}", "recipes/toy.yaml:2"))
    assert remedy in caught.value.remedy


def test_several_wrong_overrides_are_told_at_once(load: Load) -> None:
    with pytest.raises(ConfigProblems) as caught:
        load("trainer.epohcs=1", "optimizer.lr=fast", "~stages.nothing")
    assert {p.where for p in caught.value.problems} == {
        "override ~stages.nothing",
        "override trainer.epohcs=1",
        "override optimizer.lr=fast",
    }
