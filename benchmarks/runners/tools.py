"""The same stages in the smallest honest form of each tool: what is written, and what is typed."""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CHAIN = 5
"""Stages of one chain."""

STAGE = '''"""Stages that do next to nothing."""

from dataclasses import dataclass

from aidn_pipeline import File, NoInputs, Stage, StageContext, component, setting


@dataclass(frozen=True)
class Out:
    file: File


@component("stage", "first")
@dataclass(frozen=True)
class First(Stage[NoInputs, Out]):
    """Begins a chain with a file of the project."""

    path: str = setting("source.txt", content=True)
    number: int = 0

    def run(self, inputs: NoInputs, ctx: StageContext) -> Out:
        text = (ctx.project / self.path).read_text()
        return Out(ctx.save(File, f"{text}{self.number}".encode()))


@component("stage", "next")
def following(file: File, ctx: StageContext, *, step: int = 0) -> File:
    """Goes on with the file before it."""
    return ctx.save(File, ctx.files(file)[""].read_bytes() + b" %d" % step)
'''
RECIPE = """\
# @package _global_
# Chains of five stages.
name: chains
seed: 0
run: {{durability: process}}
stages:
  s0: {{use: first, matrix: {{number: {{range: {chains}}}}}}}
  s1: {{use: next, step: 1, inputs: {{file: s0.file}}}}
  s2: {{use: next, step: 2, inputs: {{file: s1.file}}}}
  s3: {{use: next, step: 3, inputs: {{file: s2.file}}}}
  s4: {{use: next, step: 4, inputs: {{file: s3.file}}}}
"""
MAKEFILE = """\
CHAINS := $(shell seq 0 {last})
all: $(CHAINS:%=out/%-4)
out/%-0: source.txt ; (cat $<; echo $*) > $@
out/%-1: out/%-0 ; (cat $<; echo 1) > $@
out/%-2: out/%-1 ; (cat $<; echo 2) > $@
out/%-3: out/%-2 ; (cat $<; echo 3) > $@
out/%-4: out/%-3 ; (cat $<; echo 4) > $@
.SECONDARY:
"""
DODO = """\
from pathlib import Path


def write(before, name, word):
    Path("out", name).write_text(Path(before).read_text() + word)


def task_stage():
    for chain in range({chains}):
        for step in range(5):
            before = f"out/{{chain}}-{{step - 1}}" if step else "source.txt"
            name = f"{{chain}}-{{step}}"
            yield {{
                "name": name,
                "actions": [(write, [before, name, str(step or chain)])],
                "file_dep": [before],
                "targets": [f"out/{{name}}"],
            }}
"""
SNAKEFILE = """\
rule all:
    input: expand("out/{{chain}}-4", chain=range({chains}))
rule first:
    input: "source.txt"
    output: "out/{{chain}}-0"
    shell: "(cat {{input}}; echo {{wildcards.chain}}) > {{output}}"
rule following:
    input: lambda wildcards: f"out/{{wildcards.chain}}-{{int(wildcards.step) - 1}}"
    output: "out/{{chain}}-{{step,[1-4]}}"
    shell: "(cat {{input}}; echo {{wildcards.step}}) > {{output}}"
"""
KEDRO_PROJECT = """\
[tool.kedro]
package_name = "proj"
project_name = "proj"
kedro_init_version = "1.0.0"
source_dir = "src"
"""
KEDRO_REGISTRY = """\
from functools import partial, update_wrapper

from kedro.pipeline import node, pipeline


def write(word, before):
    return before + word


def stage(chain, step):
    body = update_wrapper(partial(write, str(step or chain)), write)
    before = f"s{{chain}}_{{step - 1}}" if step else "source"
    name = f"s{{chain}}_{{step}}"
    return node(body, inputs=before, outputs=name, name=f"n_{{name}}")


def register_pipelines():
    stages = [stage(chain, step) for chain in range({chains}) for step in range(5)]
    return {{"__default__": pipeline(stages)}}
"""
KEDRO_CATALOG = """\
source:
  type: text.TextDataset
  filepath: source.txt
"{name}":
  type: text.TextDataset
  filepath: out/{name}
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that runs stages.

    Attributes:
        name: in the table.
        write: makes a project of so many stages in an empty folder.
        run: the command that runs it, and is given again when it is done.
        rerun: the command that is given again, where it is another one.
        plan: the command that says what would run, where there is one.
        environment: set for its commands, on top of the caller's: no telemetry.
        done: writes what a first run would leave, where running takes too long.
        says: what the second run prints; for the others the files tell that nothing ran.
    """

    name: str
    write: Callable[[Path, int], None]
    run: list[str]
    rerun: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    done: Callable[[Path, int], None] | None = None
    says: str = ""


def write_ours(folder: Path, stages: int) -> None:
    """A package with two stages, a recipe that repeats five by `matrix`."""
    for name in ("recipes", "touches"):
        (folder / name).mkdir()
    (folder / "pyproject.toml").write_text('[tool.aidn]\npackages = ["touches"]\n')
    (folder / "touches" / "__init__.py").write_text("")
    (folder / "touches" / "touch.py").write_text(STAGE)
    (folder / "recipes" / "chains.yaml").write_text(RECIPE.format(chains=stages // CHAIN))


def write_make(folder: Path, stages: int) -> None:
    """Five pattern rules."""
    (folder / "out").mkdir()
    (folder / "Makefile").write_text(MAKEFILE.format(last=stages // CHAIN - 1))


def write_doit(folder: Path, stages: int) -> None:
    """One task creator; actions are Python functions, which spares it a shell for each."""
    (folder / "out").mkdir()
    (folder / "dodo.py").write_text(DODO.format(chains=stages // CHAIN))


def write_snakemake(folder: Path, stages: int) -> None:
    """Two rules with wildcards."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(chains=stages // CHAIN))


def write_kedro(folder: Path, stages: int) -> None:
    """Nodes made in a loop, one catalog entry that is a pattern."""
    (folder / "src" / "proj").mkdir(parents=True)
    (folder / "conf" / "base").mkdir(parents=True)
    (folder / "conf" / "local").mkdir()
    (folder / "out").mkdir()
    (folder / "pyproject.toml").write_text(KEDRO_PROJECT)
    (folder / "src" / "proj" / "__init__.py").write_text("")
    (folder / "src" / "proj" / "settings.py").write_text("")
    registry = KEDRO_REGISTRY.format(chains=stages // CHAIN)
    (folder / "src" / "proj" / "pipeline_registry.py").write_text(registry)
    (folder / "conf" / "base" / "catalog.yml").write_text(KEDRO_CATALOG)


def _dvc_command(chain: int, step: int) -> tuple[str, str, str]:
    """The command of a stage, the file it reads, and the file it writes."""
    before = f"out/{chain}-{step - 1}" if step else "source.txt"
    after = f"out/{chain}-{step}"
    return f"(cat {before}; echo {step or chain}) > {after}", before, after


def write_dvc(folder: Path, stages: int) -> None:
    """Five stages repeated by `matrix`; `dvc init` without Git, its analytics off."""
    (folder / "out").mkdir()
    numbers = ", ".join(str(number) for number in range(stages // CHAIN))
    lines = ["stages:"]
    for step in range(CHAIN):
        before = f"out/${{item.n}}-{step - 1}" if step else "source.txt"
        after = f"out/${{item.n}}-{step}"
        lines += [
            f"  s{step}:",
            f"    matrix: {{n: [{numbers}]}}",
            f"    cmd: (cat {before}; echo {step or '${item.n}'}) > {after}",
            f"    deps: ['{before}']",
            f"    outs: ['{after}']",
        ]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    (folder / ".dvc" / "tmp").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = True\n    analytics = false\n")


def done_dvc(folder: Path, stages: int) -> None:
    """Outputs, cache and `dvc.lock`, as DVC itself leaves them."""
    lock = ["schema: '2.0'", "stages:"]
    for step in range(CHAIN):
        for chain in range(stages // CHAIN):
            command, before, after = _dvc_command(chain, step)
            data = (folder / before).read_bytes() + f"{step or chain}\n".encode()
            (folder / after).write_bytes(data)
            digest = hashlib.md5(data).hexdigest()
            kept = folder / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            lock += [f"  s{step}@{chain}:", f"    cmd: {command}", "    deps:"]
            lock += [*_entry(folder, before), "    outs:", *_entry(folder, after)]
    (folder / "dvc.lock").write_text("\n".join(lock) + "\n")


def _entry(folder: Path, name: str) -> list[str]:
    data = (folder / name).read_bytes()
    digest = hashlib.md5(data).hexdigest()
    return [
        f"    - path: {name}",
        "      hash: md5",
        f"      md5: {digest}",
        f"      size: {len(data)}",
    ]


def ours(name: str, command: list[str]) -> Tool:
    """This product, by the script given."""
    words = [*command, "recipe=chains"]
    return Tool(
        name,
        write_ours,
        words,
        plan=[*words, "--plan", "--json"],
        environment={"AIDN_TRUST": "1"},
        says="up to date",
    )


def tools(python: str) -> Iterator[Tool | tuple[str, str]]:
    """Every tool, or for one that is not installed its name and what installs it."""
    entry = "import sys; from aidn_pipeline.entry import main; sys.exit(main())"
    yield ours("aidn-run", [str(Path(sys.executable).with_name("aidn-run"))])
    yield ours("aidn-run, plain script", [sys.executable, "-c", entry])
    make = shutil.which("make")
    if make is None:
        yield "make", "apt-get install make"
    else:
        yield Tool("make", write_make, [make, "-s"], plan=[make, "-s", "-n"])
    beside = Path(python).parent
    for name, install in (
        ("doit", "doit"),
        ("snakemake", "snakemake"),
        ("kedro", "kedro kedro-datasets"),
        ("dvc", "dvc"),
    ):
        program = beside / name
        if program.exists():
            yield _peer(name, str(program))
        else:
            yield name, f"{python} -m pip install {install}"


def _peer(name: str, program: str) -> Tool:
    if name == "doit":
        return Tool(name, write_doit, [program, "run"])
    if name == "snakemake":
        words = [program, "--cores", "2", "--quiet", "all"]
        return Tool(name, write_snakemake, words, plan=[*words, "--dry-run"])
    if name == "kedro":
        return Tool(
            name,
            write_kedro,
            [program, "run"],
            rerun=[program, "run", "--only-missing-outputs"],
            environment={"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"},
        )
    return Tool(
        name,
        write_dvc,
        [program, "repro", "--quiet"],
        environment={"DVC_NO_ANALYTICS": "1"},
        done=done_dvc,
    )
