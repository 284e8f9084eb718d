"""A smoke run: every stage at its smallest, and nothing of it is kept."""

from pathlib import Path

import pytest
from support.command import aidn

from aidn_pipeline.errors import DataError
from aidn_pipeline.facade.builder import AiModelBuilder


@pytest.fixture
def builder(tmp_path: Path) -> AiModelBuilder:
    return AiModelBuilder.from_recipe("digits", tmp_path)


def test_every_searched_or_counted_field_is_at_its_smallest(builder):
    stages = builder.configure("run.smoke=true", "trainer.epochs=50").spec().stages
    trainer = stages["train"].stage["trainer"]

    assert (trainer["epochs"], trainer["limit_batches"]) == (1, 2)
    assert stages["tune"].stage["num_trials"] == 1
    assert stages["tune"].stage["trial"] == trainer
    assert stages["register"].stage["gate"] == {}


def test_without_the_key_nothing_changes(builder):
    assert builder.configure("run.smoke=false").spec().stages == builder.spec().stages


def test_a_smoke_run_runs_every_stage_and_keeps_nothing(builder, tmp_path):
    result = builder.configure("run.smoke=true").build().check()

    assert {stage.status for stage in result.stages.values()} == {"done"}
    assert list(result.stages) == list(builder.spec().stages)
    assert (result.model, result.bundle, result.smoke) == (None, None, True)
    assert list(tmp_path.iterdir()) == []


def test_a_smoke_run_leaves_the_project_s_store_and_versions_alone(builder):
    quick = builder.configure("~stages.tune", "~stages.register.gate", "trainer.epochs=1")
    first = quick.build().check()
    quick.configure("run.smoke=true").build().check()
    again = quick.build().check()

    assert again.model == first.model
    assert {stage.action for stage in again.stages.values()} == {"reuse"}


def test_a_smoke_run_finds_what_is_broken(builder, tmp_path):
    rows = [f"{'two' if i == 7 else i},{'xy'[i % 2]}" for i in range(200)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,label", *rows]))
    broken = builder.configure(
        "~stages.tune",
        "source=table",
        "source.path=rows.csv",
        "source.label=label",
        "run.smoke=true",
    )

    with pytest.raises(DataError, match="'a' holds string"):
        broken.build().check()


@pytest.mark.e2e
def test_a_smoke_run_says_what_to_type_next(tmp_path):
    done = aidn("recipe=digits_train", "run.smoke=true", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "nothing was registered or kept" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["next", "aidn-run", "recipe=digits_train"]


def test_a_limit_of_batches_trains_on_fewer_rows(tmp_path):
    rows = [f"{i % 7},{i % 3},{i % 2}" for i in range(400)]
    (tmp_path / "all.csv").write_text("\n".join(["a,b,label", *rows]))
    quick = AiModelBuilder.from_recipe("digits_train", tmp_path).configure(
        *("source=table", "source.path=all.csv", "source.label=label"),
        *("~stages.register", "~stages.export", "trainer.epochs=1", "trainer.batch_size=8"),
    )
    limited = quick.configure("trainer.limit_batches=1").build().check()
    whole = quick.build().check()

    assert limited.metrics["train_loss"] != whole.metrics["train_loss"]
