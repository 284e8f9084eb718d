"""A listener that raises is a warning: it can neither end a run nor change it."""

import logging

import pytest
from support.toys import INDEX, whole

from aidn_pipeline.core.events import Event, Notice, RunFinished, RunStarted, StageStarted
from aidn_pipeline.engine.outcome import RunResult
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.store import Store


class Broken:
    """Raises at every event."""

    def __init__(self, error: BaseException) -> None:
        self.error, self.told = error, []

    def on_event(self, event: Event) -> None:
        self.told.append(type(event))
        raise self.error


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    @property
    def warnings(self) -> list[str]:
        return [e.text for e in self.events if isinstance(e, Notice) and e.level == "warning"]


def run(folder, *listeners) -> RunResult:
    with Store.open(folder / ".aidn", durability="process") as store:
        return run_pipeline(whole(), store, INDEX, folder, listeners=listeners)


def test_a_run_ends_the_same_with_a_listener_that_raises(tmp_path):
    quiet, broken = tmp_path / "quiet", tmp_path / "broken"
    quiet.mkdir(), broken.mkdir()
    undisturbed = run(quiet)
    disturbed = run(broken, Broken(ValueError("no")))
    assert (disturbed.status, disturbed.error) == ("done", None)
    assert {n: s.outputs for n, s in disturbed.stages.items()} == {
        n: s.outputs for n, s in undisturbed.stages.items()
    }


def test_the_others_are_warned_once_for_each_that_raises(tmp_path):
    heard = Heard()
    run(tmp_path, Broken(ValueError("the first")), heard, Broken(OSError("the second")))
    first, second = heard.warnings
    assert "Broken failed at RunStarted (ValueError: the first); the run goes on" in first
    assert "Broken failed at RunStarted (OSError: the second); the run goes on" in second


def test_one_that_raised_is_told_what_follows(tmp_path):
    broken = Broken(ValueError("no"))
    run(tmp_path, broken)
    assert broken.told[0] is RunStarted
    assert broken.told[-1] is RunFinished


def test_the_others_hear_an_event_before_the_warning_it_caused(tmp_path):
    heard = Heard()
    run(tmp_path, Broken(ValueError("no")), heard)
    assert [type(e) for e in heard.events[:3]] == [RunStarted, Notice, StageStarted]


def test_where_no_listener_works_the_log_says_it(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        run(tmp_path, Broken(BrokenPipeError("stdout is gone")))
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "BrokenPipeError: stdout is gone" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_a_listener_may_end_the_program(error, tmp_path):
    with pytest.raises(type(error)):
        run(tmp_path, Broken(error))
