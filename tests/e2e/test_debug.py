"""A model that raises in its second epoch: what is shown, and what the debugger opens."""

import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.breaking import COMMAND, written
from support.source import ROOT

pytestmark = pytest.mark.e2e


def asked(*arguments: str, cwd: Path, typed: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIDN_TRUST": "1", **more},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("broken"))


def batches(number: int) -> str:
    return f"model.batches={number}"


def test_a_failing_stage_shows_the_users_frames_and_where_it_happened(project):
    done = asked(*COMMAND, batches(60), cwd=project, typed="")

    assert done.returncode == 3
    assert "in checked\n    raise ValueError" in done.stderr
    assert "frames in aidn_pipeline, 2 in torch" in done.stderr
    assert "raised in epoch 2, batch 22, step 61\nsamples of the training split" in done.stderr
    assert "torch/nn/modules" not in done.stderr
    assert "failed in stage train; kept: snapshot, split" in done.stderr
    assert f"next: aidn-run debug train recipe=digits_train {COMMAND[1]} " in done.stderr


@pytest.mark.parametrize(("flag", "setting"), [("--traceback", ""), ("--json", "full")])
def test_every_frame_is_shown_when_asked_for(project, flag, setting):
    done = asked(*COMMAND, batches(60), flag, cwd=project, typed="", AIDN_TRACEBACK=setting)

    assert "torch/nn/modules" in done.stderr


def test_pdb_opens_at_the_users_last_frame(project):
    done = asked(*COMMAND, batches(60), "--pdb", cwd=project, typed="p secret\nq\n")

    assert done.returncode == 3
    assert "(Pdb) 42" in done.stdout


def test_breakpoint_on_a_terminal_stops_the_live_table_first(project):
    models = project / "nets" / "broken.py"
    text = models.read_text()
    models.write_text(
        text.replace('raise ValueError("the', 'breakpoint()\n            raise ValueError("the')
    )
    ours, theirs = pty.openpty()
    # Read while it is written: a terminal holds some kilobytes, and a slow run redraws often.
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(_all_of, ours)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "aidn_pipeline.cli.main", *COMMAND, batches(61)],
                cwd=project,
                env={**os.environ, "PYTHONPATH": str(ROOT), "AIDN_TRUST": "1", "TERM": "xterm"},
                input=b"p secret\nc\n",
                stdout=theirs,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=600,
            )
        finally:
            os.close(theirs)
            models.write_text(text)
        shown = reading.result(timeout=30)

    prompt = shown.index("(Pdb) ")
    assert done.returncode == 3
    assert "42" in shown[prompt:]
    # The cursor is shown again only when the display has ended; nothing hides it after that.
    assert "\x1b[?25h" in shown[:prompt]
    assert "\x1b[?25l" not in shown[prompt:]


def _all_of(terminal: int) -> str:
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:
        # Linux says EIO once nobody holds the other side.
        pass
    os.close(terminal)
    return b"".join(parts).decode()
