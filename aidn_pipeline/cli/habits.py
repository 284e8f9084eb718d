"""What users of Hydra type: taken for what it means here, or answered with what to write."""

import shlex
from collections.abc import Sequence

from aidn_pipeline.errors import UsageError

PLANS = ("-n", "--dry-run", "--dryrun", "--dry_run")
"""What `--plan` is called elsewhere."""
CFG = ("--cfg", "-c")
RESOLVE = "--resolve"
MULTIRUN = ("-m", "--multirun")
BELOW = (
    "own groups stand in `conf/`, own recipes in `recipes/` of the project: run the command below "
    "its folder"
)
EXPLAINED = {
    ("-cn", "--config-name"): (
        "a recipe is named as `recipe=NAME`",
        "write `recipe={value}`; `aidn-run list recipes` lists them",
    ),
    ("-cd", "--config-dir"): (
        "configs are not searched for in a folder that is named on the command line",
        BELOW,
    ),
    ("-cp", "--config-path"): (
        "configs are not searched for in a folder that is named on the command line",
        BELOW,
    ),
    ("-p", "--package"): (
        "a part of a configuration is not printed by itself",
        "`aidn-run show recipe=NAME` prints all of it, each value with its place",
    ),
    ("-i", "--info"): (
        "there is no flag for what is installed and found",
        "`aidn-run doctor` looks at the environment, `aidn-run list` at what may be named",
    ),
    ("-hh", "--hydra-help"): (
        "Hydra composes recipes here and takes no options of its own",
        "`aidn-run --help` says what there is",
    ),
    ("-sc", "--shell-completion"): (
        "completion is no flag",
        "write `aidn-run completion bash`, zsh or fish",
    ),
    ("--experimental-rerun",): (
        "a run is done again by its id",
        "write `aidn-run rerun RUN`; `aidn-run list runs` lists them",
    ),
}
"""Flags of Hydra: what is wrong with each, and the remedy."""


def wants_config(given: Sequence[str]) -> bool:
    """Whether Hydra's `--cfg job` is asked for: what `aidn-run show recipe=NAME` prints.

    Raises:
        UsageError: for `--cfg` of something else.
    """
    words = _before_rest(given)
    for at, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag in CFG:
            value = value or (words[at + 1] if at + 1 < len(words) else "")
            if value != "job":
                raise UsageError(
                    f"{flag} {value}".strip() + " shows nothing: Hydra has no configuration here",
                    where=_typed(given),
                    remedy="write `--cfg job`, or `aidn-run show recipe=NAME`",
                )
            return True
    return False


def without_config(given: Sequence[str]) -> list[str]:
    """The arguments without `--cfg job` and `--resolve`."""
    words = _before_rest(given)
    kept: list[str] = []
    skip = False
    for word in words:
        flag, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif flag in CFG:
            skip = not equals
        elif word != RESOLVE:
            kept.append(word)
    return [*kept, *given[len(words) :]]


def translated(given: Sequence[str]) -> list[str]:
    """The arguments with other tools' words for what there is here under another name.

    Raises:
        UsageError: for a flag of Hydra that has no place here, saying what has.
    """
    words = _before_rest(given)
    for at, word in enumerate(words):
        flag, _, value = word.partition("=")
        value = value or (words[at + 1] if at + 1 < len(words) else "")
        if flag in MULTIRUN:
            raise _multirun(words)
        if word == RESOLVE:
            raise UsageError(
                f"{RESOLVE} goes with `--cfg job`",
                where=_typed(given),
                remedy="write `--cfg job --resolve`; what is shown is always resolved",
            )
        for flags, (problem, remedy) in EXPLAINED.items():
            if flag in flags:
                said = remedy.format(value=value.removesuffix(".yaml") or "NAME")
                raise UsageError(problem, where=_typed(given), remedy=said)
    plain = ["--plan" if word in PLANS else word for word in words]
    return [*plain, *given[len(words) :]]


def _multirun(words: Sequence[str]) -> UsageError:
    rest = [word for word in words if word not in MULTIRUN]
    several = next((w for w in rest if _is_list(w)), "")
    remedy = (
        "trials of hyperparameters are a `sweep` stage (`stages.tune.space`), and a stage that is "
        "repeated over values has a `matrix`"
    )
    if several:
        key, _, values = several.partition("=")
        name = key.rpartition(".")[2] or key
        typed = [shlex.quote(word) for word in rest if word != several]
        each = " ".join(map(shlex.quote, values.split(",")))
        loop = " ".join(["aidn-run", *typed, f'{key}="${name}"'])
        remedy += f"; for one run after the other: `for {name} in {each}; do {loop}; done`"
    return UsageError(
        "one command is one run: -m would be several",
        where=_typed(words),
        remedy=remedy,
    )


def _is_list(word: str) -> bool:
    _, equals, value = word.partition("=")
    return bool(equals) and "," in value and value[:1] not in ("[", "{", '"', "'")


def _before_rest(given: Sequence[str]) -> list[str]:
    return list(given[: given.index("--")]) if "--" in given else list(given)


def _typed(given: Sequence[str]) -> str:
    return " ".join(["aidn-run", *map(shlex.quote, given)])
