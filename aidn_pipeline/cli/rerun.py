"""`aidn-run rerun RUN`: a run again, with its configuration and its data."""

from collections.abc import Sequence

from aidn_pipeline.cli import run
from aidn_pipeline.cli.arguments import Kind, parse
from aidn_pipeline.cli.asked import FLAGS, Asked, run_keys
from aidn_pipeline.cli.habits import translated
from aidn_pipeline.errors import UsageError
from aidn_pipeline.facade.builder import AiModelBuilder


def main(given: Sequence[str]) -> int:
    """Runs it again, or plans that.

    Returns:
        The exit code, as of a run.
    """
    flags: dict[str, Kind] = {**FLAGS, "--strict": "switch"}
    arguments = parse(translated(given), flags, verb="rerun")
    keys = [word for word in arguments.words if "=" in word]
    names = [word for word in arguments.words if "=" not in word]
    if len(names) != 1:
        raise UsageError(
            "rerun takes one run",
            where=" ".join(["aidn-run rerun", *given]),
            remedy="write `aidn-run rerun last`, or an id that `aidn-run list runs` has",
        )
    keys += run_keys(arguments)
    if arguments.has("--strict"):
        keys.append("run.strict=true")
    builder = AiModelBuilder.from_run(names[0]).configure(*keys)
    return run.carried_out(
        Asked(
            builder,
            plan=arguments.has("--plan"),
            json=arguments.has("--json"),
            traceback=arguments.has("--traceback"),
            pdb=arguments.has("--pdb"),
        )
    )
