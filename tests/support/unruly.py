"""Stages that end in every way but a good one, for the executor that gives each its own process."""

import ctypes
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.core.artifact import File
from aidn_pipeline.core.component import component
from aidn_pipeline.core.events import Event, Notice, event_to_json
from aidn_pipeline.core.stage import StageContext
from aidn_pipeline.engine.stopping import StopFlag

LINE = b"x" * 99 + b"\n"


class Odd(Exception):
    """Holds what no pickle takes, and cannot be made from its arguments."""

    def __init__(self, text: str, _lock: object) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def leaks(_folder: Path) -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 28), size + (1 << 28)))
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def leaks_in_a_group(folder: Path) -> None:
    """Until the kernel kills it, in the control group that the test made."""
    (Path((folder / "group").read_text()) / "cgroup.procs").write_text(str(os.getpid()))
    kept = []
    while True:
        kept.append(bytes(1 << 24).replace(b"\0", b"x"))


def is_loud(_folder: Path) -> None:
    """100 MB, then a last line."""
    for _ in range(1000):
        os.write(1, LINE * 1000)
    print("last words")


def forks(folder: Path) -> None:
    """Leaves children behind: in its process group, and in a session of their own."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    children = [subprocess.Popen(command, start_new_session=new).pid for new in (False, True)]
    (folder / "pids").write_text(" ".join(map(str, [os.getpid(), *children])))


def forks_and_hangs(folder: Path) -> NoReturn:
    """Holds the interpreter's lock in a C function, where no Python code runs any more."""
    forks(folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(600)
    raise AssertionError


def ignores_sigterm(_folder: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def exits(_folder: Path) -> NoReturn:
    print("before the exit")
    os._exit(3)


def leaves(_folder: Path) -> NoReturn:
    sys.exit("bye")


def is_odd(_folder: Path) -> NoReturn:
    raise Odd("an odd thing", object())


def is_mute(_folder: Path) -> NoReturn:
    raise Mute


def crashes(_folder: Path) -> None:
    ctypes.string_at(0)


def is_killed(_folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def debugs(_folder: Path) -> None:
    breakpoint()  # noqa: T100


def debugs_by_hand(_folder: Path) -> None:
    import pdb  # noqa: PLC0415, T100

    pdb.set_trace()  # noqa: T100


def asks(_folder: Path) -> None:
    input()


def scribbles(_folder: Path) -> None:
    """Writes into every descriptor it has."""
    for fd in range(3, 64):
        try:
            os.write(fd, b"{]\n")
        except OSError:
            continue
    time.sleep(600)


def floods(_folder: Path) -> NoReturn:
    """Tells events for ever, faster than anybody reads them."""
    line = json.dumps({"event": event_to_json(Notice(text="x" * 200))}).encode() + b"\n"
    pipes = [fd for fd in range(3, 64) if _is_pipe(fd)]
    while True:
        for fd in pipes:
            os.write(fd, line * 100)


def _is_pipe(fd: int) -> bool:
    try:
        os.write(fd, b"")
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False


def answers_itself(_folder: Path) -> NoReturn:
    """Gives an answer in its stage's place, in the form of the runner's own lines."""
    for fd in range(3, 64):
        try:
            os.write(fd, b'{"answer":{"action":"run"}}\n')
        except OSError:
            continue
    os._exit(0)


def edits(folder: Path) -> None:
    """Changes the project's code, as somebody does while a long run goes on."""
    with (folder / "mine.py").open("a") as code:
        code.write("LIMIT = 2\n")


def behaves(_folder: Path) -> None:
    print("fine")


WAYS: Mapping[str, Callable[[Path], None]] = {
    way.__name__: way
    for way in (
        leaks, leaks_in_a_group, is_loud, forks, forks_and_hangs, ignores_sigterm, exits, leaves,
        edits, is_odd, is_mute, crashes, is_killed, debugs, debugs_by_hand, asks, scribbles,
        behaves, answers_itself, floods,
    )
}  # fmt: skip


@component("stage", "unruly")
def unruly(ctx: StageContext, *, way: str) -> File:
    """Ends as told.

    Args:
        way: one of `WAYS`.
    """
    WAYS[way](ctx.project)
    return ctx.save(File, way.encode())


SPEC = spec_of(unruly)


def work(
    payload: Mapping[str, Any], emit: Callable[[Event], None], stop: StopFlag
) -> Mapping[str, Any]:
    """A task of no stage: as told, and what its process looks like."""
    emit(Notice(text="begun"))
    WAYS[payload["way"]](Path(payload["folder"]))
    while payload.get("until_stopped"):
        time.sleep(0.01)
        stop.check()
    return {
        "pid": os.getpid(),
        "threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
        "dice": __import__("random").random(),
    }


def threads_and_cuda(
    _payload: Mapping[str, Any], _emit: Callable[[Event], None], _stop: StopFlag
) -> Mapping[str, Any]:
    """What a process inherited from a server that has imported what a training needs."""
    torch = sys.modules.get("torch")
    return {
        "torch": torch is not None,
        "cuda": torch is not None and torch.cuda.is_initialized(),
        "threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
    }
