"""The documents are true: every block runs, every link leads somewhere, the reference is fresh."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aidn_pipeline.config import reference

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CONTINUES = re.compile(r"^<!-- continues: (?P<path>\S+) -->$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|mailto:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")


@dataclass(frozen=True)
class Block:
    place: str
    language: str
    title: str
    text: str


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        language, *words = found["info"].split() or [""]
        titles = [w.removeprefix("title=") for w in words if w.startswith("title=")]
        line = text.count("\n", 0, found.start()) + 1
        place = f"{document.relative_to(ROOT)}:{line}"
        yield Block(place, language, titles[0] if titles else "", found["text"])


def base_of(document: Path) -> Path | None:
    found = CONTINUES.search(document.read_text(encoding="utf-8"))
    return (document.parent / found["path"]).resolve() if found else None


def chains() -> list[list[Path]]:
    """Documents that are run in one folder: one that others continue, then those."""
    running = [d for d in DOCUMENTS if any(b.language in RUNNERS for b in blocks(d))]
    bases = {d: base_of(d) for d in running}
    return [
        [first, *(d for d in running if bases[d] == first)]
        for first in running
        if bases[first] is None
    ]


def title_of(document: Path) -> str:
    return str(document.relative_to(ROOT).with_suffix("")).replace("docs/", "")


RUNNERS = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's environment: `aidn-run` and `python` on the path, nothing trusted, no store."""
    shims = tmp_path / "bin"
    shims.mkdir()
    python = shlex.quote(sys.executable)
    for name, words in {
        "python": python,
        "aidn-run": f"{python} -m aidn_pipeline",
    }.items():
        (shims / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (shims / name).chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AIDN_")}
    return {
        **kept,
        "PATH": f"{shims}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("chain", chains(), ids=lambda c: title_of(c[0]))
def test_every_block_runs(chain: list[Path], tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "project"
    if (chain[0].parent / "pyproject.toml").exists() and chain[0].parent != ROOT:
        # An example: a project of its own, whose README is run in a copy of it.
        shutil.copytree(chain[0].parent, folder)
    else:
        folder.mkdir()
    for block in (block for document in chain for block in blocks(document)):
        if block.title:
            file = folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language in RUNNERS:
            done = run([*RUNNERS[block.language], block.text], folder, environment)
            assert done.returncode == 0, f"{block.place}\n{block.text}\n{done.stdout[-4000:]}"
            folder = folder.joinpath(*re.findall(r"^cd (\S+)$", block.text, re.MULTILINE))
        elif block.text.startswith("$ "):
            command, _, said = block.text.removeprefix("$ ").partition("\n")
            done = run(["bash", "-c", command], folder, environment)
            assert matches(said, done.stdout), f"{block.place}\n{said}\n{done.stdout[-4000:]}"


def run(
    words: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """What is printed, on either stream, in its order."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def matches(said: str, printed: str) -> bool:
    """Whether a document shows what was printed; `...` stands for anything."""
    parts = (re.escape(part) for part in said.split("..."))
    return re.fullmatch(r"[\s\S]*?".join(parts), printed) is not None


def test_only_what_is_elided_may_differ() -> None:
    assert matches("a\n...\nc 0.8...\n", "a\nb\nb\nc 0.8731\n")
    assert not matches("a\n...\nc\n", "a\nb\nd\n")


def test_a_block_has_a_language_that_says_whether_it_runs() -> None:
    known = {"bash", "python", "text", "json"}
    # YAML of the generated pages is held to its schema by tests of its own.
    written = [d for d in DOCUMENTS if d.parent != reference.FOLDER]
    odd = [b.place for d in written for b in blocks(d) if b.language not in known and not b.title]
    assert odd == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=title_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    for found in LINK.finditer(document.read_text(encoding="utf-8")):
        target = (document.parent / found["path"]).resolve() if found["path"] else document
        assert target.exists(), found[0]
        if found["anchor"]:
            assert found["anchor"] in anchors(target), found[0]


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=title_of)
def test_a_line_holds_one_sentence(document: Path) -> None:
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "#"))]
    numbered = re.compile(r"^\s*(\d+\.|-)\s")
    plain = [line for line in lines if not numbered.match(line)]
    assert [line for line in plain if re.search(r"[a-z)`]{2}\. [A-Z]", line)] == []


def test_the_reference_is_fresh() -> None:
    assert reference.main(["--check"]) == 0


def test_a_stale_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    assert reference.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
