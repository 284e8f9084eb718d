"""The packages we stand on: their versions against what we declare, and whether they import.

They are imported in a process of their own: one that is broken is named, and takes nothing down.
"""

import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from aidn_pipeline.cli.health.finding import Finding, doubtful, sound, wrong
from aidn_pipeline.cli.health.ranges import Range, requirement
from aidn_pipeline.config.builtin import PACKAGE

DISTRIBUTION = "aidn-pipeline"
MODULES = {"hydra-core": "hydra", "pyyaml": "yaml"}
"""Import names that differ from the distribution's."""
TIMEOUT_S = 180.0
PROBE = """
import json, sys
for name in json.load(sys.stdin):
    print(json.dumps({"started": name}), flush=True)
    try:
        module = __import__(name)
        fact = {key: getattr(module, f"__{key}__", "") for key in ("file", "version")}
        if name == "torch":
            fact["threads"] = module.get_num_threads()
            fact["cuda"] = module.version.cuda
            fact["devices"] = [
                module.cuda.get_device_name(i) for i in range(module.cuda.device_count())
            ]
            module.ones(2).sum().item()
    except BaseException as error:
        fact = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps({"name": name, **fact}), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Declared:
    """What this release needs.

    Attributes:
        python: versions of Python.
        packages: ranges by distribution.
    """

    python: Range
    packages: Mapping[str, Range]


def declared() -> Declared:
    """What the package's metadata declares; in a checkout what its `pyproject.toml` does."""
    file = PACKAGE.parent / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == DISTRIBUTION:
            return _declared(project["requires-python"], project["dependencies"])
    try:
        facts = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return Declared(Range(), {})
    return _declared(facts["Requires-Python"] or "", metadata.requires(DISTRIBUTION) or [])


def _declared(python: str, requirements: list[str]) -> Declared:
    found = (requirement(text) for text in requirements)
    return Declared(Range.parse(python), dict(pair for pair in found if pair))


@dataclass(frozen=True, slots=True)
class Imported:
    """What importing the packages showed.

    Attributes:
        facts: by import name: `file` and `version`, or `error`.
    """

    facts: Mapping[str, Mapping[str, Any]]

    def works(self, *names: str) -> bool:
        """Whether all of these were imported."""
        return all("error" not in self.facts.get(name, {"error": ""}) for name in names)


def import_all(needs: Declared) -> Imported:
    """Imports every declared package in a child; one that ends it is named, the rest goes on."""
    names = [MODULES.get(name, name) for name in needs.packages]
    facts: dict[str, Mapping[str, Any]] = {}
    while names:
        facts.update(_import(names))
        names = [name for name in names if name not in facts]
    return Imported(facts)


def _import(names: list[str]) -> dict[str, Mapping[str, Any]]:
    try:
        done = subprocess.run(  # noqa: S603 - the program is the constant above
            [sys.executable, "-P", "-c", PROBE],
            input=json.dumps(names),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        said, ended = done.stdout, _ending(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as late:
        said = bytes(late.stdout or b"").decode()
        ended = f"importing it took more than {TIMEOUT_S:.0f} s"
    facts: dict[str, Mapping[str, Any]] = {}
    for line in said.splitlines():
        # A package may print something of its own while it is imported.
        if line.startswith('{"started"'):
            facts[json.loads(line)["started"]] = {"error": ended}
        elif line.startswith('{"name"'):
            value = json.loads(line)
            facts[value.pop("name")] = value
    return facts or {names[0]: {"error": ended}}


def _ending(code: int, said: str) -> str:
    last = (said.strip().splitlines() or [""])[-1]
    if code < 0:
        return f"importing it ended Python by {signal.Signals(-code).name}"
    return f"importing it ended Python with exit code {code} {last}".rstrip()


def examine(needs: Declared, imported: Imported) -> Iterator[Finding]:
    """Compares versions, and tells of what could not be imported."""
    if not needs.packages:
        yield doubtful(
            f"{DISTRIBUTION} has no metadata: it was not installed, versions are not compared",
            str(PACKAGE),
            f"`pip install {DISTRIBUTION}`, or `pip install -e .` in a checkout",
        )
    fine = []
    for name, asked in needs.packages.items():
        fact = imported.facts.get(MODULES.get(name, name), {})
        finding = _package(name, asked, fact)
        if finding is None:
            fine.append(f"{name} {_installed(name)}")
        else:
            yield finding
    if fine:
        yield sound(f"packages: {', '.join(fine)}")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str, asked: Range, fact: Mapping[str, Any]) -> Finding | None:
    version, install = _installed(name), f"`pip install '{name}{asked}'`"
    if "error" in fact:
        if version is None and str(fact["error"]).startswith("ModuleNotFoundError"):
            return wrong(f"{name} is not installed, this release needs {asked}", "", install)
        return wrong(
            f"{name} cannot be imported: {fact['error']}",
            _place(name),
            f"install it again: `pip install --force-reinstall '{name}{asked}'`; see first that no "
            "file or folder on PYTHONPATH has its name",
        )
    if version is None:
        return doubtful(f"{name} imports, but is not installed", str(fact.get("file")), install)
    if not asked.holds(version):
        return wrong(
            f"{name} {version} is installed, this release needs {asked}", _place(name), install
        )
    return None


def _place(name: str) -> str:
    try:
        return str(metadata.distribution(name).locate_file(MODULES.get(name, name)))
    except metadata.PackageNotFoundError:
        return ""
