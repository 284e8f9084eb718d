"""CPU seconds of checking a recipe of 1,001 stages, as a share of what `jsonschema` takes.

    python benchmarks/validation.py [--stages 1001] [--rounds 5] [--json]

Both check the same documents in the same process, by turns: one without a mistake, and one with a
mistake in every tenth group of stages. `jsonschema` gets the resolved recipe as plain values and
the strict schema that is shipped, and lists every error. Ours begins earlier and ends later: it
resolves the references, checks every value with its line, and then the ports of the stages, of
which a schema knows nothing. Exits with 1 if ours takes more than a tenth, 2 if the two disagree.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from aidn_pipeline.config.builtin import data_folder
from aidn_pipeline.config.check import Checker
from aidn_pipeline.config.compose import Composed, compose
from aidn_pipeline.config.indexes import builtin_index
from aidn_pipeline.config.library import GivenRecipe, Library
from aidn_pipeline.config.project import find_project
from aidn_pipeline.config.recipe import assemble

LIMIT = 0.1
"""Share of `jsonschema`'s seconds that ours may take."""
HEAD = """\
defaults:
  - /trainer: default
  - /lr_scheduler: constant
  - /source: digits
  - /model: mlp
  - /optimizer: adamw
  - _self_
stages:
  snapshot: {use: snapshot, source: "${source}"}
"""
GROUP = """\
  split%(n)d: {use: split, %(seed)s: %(n)d, inputs: {dataset: snapshot.dataset}}
  normal%(n)d: {use: normalize, inputs: {dataset: split%(n)d.dataset}}
  train%(n)d: {use: train, inputs: {dataset: %(wire)s.dataset}, trainer: "${trainer}"}
  evaluate%(n)d:
    use: evaluate
    threads: %(threads)s
    inputs: {dataset: normal%(n)d.dataset, checkpoint: train%(n)d.best}
"""
WRONG = {"seed": "sede", "threads": "many", "wire": "nowhere"}
"""In one group: a key and a value, which a schema sees as well, and a reference."""
SEEN = 2


def recipe(stages: int, *, broken: bool) -> tuple[str, int]:
    """A recipe of so many stages, and how many of its mistakes a schema sees."""
    groups, seen = [], 0
    for number in range(stages // 4):
        right = {"n": number, "seed": "seed", "threads": "1", "wire": f"normal{number}"}
        wrong = WRONG if broken and number % 10 == 0 else {}
        groups.append(GROUP % (right | wrong))
        seen += SEEN if wrong else 0
    return HEAD + "".join(groups), seen


def composed(text: str) -> Composed:
    """The recipe, with its references as written."""
    project = find_project(Path("/"))
    library = Library(project, builtin_index(), GivenRecipe("measured", text, "measured.yaml"))
    return compose(library, "measured", [], {})


def plain(text: str) -> dict[str, Any]:
    """The recipe with its references resolved, as plain values."""
    found = composed(text)
    tree = {key: found.tree.value[key] for key in ("name", "seed", "stages")}
    return {key: found.resolver.resolve(node, key).plain() for key, node in tree.items()}


def measure(stages: int, rounds: int, *, broken: bool) -> dict[str, float]:
    """Median seconds of both, and what each found."""
    schema = json.loads((data_folder("schemas") / "resolved.schema.json").read_text())
    text, seen = recipe(stages, broken=broken)
    document, index = plain(text), builtin_index()
    theirs, ours, told = list[float](), list[float](), 0
    for number in range(rounds + 1):
        started = time.process_time()
        errors = list(Draft202012Validator(schema).iter_errors(document))
        between = time.process_time()
        ready, checker = composed(text), Checker(index)
        begun = time.process_time()
        assemble("measured", ready, checker)
        ended = time.process_time()
        # The first round fills caches.
        if number:
            theirs.append(between - started)
            ours.append(ended - begun)
        told = len(checker.problems)
        if len(errors) != seen or told != seen // SEEN * len(WRONG):
            said = f"of {seen} mistakes jsonschema told {len(errors)}, and ours, with those of the "
            print(f"{said}wiring, {told}", file=sys.stderr)
            raise SystemExit(2)
    return {
        "jsonschema_s": round(statistics.median(theirs), 4),
        "ours_s": round(statistics.median(ours), 4),
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 4),
        "problems": told,
    }


def main() -> int:
    """Measures and prints; the exit code says whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--stages", type=int, default=1001)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = {
        name: measure(options.stages, options.rounds, broken=name == "broken")
        for name in ("right", "broken")
    }
    if options.json:
        print(json.dumps({"format": 1, "stages": options.stages, "limit": LIMIT, **found}))
    else:
        for name, figures in found.items():
            print(
                f"{name:7} jsonschema {figures['jsonschema_s'] * 1000:8.1f} ms   ours "
                f"{figures['ours_s'] * 1000:7.1f} ms   {figures['ratio']:.3f}x   "
                f"{figures['problems']:.0f} problems   limit {LIMIT:g}x"
            )
    return 1 if any(figures["ratio"] > LIMIT for figures in found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
