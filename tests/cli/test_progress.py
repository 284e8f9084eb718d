"""What a run looks like while it runs."""

import io
from pathlib import Path

import pytest

from aidn_pipeline.cli.lines import Lines
from aidn_pipeline.cli.live import LiveTable
from aidn_pipeline.cli.progress import RunProgress, detail, time_left
from aidn_pipeline.cli.run import unfinished
from aidn_pipeline.cli.text import number, sparkline
from aidn_pipeline.core.events import (
    Notice,
    Progress,
    RunFinished,
    RunStarted,
    StageFinished,
    StageRetried,
    StageStarted,
    StageWaiting,
    TrialFinished,
)
from aidn_pipeline.engine.outcome import StageResult
from aidn_pipeline.facade.result import AiModelResult

STARTED = [
    RunStarted(run="r1", recipe="digits", stages=("tune", "train")),
    StageStarted(stage="tune", action="run", reason="not run before"),
]


def trial(number, value, *, best=False, reused=False, problem=""):
    params = {"optimizer.lr": 0.01, "model.hidden": 64}
    return TrialFinished(
        number=number,
        total=4,
        params=params,
        value=value,
        best=best,
        reused=reused,
        problem=problem,
    )


PROBLEM = "ValueError: a matrix\nof another shape\nraised in epoch 2, batch 3\nsamples: 7, 8"


def epoch(done, total=10):
    return Progress(done=done, total=total, unit="epoch", values={"val_loss": 0.5})


def folded(*events, clock=lambda: 0.0):
    progress = RunProgress(clock=clock)
    for event in [*STARTED, *events]:
        progress.take(event)
    return progress


def test_a_trial_counts_for_the_stage_that_runs_it():
    stage = folded(trial(0, 0.5, best=True), trial(1, 0.7)).stages["tune"]
    assert detail(stage, 1.0).startswith("trial 2/4  best 0.5")


def test_the_time_left_is_that_of_the_trials_run_here():
    stage = folded(trial(0, 0.5, reused=True), trial(1, 0.7)).stages["tune"]
    assert time_left(stage, 6.0) == pytest.approx(12.0)


def test_the_rate_is_that_of_the_epochs_seen_here():
    times = iter([0.0, 2.0, 4.0])
    progress = folded(epoch(5), epoch(7), clock=lambda: next(times))
    assert time_left(progress.stages["tune"], 4.0) == pytest.approx(3.0)


def test_a_new_trial_starts_its_rate_anew():
    times = iter([0.0, 2.0, 10.0])
    stage = folded(epoch(9), epoch(1), epoch(2), clock=lambda: next(times)).stages["tune"]
    assert time_left(stage, 12.0) == pytest.approx((10 - 2) / 0.5)


def test_a_stage_that_waits_says_for_whom():
    stage = folded(StageWaiting(stage="tune", holder="process 5")).stages["tune"]
    assert detail(stage, 0.0) == "waits for process 5"


def test_piped_progress_is_plain_lines():
    out = io.StringIO()
    with Lines(out) as lines:
        for event in [
            *STARTED,
            trial(0, 0.5, best=True),
            trial(1, None),
            epoch(1),
            Notice(text="be careful", level="warning"),
            StageWaiting(stage="tune", holder="process 5"),
            StageFinished(stage="tune", action="run", seconds=2.0),
            StageStarted(stage="train", action="reuse", reason="unchanged"),
            StageFinished(stage="train", action="reuse", seconds=0.0),
            StageFinished(stage="export", action="skip", seconds=0.0, problem="needs register"),
            StageFinished(stage="register", action="run", seconds=0.0, problem="gate"),
            RunFinished(run="r1", status="done", seconds=2.0),
        ]:
            lines.on_event(event)
    assert out.getvalue().splitlines() == [
        "run r1: digits",
        "tune: run, not run before",
        "  trial 1/4: 0.5  optimizer.lr=0.01  model.hidden=64  best so far",
        "  trial 2/4: failed  optimizer.lr=0.01  model.hidden=64",
        "be careful",
        "tune: waits for process 5",
        "tune: done in 2.0 s",
        "train: reused",
        "export: skipped, needs register",
        "register: stopped after 0.0 s, gate",
    ]


def test_a_failed_trial_says_why_and_where():
    out = io.StringIO()
    lines = Lines(out)
    lines.on_event(trial(2, None, problem=PROBLEM))
    assert out.getvalue().splitlines() == [
        "  trial 3/4: failed  optimizer.lr=0.01  model.hidden=64",
        "    ValueError: a matrix",
        "    raised in epoch 2, batch 3",
        "    samples: 7, 8",
    ]


def test_a_failed_trial_is_told_above_the_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    out = io.StringIO()
    with LiveTable(out) as view:
        view.on_event(trial(2, None, problem=PROBLEM))
    told = "trial 3 failed: ValueError: a matrix, raised in epoch 2, batch 3, samples: 7, 8"
    assert told in out.getvalue()


def test_long_training_says_now_and_then_where_it_is(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("aidn_pipeline.cli.lines.EVERY_S", 0.0)
    lines = Lines(out)
    for event in [*STARTED, epoch(3)]:
        lines.on_event(event)
    assert "tune: epoch 3/10  val_loss 0.5" in out.getvalue()


def test_a_terminal_shows_the_stages_as_a_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    out = io.StringIO()
    with LiveTable(out) as view:
        for event in [
            *STARTED,
            Notice(text="[be] careful", level="warning"),
            trial(0, 0.5, best=True),
            epoch(3),
            StageFinished(stage="tune", action="run", seconds=2.0),
            StageFinished(stage="train", action="run", seconds=1.0, problem="no data"),
        ]:
            view.on_event(event)
    text = out.getvalue()
    assert all(
        word in text for word in ("[be] careful", "tune", "2.0 s", "trial 1/4", "no data", "run r1")
    )


def test_a_curve_is_one_line():
    assert sparkline([0.0, 1.0, float("nan"), 0.5]) == "▁█ ▅"
    assert sparkline([float("inf")]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert len(sparkline([float(i) for i in range(1000)])) <= 40


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_figure_that_is_not_finite_is_told_as_it_is(value):
    assert number(value) == str(value)


@pytest.mark.parametrize("view", [Lines, LiveTable])
def test_a_warning_goes_to_stderr(view, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    out, err = io.StringIO(), io.StringIO()
    with view(out, err) as shown:
        for event in [*STARTED, Notice(text="be careful", level="warning"), Notice(text="well")]:
            shown.on_event(event)
    assert err.getvalue() == "be careful\n"
    assert "well" in out.getvalue()


SIDE_BY_SIDE = [
    RunStarted(run="r1", recipe="digits", stages=("one", "two", "tune")),
    StageStarted(stage="one", action="run", reason="not run before"),
]


def printed(*events):
    out, err = io.StringIO(), io.StringIO()
    with Lines(out, err) as lines:
        for event in events:
            lines.on_event(event)
    return out.getvalue().splitlines(), err.getvalue().splitlines()


def test_lines_of_stages_that_run_side_by_side_say_whose_they_are():
    out, err = printed(
        *SIDE_BY_SIDE,
        Notice(stage="one", text="alone"),
        StageStarted(stage="tune", action="run", reason="not run before"),
        Notice(stage="one", text="3 rows"),
        Notice(stage="tune", text="slow", level="warning"),
        TrialFinished(
            stage="tune", number=0, total=2, params={}, value=0.5, best=False, reused=False
        ),
        StageWaiting(stage="one", holder="process 5"),
        StageFinished(stage="one", action="run", seconds=1.0),
        Notice(stage="tune", text="alone again"),
    )
    assert "  alone" in out
    assert "  one: 3 rows" in out
    assert "  tune: trial 1/2: 0.5  " in out
    assert "one: waits for process 5" in out
    assert "  alone again" in out
    assert err == ["tune: slow"]


def test_progress_is_that_of_the_stage_it_names():
    progress = RunProgress(clock=lambda: 0.0)
    for event in [
        *SIDE_BY_SIDE,
        StageStarted(stage="two", action="run", reason="not run before"),
        Progress(stage="one", done=3, total=9, unit="epoch", values={}),
    ]:
        progress.take(event)
    assert progress.at_work == ["one", "two"]
    assert detail(progress.stages["one"], 1.0) == "epoch 3/9"
    assert detail(progress.stages["two"], 1.0) == ""


def test_another_try_is_told_with_what_failed():
    retried = StageRetried(stage="one", tries=1, most=3, problem="no network", wait_s=2.0)
    out, _ = printed(*SIDE_BY_SIDE, retried)
    assert out[-1] == "one: try 1 of 3 failed, again in 2.0 s: no network"


def test_the_live_table_shows_which_try_it_is():
    out = io.StringIO()
    table = LiveTable(out)
    retried = StageRetried(stage="one", tries=1, most=3, problem="no network", wait_s=2.0)
    for event in [*SIDE_BY_SIDE, retried]:
        table.on_event(event)
    table._console.print(table._draw())
    assert "one: try 1 of 3 failed: no network" in out.getvalue()
    assert "try 2/3" in out.getvalue()


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (("interrupted", "interrupted"), "interrupted in stages one, two; kept: nothing new"),
        (("done", "interrupted"), "interrupted in stage two; kept: one"),
    ],
)
def test_all_stages_that_were_interrupted_are_named(statuses, said):
    ended = {
        name: StageResult(action="run", reason="", status=status)
        for name, status in zip(("one", "two"), statuses, strict=True)
    }
    result = AiModelResult(
        run="r1",
        recipe="digits",
        status="interrupted",
        seconds=1.0,
        stages=ended,
        metrics={},
        model=None,
        project=Path(),
    )
    assert unfinished(result) == f"run r1: {said}"
