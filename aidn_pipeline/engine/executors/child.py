"""A stage's own process: what it is between the fork and its first line of work, and how it ends.

It writes JSON lines to its pipe: `{"event": ...}` while it works, then `{"answer": ...}` or
`{"error": ...}`. Its output goes to its log, its input is empty.
"""

import atexit
import bdb
import contextlib
import faulthandler
import importlib
import io
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from aidn_pipeline.core.events import Event, event_to_json
from aidn_pipeline.core.masking import MaskedStream, masked_within
from aidn_pipeline.engine.executors import linux
from aidn_pipeline.engine.failure import error_to_json
from aidn_pipeline.engine.stopping import StopFlag, listening
from aidn_pipeline.errors import AidnError, StageFailed

STOPPING = (signal.SIGINT, signal.SIGTERM)
ORPHANED = 75
"""Exit code of a process whose server died before it began."""
OOM_SCORE = 300
"""Added to the kernel's score, so that it takes a stage before what started it."""
DEBUGGER = "a debugger needs a terminal, and a stage in a process of its own has none"
DEBUGGER_REMEDY = "run it with `run.executor=inline`, or `aidn-run debug STAGE`"


class Line:
    """JSON lines into a pipe, whole ones, whoever writes them."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: list[bytes] = []
        self._writing = False

    def write(self, value: Mapping[str, Any]) -> None:
        """Writes one line; called within a `write`, as by a signal's handler, it comes after it."""
        self._waiting.append(
            json.dumps(value, separators=(",", ":"), default=_number).encode() + b"\n"
        )
        if self._writing:
            return
        self._writing = True
        try:
            while self._waiting:
                left = memoryview(self._waiting.pop(0))
                while left:
                    left = left[os.write(self._fd, left) :]
        finally:
            self._writing = False


def _number(value: Any) -> Any:
    """What JSON does not know: a number of numpy or torch is its plain one, the rest is text."""
    return value.item() if getattr(value, "ndim", None) == 0 else str(value)


def be_a_stage(
    server: int,
    request: Mapping[str, Any],
    payload: int,
    result: int,
    log: int,
    left_open: tuple[int, ...],
) -> NoReturn:
    """Becomes a stage's process: does the work of `payload`, says how it ended, and exits.

    Args:
        server: the process id of who forked.
        request: `entry`, as `module:function`, is called with the work, `emit` and the stop flag;
            `grace_s` is the time it has to end in good order.
        payload: a file with the work as JSON.
        result: the pipe for events and the answer.
        log: the file for what is printed.
        left_open: the server's own file descriptors, which are closed.
    """
    code = 1
    line = Line(result)
    try:
        _settle(server, log, left_open)
        with os.fdopen(payload, "rb") as file:
            work = json.load(file)
        _work(line, work, request)
        code = 0
    except SystemExit as error:
        code = _exit_code(error)
    except BaseException as error:  # noqa: BLE001 - the last place where it can be told
        line.write({"error": error_to_json(_plain(error))})
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()  # noqa: SLF001 - as `multiprocessing` ends a fork
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(code)


def _settle(server: int, log: int, left_open: tuple[int, ...]) -> None:
    signal.set_wakeup_fd(-1)
    os.setsid()
    linux.signal_at_parents_death(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(ORPHANED)
    for signum in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for fd in left_open:
        os.close(fd)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.FileIO(0, "r", closefd=False))  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2)  # type: ignore[misc]
    faulthandler.enable(sys.stderr)
    sys.breakpointhook = no_debugger
    atexit._clear()  # noqa: SLF001 - the server's are not this process's to call
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "r+") as score:  # noqa: PTH123
        score.write(str(min(1000, int(score.read()) + OOM_SCORE)))
    # What nobody seeded must differ between processes, as `random` itself sees to; what a stage
    # seeds is the same wherever it runs.
    random.seed()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def _stream(fd: int) -> io.TextIOWrapper:
    """A line at a time: what was printed before a sudden end is in the log."""
    raw = io.FileIO(fd, "w", closefd=False)
    return MaskedStream(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _work(line: Line, work: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    module, _, name = request["entry"].partition(":")
    perform: Callable[..., Mapping[str, Any]] = getattr(importlib.import_module(module), name)

    def emit(event: Event) -> None:
        # Who reads it does not know what is secret here.
        line.write({"event": masked_within(event_to_json(event))})

    flag = StopFlag()
    # The runner tells people that it stops; the stage only has to hear of it.
    with listening(flag, lambda _text: None, grace_s=request["grace_s"]):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        line.write({"answer": perform(work, emit, flag)})


def _plain(error: BaseException) -> BaseException:
    cause = error.__cause__ if isinstance(error, AidnError) else error
    if not isinstance(cause, bdb.BdbQuit):
        return error
    where = error.where if isinstance(error, AidnError) else ""
    return StageFailed(DEBUGGER, where=where, remedy=DEBUGGER_REMEDY)


def no_debugger(*args: Any, **kws: Any) -> Any:
    """What `breakpoint()` does in a stage's process, unless PYTHONBREAKPOINT says otherwise.

    Raises:
        StageFailed: always, with what to do instead.
    """
    if os.environ.get("PYTHONBREAKPOINT"):
        return sys.__breakpointhook__(*args, **kws)  # noqa: T100 - asked for by the user
    caller = sys._getframe(1)  # noqa: SLF001 - where the user's line is
    raise StageFailed(
        DEBUGGER, where=f"{caller.f_code.co_filename}:{caller.f_lineno}", remedy=DEBUGGER_REMEDY
    )


def _exit_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1
