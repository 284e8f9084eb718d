"""A trial that raises: told like a stage's failure, with the user's frames and its place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.breaking import written
from support.source import ROOT

from aidn_pipeline.store.store import Store

pytestmark = pytest.mark.e2e

SWEEP = (
    "recipe=digits",
    "model=broken_net",
    "~stages.register.gate",
    "~stages.tune.space.model.hidden",
    "trainer.epochs=3",
    "stages.tune.num_trials=3",
)


def asked(*arguments: str, cwd: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *SWEEP, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIDN_TRUST": "1"},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def failed(project: Path) -> subprocess.CompletedProcess[str]:
    """Every trial fails, and the debugger is asked for one value."""
    return asked("model.batches=60", "--pdb", cwd=project, typed="p secret\nq\n")


def test_the_users_frames_are_shown_with_trial_epoch_and_samples(failed):
    assert failed.returncode == 3
    assert "in checked\n    raise ValueError" in failed.stderr
    assert "raised in epoch 2, batch 22, step 61\nsamples of the training split" in failed.stderr
    assert "in trial 3: optimizer.lr=" in failed.stderr
    assert "torch/nn/modules" not in failed.stderr


def test_equal_errors_are_counted_and_the_stage_is_named(failed):
    assert "none of 3 trials was completed: 3x ValueError: the network broke\n" in failed.stderr
    assert "  at: trial 3\n" in failed.stderr
    assert "failed in stage tune; kept: snapshot, split" in failed.stderr


def test_pdb_opens_at_the_users_last_frame_of_the_trial(failed):
    assert "(Pdb) 42" in failed.stdout


def test_the_line_of_a_failed_trial_says_why_and_where(failed):
    assert "trial 1/3: failed" in failed.stdout
    assert "\n    ValueError: the network broke\n    raised in epoch 2, batch 22" in failed.stdout


def test_a_failed_trial_in_a_sweep_that_goes_on_is_told_and_recorded(project):
    done = asked(
        "~stages.tune.space.optimizer.lr",
        "stages.tune.space.model.batches={choices: [60, 1000]}",
        cwd=project,
    )
    with Store.open(project / ".aidn") as store:
        kinds = [r["component"] for r in store.records.iterate("stage")]

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ValueError: the network broke") == 1
    assert kinds.count("stage/sweep") == 1


def test_too_many_failures_name_a_trial_and_open_the_debugger(project):
    done = asked(
        "model.batches=61",
        "stages.tune.max_failures=0",
        "--pdb",
        cwd=project,
        typed="p secret\nq\n",
    )

    assert done.returncode == 3
    assert "3 of 3 trials failed: 3x ValueError: the network broke" in done.stderr
    assert "max_failures" in done.stderr
    assert "(Pdb) 42" in done.stdout
