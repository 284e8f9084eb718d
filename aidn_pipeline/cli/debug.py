"""`aidn-run debug STAGE recipe=NAME ...`: one stage by itself, stopped where it fails."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from aidn_pipeline.cli import debugger, failure, frames
from aidn_pipeline.cli.arguments import parse
from aidn_pipeline.cli.asked import asked
from aidn_pipeline.cli.lines import Lines
from aidn_pipeline.cli.text import seconds
from aidn_pipeline.errors import AidnError, GateNotMet, Interrupted, UsageError
from aidn_pipeline.facade.debugging import Debugged, debugged


def main(given: Sequence[str]) -> int:
    """Runs the stage; the exit code is what a run of it would give."""
    flags = parse(given, {"--no-pdb": "switch", "--traceback": "switch"}, verb="debug")
    stages = [word for word in flags.words if _is_stage(word)]
    if len(stages) != 1:
        raise UsageError(
            "debug needs one stage",
            where=" ".join(["aidn-run debug", *given]),
            remedy="write `aidn-run debug train recipe=digits`",
        )
    words = [word for word in flags.words if word != stages[0]]
    builder = asked(words, verb="debug").builder
    project = builder.workspace.project.root
    view = Lines(sys.stdout, sys.stderr)
    with (
        view,
        debugger.standing_aside(view),
        debugged(builder.listening(view), stages[0]) as found,
    ):
        if found.error is None:
            print(f"\n{succeeded(found)}")
            return 0
        _tell(found, found.error, project, every_frame=flags.has("--traceback"))
        if not found.reached:
            again = " ".join(["aidn-run debug", *map(shlex.quote, (found.stage, *words))])
            print(f"{stages[0]} was not reached; next: {again}", file=sys.stderr)
        if not flags.has("--no-pdb") and (raised := _to_look_at(found.error, project)):
            debugger.post_mortem(raised, project, sys.stdout)
        return found.error.exit_code


def _is_stage(word: str) -> bool:
    # A cell of a matrix has its values in its name: `train[fold=0]`.
    name = word.partition("[")[0] if word.endswith("]") else word
    return "=" not in name and word[0] not in "~+"


def _to_look_at(error: AidnError, project: Path) -> BaseException | None:
    """What a debugger opens on; an error of ours that no code of the user's raised says it all."""
    raised = error.__cause__ or error
    if isinstance(error, (Interrupted, GateNotMet)):
        return None
    users = frames.has_users(raised, project)
    return raised if users or failure.is_foreign(error, error.__cause__) else None


def _tell(found: Debugged, error: AidnError, project: Path, *, every_frame: bool) -> None:
    lines = notebook(found)
    if lines:
        print(f"\n{lines}\n", flush=True)
    failure.tell(error, error.__cause__, project=project, every_frame=every_frame)


def succeeded(found: Debugged) -> str:
    """What is said of a stage that went through."""
    told = [
        f"{found.stage} went through in {seconds(found.seconds)}; nothing of it was kept",
        "to stop inside it, write `breakpoint()` in your code and type the same command again",
        notebook(found),
    ]
    return "\n".join(line for line in told if line)


def notebook(found: Debugged) -> str:
    """The lines that open the stage's inputs in a notebook; empty if it has none."""
    if not found.inputs or not found.run:
        return ""
    opened = {
        port: ", ".join(f'run.artifact("{ref}")' for ref in refs)
        for port, refs in found.inputs.items()
    }
    calls = [f"[{call}]" if len(found.inputs[port]) > 1 else call for port, call in opened.items()]
    return "\n".join(
        [
            "its inputs, in a notebook or a script of this project:",
            "    from aidn_pipeline import AiModelResult",
            f'    run = AiModelResult.of_run("{found.run}")',
            f"    {', '.join(opened)} = {', '.join(calls)}",
        ]
    )
