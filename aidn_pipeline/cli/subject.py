"""What a verb looks at: a recipe with its changes, or what the newest run was asked for."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aidn_pipeline.cli.arguments import Kind, Parsed, parse
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.builder import AiModelBuilder
from aidn_pipeline.facade.workspace import Workspace

CHANGE = re.compile(r"[~+]|[^\[\]=]+=")
"""Begins a change of a recipe; the name of a cell, `train[fold=0]`, is none."""
FORCE = re.compile(r"\+{0,2}run\.force=")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at.

    Attributes:
        builder: the recipe with its changes.
        names: what was named: stages, keys.
        arguments: with the flags.
        words: of the recipe and its changes, as they are typed.
    """

    builder: AiModelBuilder
    names: tuple[str, ...]
    arguments: Parsed
    words: tuple[str, ...]

    def command(self, *words: str) -> str:
        """A command about the same subject, ready for a shell."""
        return " ".join(["aidn-run", *map(shlex.quote, (*words, *self.words))])


def subject(given: Sequence[str], flags: Mapping[str, Kind], *, verb: str) -> Subject:
    """Reads the command line of a verb that looks at a recipe.

    Without `recipe=NAME` it is the recipe and the changes of the newest run, which is said; changes
    that are given come on top.

    Raises:
        UsageError: for an unknown flag, two recipes, or none where nothing was run yet.
    """
    arguments = parse(given, flags, verb=verb)
    changes = [word for word in arguments.words if CHANGE.match(word)]
    names = tuple(word for word in arguments.words if not CHANGE.match(word))
    recipes = [c.removeprefix("recipe=") for c in changes if c.startswith("recipe=")]
    changes = [c for c in changes if not c.startswith("recipe=")]
    if len(recipes) > 1 or recipes == [""]:
        raise UsageError(
            f"{verb} takes one recipe",
            where=" ".join(["aidn-run", verb, *given]),
            remedy="write `recipe=digits`; `aidn-run list recipes` lists them",
        )
    if not recipes:
        recipe, before = _of_the_newest_run(verb, given)
        again = {_key(change) for change in changes}
        before = [text for text in before if _key(text) not in again]
        recipes, changes = [recipe], [*before, *changes]
        print(
            f"of the newest run: {' '.join(map(shlex.quote, [f'recipe={recipe}', *before]))}",
            file=sys.stderr,
        )
    builder = AiModelBuilder.from_recipe(recipes[0]).configure(*changes)
    return Subject(builder, names, arguments, (f"recipe={recipes[0]}", *changes))


def _key(change: str) -> str:
    return change.lstrip("+~").partition("=")[0].rstrip(":")


def _of_the_newest_run(verb: str, given: Sequence[str]) -> tuple[str, list[str]]:
    workspace = Workspace.around()
    runs = []
    if workspace.has_store:
        with workspace.open_store() as store:
            runs = store.records.runs(1)
    if not runs:
        raise UsageError(
            "no recipe is named, and nothing was run here yet",
            where=" ".join(["aidn-run", verb, *given]),
            remedy="add `recipe=NAME`; `aidn-run list recipes` lists them",
        )
    facts = runs[0]["facts"]
    changes = [text for text in facts.get("overrides", ()) if not FORCE.match(text)]
    return str(facts.get("asked", runs[0]["recipe"])), changes


def one_name(found: Subject, *, verb: str, noun: str, example: str) -> str:
    """The one thing that was named.

    Raises:
        UsageError: if there is none, or several.
    """
    if len(found.names) == 1:
        return found.names[0]
    many = "takes one" if found.names else "needs a"
    raise UsageError(
        f"{verb} {many} {noun}",
        where=" ".join(["aidn-run", verb, *found.names]),
        remedy=f"write `aidn-run {verb} {example}`",
    )
