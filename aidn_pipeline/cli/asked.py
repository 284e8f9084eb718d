"""What `aidn-run` and `aidn-run plan` are asked for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from aidn_pipeline.cli.arguments import Kind, Parsed, parse
from aidn_pipeline.cli.habits import translated
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.builder import AiModelBuilder

NAMING = {"--from": "from", "--until": "until", "--only": "only", "--force": "force"}
"""Flags that name stages, by the key of `run` that is recorded for each."""
SWITCHES = {"--no-cache": "no_cache", "--frozen": "frozen"}
"""Flags that are on or off, in the same way."""
FLAGS: dict[str, Kind] = {
    **dict.fromkeys(NAMING, "values"),
    **dict.fromkeys(SWITCHES, "switch"),
    **dict.fromkeys(("--plan", "--json", "--traceback", "--pdb"), "switch"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for.

    Attributes:
        builder: the recipe with its changes.
        plan: only plan.
        json: end stdout with one JSON object.
        traceback: show every frame of a failing stage.
        pdb: open the debugger at the user's last frame of a failing stage.
    """

    builder: AiModelBuilder
    plan: bool
    json: bool
    traceback: bool
    pdb: bool


def asked(given: Sequence[str], *, verb: str = "run") -> Asked:
    """Reads the command line.

    Raises:
        UsageError: if it names no recipe, or two.
        NotTrusted: if the workspace names code of its own and nobody trusted it.
    """
    arguments = parse(translated(given), FLAGS, verb=verb)
    recipes = [w.removeprefix("recipe=") for w in arguments.words if w.startswith("recipe=")]
    if len(recipes) != 1 or not recipes[0]:
        raise UsageError(
            "a run needs one recipe" if not recipes else "a run takes one recipe",
            where=" ".join(["aidn-run", *given]),
            remedy="write `aidn-run recipe=digits`; `aidn-run list recipes` lists them",
        )
    changes = [w for w in arguments.words if not w.startswith("recipe=")]
    changes += run_keys(arguments)
    builder = AiModelBuilder.from_recipe(recipes[0]).configure(*changes)
    return Asked(
        builder,
        plan=arguments.has("--plan"),
        json=arguments.has("--json"),
        traceback=arguments.has("--traceback"),
        pdb=arguments.has("--pdb"),
    )


def run_keys(arguments: Parsed) -> list[str]:
    """What flags stand for: overrides of `run.*`, which the run records."""
    named = [(key, arguments.values.get(flag, ())) for flag, key in NAMING.items()]
    keys = [f"run.{key}={json.dumps(list(stages))}" for key, stages in named if stages]
    keys += [f"run.{key}=true" for flag, key in SWITCHES.items() if arguments.has(flag)]
    if arguments.has("--pdb"):
        # The debugger opens on what was raised in this process.
        keys.append("run.executor=inline")
    return keys
