"""What TAB offers: by the program itself, and in real shells behind a pseudo-terminal."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.source import ROOT

from aidn_pipeline.cli.candidates import listed
from aidn_pipeline.completion import candidates, split

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
BEGINNINGS = {
    "bash": "bind 'set enable-bracketed-paste off'; {set}",
    "zsh": "autoload -Uz compinit; compinit -u -D; {set}",
    "fish": "{set}",
}
SET = {
    "bash": 'eval "$(aidn-run completion bash)"',
    "zsh": 'eval "$(aidn-run completion zsh)"',
    "fish": "aidn-run completion fish | source",
}
ANSI = re.compile(r"\x1b(\[[0-9;?=>]*[a-zA-Z]|\][^\x07]*\x07|[=>()][0-9A-B]?)")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recipes").mkdir()
    text = "# @package _global_\n# My own.\ndefaults: [/digits]\n"
    (tmp_path / "recipes" / "mine.yaml").write_text(text)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(line: str) -> list[str]:
    return [word for word, _ in candidates(line, listed)]


@pytest.mark.parametrize(
    ("line", "among"),
    [
        ("aidn-run ", {"plan", "show", "recipe=", "doctor"}),
        ("aidn-run pl", {"plan"}),
        ("aidn-run recipe=m", {"recipe=mine"}),
        ("aidn-run plan recipe=dig", {"recipe=digits", "recipe=digits_train"}),
        ("aidn-run recipe=digits ", {"model=", "trainer.", "stages.", "seed=", "run."}),
        ("aidn-run recipe=digits trainer.ep", {"trainer.epochs="}),
        ("aidn-run recipe=mine model=c", {"model=cnn"}),
        ("aidn-run recipe=digits stages.tune.num", {"stages.tune.num_trials="}),
        ("aidn-run recipe=digits run.executor=", {"run.executor=inline", "run.executor=processes"}),
        ("aidn-run recipe=digits --fo", {"--force"}),
        ("aidn-run recipe=digits --force t", {"tune", "train"}),
        ("aidn-run list r", {"recipes", "runs"}),
        ("aidn-run list opt", {"optimizer"}),
        ("aidn-run completion ", {"bash", "zsh", "fish"}),
    ],
)  # fmt: skip
def test_what_may_stand_there_is_offered(line: str, among: set[str]):
    found = offered(line)
    assert among <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("line", ["aidn-run recipe=nowhere nothing", "aidn-run list zz"])
def test_what_may_not_stand_there_is_not(line: str):
    assert offered(line) == []


def test_a_second_recipe_is_not_offered():
    assert "recipe=" not in offered("aidn-run recipe=digits ")


def test_runs_are_offered_the_newest_first(here: Path):
    journal = here / ".aidn" / "journal" / "000001.log"
    journal.parent.mkdir(parents=True)
    lines = [f'{n} 9 0 {{"key":"2026-{n}","kind":"run","value":{{}}}}' for n in (1, 2, 1)]
    journal.write_text("\n".join(lines) + "\n")
    assert offered("aidn-run show 2") == ["2026-1", "2026-2"]


def test_a_line_is_split_as_a_shell_does():
    assert split("a 'b c'  d=\"e f") == (["a", "b c"], "d=e f")
    assert split("a b ") == (["a", "b"], "")


def test_a_broken_project_still_completes_verbs(here: Path):
    (here / "pyproject.toml").write_text("[tool.aidn]\npackages = 3\n")
    assert "doctor" in offered("aidn-run do")


def test_the_second_time_it_is_remembered_until_a_recipe_is_added(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIDN_MEMO", "1")
    time.sleep(2.1)
    offered("aidn-run recipe=")
    calls: list[str] = []

    def asked(recipe: str) -> str:
        calls.append(recipe)
        return listed(recipe)

    assert "recipe=mine" in [word for word, _ in candidates("aidn-run recipe=", asked)]
    assert calls == []
    (here / "recipes" / "more.yaml").write_text("# @package _global_\ndefaults: [/digits]\n")
    assert "recipe=more" in [word for word, _ in candidates("aidn-run recipe=", asked)]
    assert calls == [""]


class Terminal:
    """A shell behind a pseudo-terminal."""

    def __init__(self, shell: str, folder: Path) -> None:
        shims = folder / "bin"
        shims.mkdir()
        (shims / "aidn-run").write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m aidn_pipeline "$@"\n'
        )
        (shims / "aidn-run").chmod(0o755)
        self._main, inner = pty.openpty()
        environment = {
            **os.environ,
            "HOME": str(folder),
            "PATH": f"{shims}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "COLUMNS": "120",
        }
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *SHELLS[shell]],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=folder,
            env=environment,
        )
        os.close(inner)

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def until(self, wanted: str, seconds: float = 40) -> str:
        """What is shown until a text is; without what moves the cursor and sets colours."""
        shown, end = "", time.monotonic() + seconds
        while wanted not in ANSI.sub("", shown):
            assert time.monotonic() < end, f"no {wanted!r} in {ANSI.sub('', shown)!r}"
            if select.select([self._main], [], [], 0.2)[0]:
                shown += os.read(self._main, 1 << 16).decode(errors="replace")
        return ANSI.sub("", shown)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)


@pytest.fixture
def terminal(here: Path) -> Iterator[Callable[[str], Terminal]]:
    opened: list[Terminal] = []

    def open_one(shell: str) -> Terminal:
        for program in (shell, "setsid"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        opened.append(Terminal(shell, here))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_in_a_real_shell(shell: str, terminal: Callable[[str], Terminal]):
    screen = terminal(shell)
    screen.type(BEGINNINGS[shell].format(set=SET[shell]) + "; echo rea''dy\n")
    screen.until("ready")
    # One candidate is put in, and goes on where something follows.
    screen.type("aidn-run recipe=mi\t")
    screen.until("recipe=mine")
    screen.type(" trainer.epo\t")
    screen.until("trainer.epochs=")
    screen.type("3 run.exec\t")
    screen.until("run.executor=")
    # Several are shown.
    screen.type("\t\t")
    shown = screen.until("processes")
    assert "inline" in shown
