"""An up-to-date command answers from memory; whatever its answer rests on changes, it does not."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.source import ROOT

from aidn_pipeline import memo as memos

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FILES = {
    "pyproject.toml": '[tool.aidn]\npackages = ["words"]\n',
    "words/__init__.py": "",
    "words/helping.py": "def loud(text):\n    return text.upper()\n",
    "words/stages.py": '''"""Stages."""

from dataclasses import dataclass

from aidn_pipeline import File, NoInputs, Stage, StageContext, component, setting
from words.helping import loud


@dataclass(frozen=True)
class Out:
    file: File


@component("stage", "read")
@dataclass(frozen=True)
class Read(Stage[NoInputs, Out]):
    """Reads a file."""

    path: str = setting("data.txt", content=True)
    word: str = "a"

    def run(self, inputs: NoInputs, ctx: StageContext) -> Out:
        text = (ctx.project / self.path).read_text()
        return Out(ctx.save(File, loud(text + self.word).encode()))
''',
    "words/counting.py": '''"""Stages."""

import os

from aidn_pipeline import File, StageContext, component


@component("stage", "count")
def count(file: File, ctx: StageContext, *, factor: int = 1) -> File:
    """Counts what was read."""
    size = len(ctx.files(file)[""].read_bytes())
    chance = os.environ.get("CHANCE", "")  # stands for what no field names
    return ctx.save(File, (str(size * factor) + chance).encode())
''',
    "data.txt": "some words",
    "conf/stage/twice.yaml": "# Counts twice.\nuse: count\nfactor: 2\n",
    "recipes/words.yaml": """\
# @package _global_
# Words.
name: words
seed: 0
stages:
  read: {use: read, word: "${oc.env:WORD,none}"}
  count: {use: count, inputs: {file: read.file}}
""",
}
COMMAND = ("recipe=words",)
GATED = [
    *("hydra", "omegaconf", "yaml", "antlr4", "json", "re", "hashlib", "pathlib", "argparse"),
    *("logging", "typing", "dataclasses", "sqlite3", "numpy", "torch", "pyarrow", "jsonschema"),
]
"""Modules that a remembered answer must not import."""


@dataclass
class Desk:
    """A project in which the command was run, and its answer is remembered."""

    folder: Path
    environment: dict[str, str]
    memo: Path = field(default=Path())

    def say(self, *words: str, cwd: Path | None = None) -> str:
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "aidn_pipeline", *(words or COMMAND)],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def remembers(self) -> bool:
        """Whether the command is answered from memory."""
        return "up to date" in self.say()

    def ran(self) -> list[str]:
        """Which stages the command runs."""
        said = self.say()
        return [line.split(":")[0] for line in said.splitlines() if ": done in" in line]

    def importing(self, program: str) -> tuple[str, set[str]]:
        """What a program prints, and the modules it imports."""
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", program],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    @property
    def output(self) -> Path:
        """The object that counting made."""
        objects = (self.folder / ".aidn" / "objects").glob("*/*")
        return next(path for path in objects if path.read_bytes() == b"14")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Run once, on files that were there long enough to be believed."""
    home = tmp_path_factory.mktemp("memo")
    folder = home / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    environment = {
        **os.environ,
        "AIDN_MEMO": "1",
        "AIDN_TRUST": "1",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }
    desk = Desk(folder, environment)
    assert desk.ran() == ["read", "count"]
    time.sleep(2.1)
    desk.say()
    (desk.memo,) = (home / "cache" / "aidn" / "memo").iterdir()
    assert desk.remembers()
    return desk


@pytest.fixture
def desk(made: Desk) -> Iterator[Desk]:
    """As it was made; what a test changes is put back."""
    if not made.remembers():
        time.sleep(2.1)
        made.say()
        assert made.remembers()
    kept = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    memo, text = made.memo, made.memo.read_bytes()
    environment = dict(made.environment)
    yield made
    made.environment = environment
    memo.write_bytes(text)
    for path in made.folder.rglob("*"):
        if path.is_file() and path not in kept and ".aidn" not in path.parts:
            path.unlink()
    for path, data in kept.items():
        if ".aidn" not in path.parts and (not path.exists() or path.read_bytes() != data):
            path.write_bytes(data)


def test_an_answer_from_memory_imports_next_to_nothing_and_says_what_the_run_said(desk: Desk):
    words = [sys.executable, "-X", "importtime", "-m", "aidn_pipeline", *COMMAND]
    done = subprocess.run(
        words, cwd=desk.folder, env=desk.environment, capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    # `python -m` itself imports some; those of the bare program are no matter of ours.
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "this"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported -= {line.rpartition("|")[2].strip() for line in bare.stderr.splitlines()}
    assert imported & set(GATED) == set()
    assert done.stdout.startswith("words: up to date")


def test_a_touched_file_with_the_same_content_is_remembered_and_a_changed_one_is_not(desk: Desk):
    recipe = desk.folder / "recipes" / "words.yaml"
    os.utime(recipe)
    assert desk.remembers()
    recipe.write_text(recipe.read_text().replace("use: count,", "use: count, factor: 3,"))
    assert desk.ran() == ["count"]


def test_an_edited_preset_is_seen(desk: Desk):
    (desk.folder / "conf/stage/twice.yaml").write_text("# Thrice.\nuse: count\nfactor: 3\n")
    assert not desk.remembers()


def test_a_new_file_in_a_folder_of_configs_is_seen(desk: Desk):
    (desk.folder / "conf/stage/thrice.yaml").write_text("# Thrice.\nuse: count\nfactor: 3\n")
    assert not desk.remembers()


def test_a_deleted_output_is_made_again(desk: Desk):
    desk.output.unlink()
    assert desk.ran() == ["count"]


def test_an_output_of_the_same_size_and_time_is_read_and_made_again(desk: Desk):
    output = desk.output
    facts = output.stat()
    forged = output.with_name("forged")
    forged.write_bytes(b"9" * facts.st_size)
    os.utime(forged, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    forged.replace(output)
    assert desk.ran() == ["count"]


def test_a_variable_that_the_recipe_reads_is_seen(desk: Desk):
    desk.environment["WORD"] = "other"
    assert desk.ran() == ["read", "count"]


def test_an_edited_helper_is_seen_and_a_comment_in_it_runs_nothing(desk: Desk):
    helper = desk.folder / "words" / "helping.py"
    helper.write_text(helper.read_text() + "# nothing\n")
    assert "reused" in desk.say()
    helper.write_text(helper.read_text().replace("upper()", "swapcase().upper()"))
    assert desk.ran() == ["read"], "what comes after it got the same bytes"
    helper.write_text(helper.read_text().replace("swapcase().upper()", "lower()"))
    assert desk.ran() == ["read", "count"]


def test_a_module_that_would_be_imported_instead_is_seen(desk: Desk):
    (desk.folder / "torch.py").write_text("raise SystemExit\n")
    assert not desk.remembers()


def test_edited_data_are_seen(desk: Desk):
    (desk.folder / "data.txt").write_text("many words")
    assert desk.ran() == ["read", "count"]


def test_another_installed_package_is_seen(desk: Desk, tmp_path: Path):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    # What is installed is looked for on the import path.
    desk.environment["PYTHONPATH"] = f"{ROOT}:{packages}"
    time.sleep(2.1)
    desk.say()
    assert desk.remembers()
    (packages / "words_more-1.0.dist-info").mkdir()
    assert not desk.remembers()
    shutil.rmtree(packages)


@pytest.mark.parametrize("cache", ["relative", ""])
def test_nothing_is_written_below_the_working_folder(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", "~")  # what `~` is for a user without a home
    monkeypatch.chdir(tmp_path)
    memos.keep(["recipe=words"], [memos.of_nothing("/nowhere")], "said")
    assert list(tmp_path.iterdir()) == []
    assert memos.recall(["recipe=words"]) is None


def test_another_folder_is_another_command(desk: Desk):
    inner = desk.folder / "recipes"
    assert "reused" in desk.say(cwd=inner)


def test_other_words_are_another_command(desk: Desk):
    assert "up to date" not in desk.say("recipe=words", "stages.count.factor=1")
    assert "up to date" in desk.say("run", "recipe=words")
    assert "read: reused" in desk.say("recipe=words", "--traceback")


def test_a_nearer_project_is_seen(desk: Desk):
    (desk.folder / "src").mkdir()
    assert not desk.remembers()
    (desk.folder / "src").rmdir()


def test_a_memo_of_any_bytes_is_a_memo_that_is_missing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(desk.folder)
    whole = desk.memo.read_bytes()
    place = desk.memo
    monkeypatch.setattr(memos, "_place", lambda _: str(place))
    expected = memos.recall(list(COMMAND))
    assert expected is not None
    chance = random.Random(0)
    for number in range(1000):
        data = bytearray(whole)
        match number % 4:
            case 0:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 1:
                del data[chance.randrange(len(data)) :]
            case 2:
                start = chance.randrange(len(data))
                data[start : start + 40] = chance.randbytes(chance.randrange(1, 80))
            case _:
                data = bytearray(chance.randbytes(chance.randrange(400)))
        place.write_bytes(data)
        assert memos.recall(list(COMMAND)) is None or bytes(data) == whole


def test_a_memo_cannot_be_written_by_another_user_or_through_a_link(desk: Desk, tmp_path: Path):
    copy = tmp_path / "memo"
    shutil.copyfile(desk.memo, copy)
    place = desk.memo
    place.unlink()
    place.symlink_to(copy)
    assert not desk.remembers()
    place.unlink(missing_ok=True)


def test_it_is_switched_off_by_a_variable(desk: Desk):
    desk.environment["AIDN_MEMO"] = "0"
    assert "read: reused" in desk.say()


def test_files_that_were_changed_while_it_ran_are_not_believed(desk: Desk):
    (desk.folder / "data.txt").write_text("fresh words")
    assert desk.ran() == ["read", "count"]
    assert "read: reused" in desk.say()


def test_a_result_that_a_forced_run_replaced_is_not_remembered(desk: Desk):
    desk.environment = {**desk.environment, "CHANCE": "!"}
    desk.say(*COMMAND, "--force", "count")
    del desk.environment["CHANCE"]
    assert "count: reused" in desk.say()


def test_work_of_other_runs_leaves_an_answer_remembered(desk: Desk):
    assert "count: done" in desk.say(*COMMAND, "stages.count.factor=91")
    assert desk.remembers()
    assert desk.remembers()


def test_a_result_that_was_replaced_while_others_worked_is_not_remembered(desk: Desk):
    desk.say(*COMMAND, "--force", "count")
    desk.say(*COMMAND, "stages.count.factor=92")
    assert not desk.remembers()


def test_a_file_edited_while_it_is_looked_at_is_not_believed(tmp_path: Path):
    path = tmp_path / "data.txt"
    path.write_text("before")
    later = time.time_ns() + 10 * memos.FRESH_NS
    edits = [path]

    def editing(event: str, told: tuple[object, ...]) -> None:
        if event == "open" and edits and told[0] == os.fsencode(path):
            edits.pop().write_text("behind")
            os.utime(path, ns=(later, later))

    sys.addaudithook(editing)
    with pytest.raises(memos.Changed):
        memos.of_file(str(path), before_ns=later)


def test_an_accepted_result_is_not_remembered_for_it_may_be_taken_back(desk: Desk):
    changed = (*COMMAND, "stages.count.factor=7")
    desk.say(*COMMAND, "--traceback")
    desk.say("accept", "count", *changed, "--reason", "it is the same")
    for _ in range(2):
        assert "count: reused" in desk.say(*changed)
    desk.say("accept", "count", *changed, "--undo")
    assert "count: run, factor 1 -> 7" in desk.say(*changed)
