"""CPU seconds of composing, checking and planning, as multiples of Hydra's smallest program.

    python benchmarks/compose.py [--rounds 15] [--json]

`hydra` is the smallest program that composes one config of one key by Hydra's compose API. `edited`
is a recipe of six stages that is done and whose text has just been edited, so that nothing is
remembered of it: it is composed, checked and planned. `matrix` are recipes of so many stages, none
of which was ever run. Each round does every command once, one after the other, so that what else
the machine does falls on all of them alike; figures are medians of user and system CPU seconds.
`hydra.main` does what `edited` does with the same files, but composes them by `@hydra.main` as
Hydra ships it; what that composed is checked and planned by the same code.

`composed 1000` is, within one process, a recipe of 1,000 stages by `matrix`, from its text to the
checked pipeline; `hydra 5` is Hydra's own composition of five stages from a defaults list. Exits
with 1 if a limit is exceeded, 2 if a command fails.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir

from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import load_recipe

LIMITS = {
    "edited / hydra": 1.45,
    "edited / hydra.main": 0.8,
    "matrix 100 / edited": 1.4,
    "matrix 1000 / edited": 1.7,
    "composed 1000 / hydra 5": 2.0,
}
SIZES = (100, 1000)
HYDRA = (
    "from hydra import compose, initialize_config_dir\n"
    "with initialize_config_dir({folder!r}, version_base='1.3'):\n"
    "    compose('config')\n"
)
HYDRA_MAIN = """\
import json

import hydra
from omegaconf import OmegaConf

from aidn_pipeline.cli.plan import tell
from aidn_pipeline.facade.builder import AiModelBuilder


@hydra.main(config_path="recipes", config_name="six", version_base="1.3")
def main(config):
    composed = OmegaConf.to_container(config)
    # The recipe does not tune; what only tuning refers to is left out by ours too.
    del composed["sampler"], composed["trial_scheduler"]
    tell(AiModelBuilder.from_recipe(json.dumps(composed) + "\\n"), as_json=True)


main()
"""
BUILTIN = Path(__file__).parent.parent
ENTRY = "import sys; from aidn_pipeline.entry import main; sys.exit(main())"
SIX = """\
# Edited {count} times.
defaults:
  - /digits_train
  - _self_
name: six
trainer: {{epochs: 1}}
stages: {{register: {{gate: {{accuracy: null}}}}}}
"""
WIDE = """\
stages:
  data: {{use: snapshot, source: {{use: digits}}}}
  split:
    use: split
    inputs: {{dataset: data.dataset}}
    matrix: {{seed: {{range: {count}}}}}
"""
FIVE = "defaults:\n" + "".join(f"  - stage@stages.s{k}: s\n" for k in range(5))


@dataclass(frozen=True, slots=True)
class Command:
    """What is measured.

    Attributes:
        words: of the command.
        before: is done before, unmeasured.
        stages: that it must tell of.
    """

    words: list[str]
    before: Callable[[], object] = list
    stages: int = 0


def commands(project: Path) -> dict[str, Command]:
    """What is measured, by name."""
    (project / "recipes").mkdir()
    (project / "hydra").mkdir()
    (project / "hydra" / "config.yaml").write_text("a: 1\n")
    (project / "hydra" / "stage").mkdir()
    (project / "hydra" / "stage" / "s.yaml").write_text("use: split\nseed: 1\n")
    (project / "hydra" / "five.yaml").write_text(FIVE)
    for size in SIZES:
        (project / "recipes" / f"wide_{size}.yaml").write_text(WIDE.format(count=size - 1))
    edits = iter(range(1_000_000))

    def edit() -> None:
        (project / "recipes" / "six.yaml").write_text(SIX.format(count=next(edits)))

    plan = [sys.executable, "-c", ENTRY, "--plan", "--json"]
    hydra = HYDRA.format(folder=str(project / "hydra"))
    (project / "app.py").write_text(HYDRA_MAIN)
    searched = f"hydra.searchpath=[file://{BUILTIN}/recipes,file://{BUILTIN}/conf]"
    main = [sys.executable, "app.py", searched]
    edit()
    # Every stage of it is done: what is measured is told `reuse`.
    spent(Command([sys.executable, "-c", ENTRY, "recipe=six"]), project)
    return {
        "bare": Command([sys.executable, "-c", "pass"]),
        "hydra": Command([sys.executable, "-c", hydra]),
        "hydra.main": Command(main, edit, stages=6),
        "edited": Command([*plan, "recipe=six"], edit, stages=6),
        **{f"matrix {s}": Command([*plan, f"recipe=wide_{s}"], stages=s) for s in SIZES},
    }


def spent(command: Command, project: Path) -> float:
    """CPU seconds of one run of the command.

    Raises:
        SystemExit: with 2 if the command fails, or tells of another number of stages.
    """
    command.before()
    # As a user has it: what is imported again is not compiled again.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"NO_COLOR": "1", "XDG_CACHE_HOME": str(project / "cache")}
    output = project / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command.words, stdout=file, stderr=subprocess.PIPE, cwd=project, env=environment
        )
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = output.read_text()
    told = len(json.loads(said)["stages"]) if command.stages and said else 0
    if process.returncode or told != command.stages:
        print(errors.decode(), said[:2000], file=sys.stderr)
        print(f"{' '.join(command.words)} exited with {process.returncode}", file=sys.stderr)
        raise SystemExit(2)
    return usage.ru_utime + usage.ru_stime


def composed(project: Path) -> tuple[float, float]:
    """CPU seconds of a matrix of 1,000 by us, and of five stages by Hydra, in this process."""
    found, index = find_project(project), builtin_index()
    started = time.process_time()
    load_recipe("wide_1000", (), found, index, {})
    ours = time.process_time() - started
    with initialize_config_dir(str(project / "hydra"), version_base="1.3"):
        started = time.process_time()
        compose("five")
        return ours, time.process_time() - started


def measure(rounds: int) -> dict[str, float]:
    """Median CPU seconds by name."""
    folder = Path(tempfile.mkdtemp())
    try:
        named = commands(folder)
        found: dict[str, list[float]] = {}
        for number in range(rounds + 1):
            figures = {name: spent(command, folder) for name, command in named.items()}
            figures["composed 1000"], figures["hydra 5"] = composed(folder)
            # The first round compiles byte code and fills caches.
            for name, seconds in figures.items() if number else ():
                found.setdefault(name, []).append(seconds)
    finally:
        shutil.rmtree(folder)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def main() -> int:
    """Measures and prints; the exit code says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    seconds = measure(options.rounds)
    ratios = {}
    for name in LIMITS:
        above, _, below = name.partition(" / ")
        ratios[name] = round(seconds[above] / seconds[below], 2)
    if options.json:
        figures = {name: round(value, 4) for name, value in seconds.items()}
        print(json.dumps({"format": 1, "rounds": options.rounds, "cpu_s": figures, **ratios}))
    else:
        for name, value in seconds.items():
            print(f"{name:28} {value * 1000:8.1f} ms")
        for name, ratio in ratios.items():
            print(f"{name:28} {ratio:8.2f}x   limit {LIMITS[name]:g}x")
    over = [name for name, ratio in ratios.items() if ratio > LIMITS[name]]
    if over:
        print(f"above the limit: {', '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
