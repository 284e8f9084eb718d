"""From `argv` to an exit code. Starts fast: a verb's module is imported when the verb is typed."""

import gc
import importlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aidn_pipeline import __version__
from aidn_pipeline.cli import streams
from aidn_pipeline.cli.words import HELP, VERBS
from aidn_pipeline.errors import AidnError, StorageFull, UnsupportedPlatform

Verb = Callable[[Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: without the program's name; `sys.argv` by default.

    Returns:
        0 done; 1 an error of ours; 2 found before the first stage started; 3 a stage failed; 4 a
        gate was not met; 130 or 143 interrupted by SIGINT or SIGTERM, resumable.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    started = time.monotonic()
    streams.prepare()
    try:
        _refuse_windows()
        code = _dispatch(given)
        sys.stdout.flush()
    except AidnError as error:
        return _failed(error, given, started)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader went away (`| head`); nothing more can be said, not even at exit.
        streams.silence(sys.stdout)
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 - a bug of ours ends in the same form as any error
        if streams.is_of_stdout(error):
            return _failed(_unsaid(error), given, started)
        return _failed(_unexpected(error), given, started, cause=error)
    return code


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise UnsupportedPlatform(
            "aidn-pipeline does not run on Windows itself: its store needs the locks and renames "
            "of POSIX",
            where=sys.executable,
            remedy="run it in WSL2: `wsl --install`, then in Ubuntu `pip install aidn-pipeline`",
        )


def _dispatch(given: list[str]) -> int:
    first = given[0] if given else ""
    if first in ("-h", "--help", "help"):
        print(_help(given[1:]))
        return 0
    if first == "--version":
        print(f"aidn-pipeline {__version__}")
        return 0
    if not given:
        return _verb("overview")([])
    if first in VERBS:
        if {"-h", "--help"} & set(given[1:]):
            print(VERBS[first].help)
            return 0
        return _verb(first)(given[1:])
    if {"-h", "--help"} & set(given):
        print(HELP)
        return 0
    if "=" in first or first.startswith(("-", "~", "+")):
        # Hydra's `--cfg job` prints what a recipe comes to.
        asks_config = {"--cfg", "-c"} & {word.partition("=")[0] for word in given}
        return _verb("show" if asks_config else "run")(given)
    failure: Any = importlib.import_module("aidn_pipeline.cli.failure")
    raise failure.unknown_verb(first)


def _help(words: Sequence[str]) -> str:
    if words and words[0] in VERBS:
        return VERBS[words[0]].help
    return HELP


def _verb(name: str) -> Verb:
    # Hundreds of modules are made, of which nothing is ever collected.
    gc.disable()
    try:
        module: Any = importlib.import_module(f"aidn_pipeline.cli.{VERBS[name].module}")
    finally:
        gc.freeze()
        gc.enable()
    verb: Verb = module.main
    return verb


def _unexpected(error: Exception) -> AidnError:
    return AidnError(
        f"{type(error).__name__}: {error}",
        where="a bug in aidn-pipeline",
        remedy="report it with the traceback above; the same command again is safe",
    )


def _unsaid(error: Exception) -> AidnError:
    return StorageFull(
        f"what the command says cannot be written: {getattr(error, 'strerror', error)}",
        where=streams.STDOUT,
        remedy="make space where it goes; what was done is kept, and the same command says it",
    )


def _failed(
    error: AidnError, given: Sequence[str], started: float, cause: BaseException | None = None
) -> int:
    failure: Any = importlib.import_module("aidn_pipeline.cli.failure")
    # Where nothing can be said any more, the exit code still says how it ended.
    with suppress(OSError):
        failure.tell(error, cause or error.__cause__)
    with suppress(OSError):
        if "--json" in given:
            failure.tell_programs(error, time.monotonic() - started)
    streams.settle(sys.stdout)
    streams.settle(sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
