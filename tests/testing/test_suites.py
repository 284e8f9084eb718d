"""The suites as a user meets them: by pytest, without pytest, and told the wrong thing."""

import os
import random
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support.planted.fault import clauses_of
from support.source import ROOT
from support.toys import Write

from aidn_pipeline.errors import UnknownComponent, UsageError
from aidn_pipeline.sweep.samplers.tpe import TPESampler
from aidn_pipeline.testing.faults import CRASHED, FaultyDisk, in_child
from aidn_pipeline.testing.histories import SPACES, histories
from aidn_pipeline.testing.listener import ListenerSuite, _run
from aidn_pipeline.testing.stage import StageSuite, _spread
from aidn_pipeline.testing.subject import subject_of
from aidn_pipeline.testing.watch import contents, elsewhere, listed, watch_writes
from aidn_pipeline.training.losses import huber
from aidn_pipeline.training.models.mlp import MLP

MODULES = sorted(p.stem for p in (ROOT / "aidn_pipeline" / "testing").glob("[a-z]*.py"))


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_pytest_finds_the_clauses_of_a_derived_suite(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from aidn_pipeline.testing.stage import StageSuite\n"
        "class TestMine(StageSuite):\n"
        "    make = staticmethod(lambda: {'use': 'snapshot', 'source': {'use': 'digits'}})\n"
        "    kill_points = 1\n"
    )
    done = python("import pytest; pytest.main(['-q', '-p', 'no:cacheprovider'])", tmp_path)
    passed, skipped = re.search(r"(\d+) passed, (\d+) skipped", done.stdout).groups()
    assert int(passed) + int(skipped) == len(list(clauses_of(StageSuite)))


def test_no_suite_needs_pytest_to_be_imported(tmp_path):
    names = "; ".join(f"import aidn_pipeline.testing.{name}" for name in MODULES)
    blocked = f"import sys; sys.modules['pytest'] = None; {names}; print('fine')"
    assert python(blocked, tmp_path).stdout == "fine\n"


def test_nothing_of_the_package_loads_its_suites(tmp_path):
    code = (
        "import sys\n"
        "from aidn_pipeline.cli.main import main\n"
        "main(['recipe=digits', '--plan'])\n"
        "print([m for m in sys.modules if m.startswith(('aidn_pipeline.testing', 'pytest'))])"
    )
    assert python(code, tmp_path).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("suite", [StageSuite, ListenerSuite])
def test_a_suite_that_is_told_nothing_says_what_to_write(suite):
    with pytest.raises(UsageError) as caught:
        suite().make()
    assert "make = staticmethod" in caught.value.remedy


@pytest.mark.parametrize("made", [3, object(), {"no": "use"}, lambda: None])
def test_what_is_no_component_is_refused(made):
    with pytest.raises((UsageError, UnknownComponent)) as caught:
        subject_of("model", made)
    assert caught.value.remedy


def test_a_component_of_another_group_is_sent_to_its_suite():
    with pytest.raises(UsageError) as caught:
        subject_of("model", partial(huber, delta=2.0))
    assert caught.value.remedy == "use the suite in aidn_pipeline.testing.loss"


def test_every_form_of_a_component_has_a_description():
    forms = [
        (Write(text="a"), "text", "a"),
        ({"use": "split", "seed": 3}, "seed", 3),
    ]
    for made, field, value in forms:
        assert subject_of("stage", made).description[field] == value
    assert subject_of("model", partial(MLP, hidden=8)).description["hidden"] == 8
    assert subject_of("model", MLP).description["hidden"] == 64
    assert subject_of("sampler", TPESampler(num_startup=3)).description["num_startup"] == 3
    factory = subject_of("loss", huber).build()
    assert subject_of("loss", factory).description == {"use": "huber", "delta": 1.0}


def test_the_histories_hold_every_kind_of_trial():
    for space in SPACES.values():
        found = [t for history in histories(space) for t in history.trials]
        assert {t.state for t in found} == {"complete", "stopped", "failed", "running"}
        assert all(space.contains(t.params) for t in found)


def test_the_run_that_a_listener_hears_can_fail(tmp_path):
    assert _run(tmp_path / "one", 0.7)[0] == "done"
    assert _run(tmp_path / "two", 1.0)[0] == "failed"


def test_a_child_that_hangs_is_ended():
    assert in_child(signal.pause, limit_s=1) == signal.SIGALRM


def test_a_child_that_raises_says_so(capfd):
    def broken() -> None:
        raise ZeroDivisionError

    assert os.waitstatus_to_exitcode(in_child(broken)) == CRASHED
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_kill_comes_before_the_call_it_is_meant_for(tmp_path):
    status = in_child(lambda: FaultyDisk("kill", 1).make_folder(tmp_path / "new"))
    assert status == signal.SIGKILL
    assert not (tmp_path / "new").exists()


def test_kill_points_are_spread_from_the_first_to_the_last():
    assert _spread(5, None) == [1, 2, 3, 4, 5]
    assert _spread(100, 3) == [1, 51, 100]
    assert _spread(2, 9) == [1, 2]
    assert _spread(9, 1) == [1]


def test_writes_are_seen_however_they_are_made(tmp_path):
    told = tmp_path / "told"

    def write() -> None:
        seen: list[str] = []
        with told.open("w") as file:
            watch_writes(lambda path: seen.append(path.name))
            (tmp_path / "a").write_text("1")
            (tmp_path / "a").rename(tmp_path / "b")
            (tmp_path / "c").mkdir()
            (tmp_path / "b").read_text()
            (tmp_path / "d").symlink_to(tmp_path / "b")
            os.truncate(tmp_path / "b", 0)
            (tmp_path / "b").unlink()
            file.write(" ".join(seen))

    assert in_child(write) == 0
    assert told.read_text().split() == ["a", "a", "b", "c", "d", "b", "b"]


def test_elsewhere_leaves_no_trace(tmp_path):
    state, folder = random.getstate(), Path.cwd()
    with elsewhere(5, tmp_path):
        first = random.random()
        assert Path.cwd() == tmp_path
    with elsewhere(5, tmp_path):
        assert random.random() == first
    assert (random.getstate(), Path.cwd()) == (state, folder)


def test_folders_list_their_files_in_both_orders(tmp_path):
    for name in "abc":
        (tmp_path / name).touch()
    with listed(backwards=True):
        assert [p.name for p in tmp_path.iterdir()] == ["c", "b", "a"]
        assert [p.name for p in tmp_path.glob("*")] == ["c", "b", "a"]
    with listed(backwards=False):
        assert [p.name for p in tmp_path.iterdir()] == ["a", "b", "c"]


def test_the_contents_of_a_project_leave_out_its_store(tmp_path):
    (tmp_path / ".aidn").mkdir()
    (tmp_path / ".aidn" / "x").touch()
    (tmp_path / "y").touch()
    assert list(contents(tmp_path)) == ["y"]


def test_the_page_names_every_suite():
    page = (ROOT / "docs" / "how-to" / "test-your-components.md").read_text()
    named = set(re.findall(r"`aidn_pipeline\.testing\.(\w+)\.(\w+Suite)`", page))
    sources = {name: (ROOT / f"aidn_pipeline/testing/{name}.py").read_text() for name in MODULES}
    assert named == {
        (name, suite)
        for name, source in sources.items()
        for suite in re.findall(r"^class (\w+Suite)", source, re.MULTILINE)
    }
