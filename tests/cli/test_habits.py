"""Habits of Hydra's users: the same where it means something here, else the remedy."""

import pytest
from support.command import QUICK


@pytest.mark.parametrize("flag", ["-n", "--dry-run", "--dryrun"])
def test_a_dry_run_is_a_plan(here, say, flag):
    assert say(*QUICK, flag)[1] == say(*QUICK, "--plan")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("--cfg", "job"),
        ("--cfg=job",),
        ("-c", "job"),
        ("--cfg", "job", "--resolve"),
        ("--resolve", "--cfg", "job"),
    ],
)
def test_cfg_job_prints_what_a_recipe_comes_to(here, say, words):
    shown = say("show", *QUICK)
    assert say(*words, *QUICK) == shown
    assert say(*QUICK, *words) == shown


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("--cfg", "hydra", "recipe=digits"), "`--cfg job`"),
        (("recipe=digits", "--resolve"), "`--cfg job --resolve`"),
        (("-cn", "digits.yaml"), "write `recipe=digits`"),
        (("--config-name=digits",), "write `recipe=digits`"),
        (("-cd", "configs", "recipe=digits"), "own groups stand in `conf/`"),
        (("--config-dir=configs", "recipe=digits"), "own groups stand in `conf/`"),
        (("-cp", "configs", "recipe=digits"), "own groups stand in `conf/`"),
        (("--experimental-rerun", "run.pickle"), "aidn-run rerun RUN"),
        (("--info", "recipe=digits"), "aidn-run doctor"),
        (("-p", "model", "recipe=digits"), "aidn-run show recipe=NAME"),
        (("--hydra-help",), "aidn-run --help"),
        (("-m", "recipe=digits"), "`sweep` stage"),
        (
            ("recipe=digits", "--multirun", "model=mlp,cnn", "seed=1"),
            'for model in mlp cnn; do aidn-run recipe=digits seed=1 model="$model"; done',
        ),
        (("recipe=digits", "hydra.run.dir=out"), "the store"),
        (("recipe=digits", "hydra.sweep.subdir=x"), "AIDN_HOME"),
        (("recipe=digits", "hydra/launcher=joblib"), "run.executor=processes"),
        (("recipe=digits", "+hydra.launcher.n_jobs=4"), "run.resources"),
        (("recipe=digits", "hydra/sweeper=optuna"), "sampler=tpe"),
        (("recipe=digits", "hydra.mode=MULTIRUN"), "`matrix`"),
        (("recipe=digits", "hydra.job.chdir=true"), "ctx.workdir"),
        (("recipe=digits", "hydra.searchpath=[x]"), "conf/"),
        (("recipe=digits", "hydra.verbose=true"), "--traceback"),
        (("recipe=digits", "hydra.strange=1"), "remove it"),
    ],
)
def test_what_has_no_place_here_is_answered_with_what_has(empty, say, words, remedy):
    code, _, err = say(*words)
    assert code == 2
    assert remedy in " ".join(err.split())
    assert "Traceback" not in err


def test_words_after_two_dashes_are_left_alone(empty, say):
    code, _, err = say("recipe=digits", "--", "-m")
    assert code == 2
    assert "'-m' is no override" in err
