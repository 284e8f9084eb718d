"""Where the command line speaks to may be full or closed: what was done counts, and is said so."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import last_object
from support.source import ROOT

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


def said(arguments: str, cwd: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `aidn-run` with the redirections of a shell."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m aidn_pipeline.cli.main {arguments}', sys.executable],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", ["help", "schema run", "--version"])
def test_a_full_standard_output_is_an_error_of_one_kind(arguments, tmp_path):
    code, _, err = said(f"{arguments} > /dev/full", tmp_path)
    assert code == 1
    assert "error: what the command says cannot be written: No space left on device" in err
    assert "at: standard output" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "streams", ["2> /dev/full", "2>&-", "> /dev/full 2> /dev/full", ">&- 2>&-"]
)
def test_an_error_that_cannot_be_said_keeps_its_exit_code(streams, tmp_path):
    assert said(f"recipe=nope --json {streams}", tmp_path)[0] == 2


def test_a_closed_standard_output_is_what_its_owner_wants(tmp_path):
    assert said("schema run >&-", tmp_path) == (0, "", "")


@pytest.mark.parametrize("lines", [1, 3])
def test_a_reader_that_goes_away_leaves_the_run_to_its_end(lines, tmp_path):
    words = ["recipe=digits_train", "trainer.epochs=1", "stages.register.gate.accuracy.min=0.1"]
    command = [sys.executable, "-m", "aidn_pipeline.cli.main", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    given: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, **given) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        for _ in range(lines):
            assert run.stdout.readline()
        run.stdout.close()
        said = run.stderr.read()
    assert (run.returncode, said) == (0, "")
    again = subprocess.run([*command, "--json"], check=True, capture_output=True, **given)
    actions = {stage["action"] for stage in last_object(again.stdout)["stages"].values()}
    assert actions == {"reuse"}
