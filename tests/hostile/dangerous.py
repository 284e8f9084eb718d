"""Gives recipes every dangerous string of `strings/`; tells what Python did that it should not.

PYTHONPATH=.:tests python tests/hostile/dangerous.py [--planted]

An audit hook sees every import, every execution and every file that is opened. A string must be
refused with an error of ours, or stand in the resolved recipe as the text it is; nothing may be
imported, executed or read outside the folders of configs, and a secret's value may stand in no
message. Prints one JSON object. `--planted` does what a resolver that runs code would do, once, so
that it can be seen that it would be told.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.library import GivenRecipe
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe
from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.errors import AidnError, FoundBeforeStart

STRINGS = Path(__file__).with_name("strings")
SECRET = "sk-canary-5d1f0c7e93"
VICTIM = "stages: {snapshot: {use: snapshot, source: {use: digits}}}\n"
RUNS = (
    *("compile", "exec", "code.__new__", "import", "marshal", "pickle", "ctypes", "cpython.run"),
    *(
        "subprocess",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.startfile",
    ),
    *("socket", "urllib", "http", "ftplib", "smtplib", "webbrowser", "builtins.input", "shutil"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.kill", "os.putenv", "os.unsetenv", "mmap", "sqlite3", "tempfile"),
)
"""Beginnings of the audit events that no recipe may cause."""
LOOKS = ("open", "os.listdir", "os.scandir", "os.chdir", "glob.glob")
"""Those that it may cause for what is in the folders of configs."""
Case = tuple[str, str, str, Sequence[str]]
"""What it is, the name and the text of a recipe, and the arguments."""


class Watch:
    """What happens while it is on.

    Attributes:
        seen: events that may not happen, each once for each string.
        current: the string that is tried; None while nothing is watched.
    """

    def __init__(self, allowed: Sequence[Path]) -> None:
        self.seen: dict[str, None] = {}
        self.current: str | None = None
        self._allowed = tuple(f"{folder.resolve()}{os.sep}" for folder in allowed)
        sys.addaudithook(self._event)

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.current is None:
            return
        if event.startswith(RUNS) or (event in LOOKS and not self._is_allowed(event, arguments)):
            self.seen[f"{event} {arguments[:2]!r:.200} for {self.current!r:.200}"] = None

    def _is_allowed(self, event: str, arguments: tuple[Any, ...]) -> bool:
        place = arguments[0] if arguments else ""
        if not isinstance(place, (str, os.PathLike)):
            return False
        inside = f"{Path(place).resolve()}{os.sep}".startswith(self._allowed)
        return inside and (event != "open" or arguments[1] in (None, "r", "rb"))


def strings(kind: str, places: Mapping[str, str]) -> list[str]:
    """The strings of a file; its first line says what they are."""
    text = (STRINGS / f"{kind}.txt").read_text(encoding="utf-8")
    for name, place in places.items():
        text = text.replace(name, place)
    signs = {"\\n": "\n", "\\ufeff": "\ufeff"}
    if kind != "yaml":
        signs |= {"\\0": "\0", "\\t": "\t", "\\u200b": "\u200b"}
    lines = text.split("\n")[1:-1]
    for written, sign in signs.items():
        lines = [line.replace(written, sign) for line in lines]
    return lines


def cases(places: Mapping[str, str]) -> Iterator[Case]:
    """Every string in every place where it could do harm."""
    for text in strings("use", places):
        quoted = json.dumps(text)
        yield text, "given", f"stages: {{x: {{use: {quoted}}}}}\n", ()
        yield text, "given", VICTIM, [f"stages.snapshot.source.use={text}"]
        yield text, "given", VICTIM, [f"model={text}"]
        yield text, "given", f"{VICTIM}model: {{_target_: {quoted}}}\n", ()
    for text in strings("resolver", places):
        yield text, "given", f"{VICTIM}name: {json.dumps(text)}\n", ()
        yield text, "given", VICTIM, [f"seed={text}"]
        yield text, "given", VICTIM, [f"stages.snapshot.when={text}"]
    for text in strings("override", places):
        yield text, "given", VICTIM, [text]
    for text in strings("defaults", places):
        yield text, "given", f"defaults:\n  - {text}\n  - _self_\n{VICTIM}", ()
    for text in strings("recipe", places):
        yield text, text, "", ()
    for text in strings("yaml", places):
        yield text, "given", text, ()
        yield text, "given", f"{text}\n{VICTIM}", ()


HARMLESS: Sequence[tuple[str, Sequence[str]]] = (
    (VICTIM, ()),
    ("defaults:\n  - /digits\n", ["optimizer.lr=0.1", "~stages.export", "model=cnn"]),
    ("defaults:\n  - /digit\n  - /model: mpl\n", ["trainer.epoch=1"]),
    (f"defaults:\n  - override /modle: x\n{VICTIM}", ["modle=1"]),
    ("a: [", ()),
    ("a: b: c", ()),
    ("a: é\n\tb: 日本\n", ()),
    (f"{VICTIM}name: ${{nmae}}\nx: {{y: ${{oc.env:NOT_SET_ANYWHERE}}}}\n", ["seed=010"]),
    (f"{VICTIM}model: {{_target_: a.B}}\n", ["stages.snapshot.when=seed > 1 and name == 'x'"]),
    (VICTIM, ["stages.snapshot.matrix={source.x: [1, 2]}", "stages.snapshot.when=matrix.y"]),
    (VICTIM, ["stages.snapshot.resources={cpu: x}", "stages.snapshot.retries={on: [a.b]}"]),
)
"""Recipes that load what Python loads once: modules of its own, codecs."""


class Trial:
    """Tries cases in one project, and keeps what came of them."""

    def __init__(self, root: Path, watch: Watch) -> None:
        self.project = find_project(root)
        self.index = builtin_index()
        self.watch = watch
        self.refused = 0
        self.texts = 0
        self.wrong: list[str] = []

    def harmless(self) -> None:
        """Loads what is loaded once."""
        for text, arguments in HARMLESS:
            self._load("given", text, arguments)

    def run(self, case: Case) -> None:
        """Tries one string in one place."""
        text, name, recipe, arguments = case
        self.watch.current = text
        try:
            found = self._load(name, recipe, arguments)
        finally:
            self.watch.current = None
        said = str(found)
        if SECRET in said:
            self.wrong.append(f"the secret stands in what comes of {text!r}")
        if isinstance(found, FoundBeforeStart):
            self.refused += 1
        elif isinstance(found, PipelineSpec) and _holds(found, text, arguments):
            self.texts += 1
        else:
            self.wrong.append(f"{text!r} with {arguments} comes to {said:.300}")

    def _load(self, name: str, text: str, arguments: Sequence[str]) -> PipelineSpec | BaseException:
        given = GivenRecipe("given", text, "given.yaml") if name == "given" else None
        try:
            return load_recipe(name, arguments, self.project, self.index, given=given)
        except AidnError as problem:
            return problem
        except Exception as problem:  # noqa: BLE001 - told as what it is: none of ours
            return problem


def _holds(spec: PipelineSpec, text: str, arguments: Sequence[str]) -> bool:
    """Whether a string stands in a recipe as the text it is, or says no more than a value does."""
    value = (arguments[0] if arguments else text).partition("=")[2] or text
    plain = {*_texts({name: stage.stage for name, stage in spec.stages.items()})}
    is_named = spec.name != "given" and spec.name in text
    return is_named or text in plain or value.strip() in plain


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


PLANTED: Mapping[str, Callable[[Path], object]] = {
    "import": lambda outside: importlib.import_module("canary_module"),
    "exec": lambda outside: exec("1", {}),
    "subprocess": lambda outside: subprocess.run(["true"], check=True),
    "open": lambda outside: (outside / "evil.yaml").read_text(),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries every string; 1 if anything happened that should not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planted", action="store_true", help="do what must be seen")
    options = parser.parse_args(arguments)
    os.environ["AIDN_SECRET_CANARY"] = SECRET
    with tempfile.TemporaryDirectory() as folder:
        root, outside, canary = _laid_out(Path(folder))
        shipped = [data_folder("conf"), data_folder("recipes")]
        watch = Watch([root / "recipes", root / "conf", root / "pyproject.toml", *shipped])
        trial = Trial(root, watch)
        trial.harmless()
        places = {"{CANARY}": str(canary), "{OUTSIDE}": str(outside)}
        if options.planted:
            for name, act in PLANTED.items():
                watch.current = name
                act(outside)
            watch.current = None
        else:
            for case in cases(places):
                trial.run(case)
        answer = {
            "strings": len({case[0] for case in cases(places)}),
            "cases": sum(1 for _ in cases(places)),
            "refused": trial.refused,
            "texts": trial.texts,
            "wrong": trial.wrong,
            "seen": list(watch.seen),
            "imported": "canary_module" in sys.modules,
            "touched": canary.exists(),
        }
        print(json.dumps(answer, indent=1))
    return 1 if answer["wrong"] or answer["seen"] else 0


def _laid_out(folder: Path) -> tuple[Path, Path, Path]:
    """A project with links that lead out of it, what they lead to, and a module to be imported."""
    root, outside, canary = folder / "project", folder / "outside", folder / "touched"
    for place in (root / "recipes", root / "conf" / "model", outside, folder / "modules"):
        place.mkdir(parents=True)
    (root / "recipes" / "victim.yaml").write_text(VICTIM)
    (outside / "evil.yaml").write_text(VICTIM)
    (root / "recipes" / "link.yaml").symlink_to(outside / "evil.yaml")
    (root / "recipes" / "folder").symlink_to(outside)
    (root / "conf" / "model" / "link.yaml").symlink_to(outside / "evil.yaml")
    (folder / "modules" / "canary_module.py").write_text(
        f"open({str(canary)!r}, 'w').close()\n\n\ndef run(*args, **kwargs):\n    return 1\n\n\n"
        "class Thing:\n    pass\n"
    )
    sys.path.insert(0, str(folder / "modules"))
    return root, outside, canary


if __name__ == "__main__":
    sys.exit(main())
