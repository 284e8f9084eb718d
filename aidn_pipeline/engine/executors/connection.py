"""The runner's end of the server that forks: starting it, asking it, hearing of it, ending it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv[3])
from aidn_pipeline.engine.executors.forkserver import serve
serve(int(sys.argv[1]), int(sys.argv[2]))
"""
END_S = 3.0
"""Seconds that the server may take to end what still runs."""


class Connection:
    """A server that was started. See `forkserver` for what is said over it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        life, self._life = _life()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        paths = json.dumps([str(path) for path in sys.path])
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own text
                [sys.executable, "-c", PROGRAM, str(theirs.fileno()), str(life), paths],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(theirs.fileno(), life),
                start_new_session=True,
            )
        os.close(life)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """The socket, to wait for what the server says."""
        return self._socket.fileno()

    def ask(self, request: Mapping[str, Any], fds: Sequence[int]) -> bool:
        """Asks for a process; False if the server is gone."""
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], list(fds))
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def heard(self) -> Iterator[Mapping[str, Any] | None]:
        """What the server has said since; None at last if it is gone."""
        while True:
            try:
                data = self._socket.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            yield json.loads(data) if data else None
            if not data:
                return

    def end(self) -> str:
        """Ends the server, and with it what it forked; returns how it ended, with its last line."""
        self._socket.close()
        if self._life >= 0:
            os.close(self._life)
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            # Its processes die with it.
            self._process.kill()
            code = self._process.wait()
        with self._said:
            self._said.seek(0)
            said = self._said.read().decode(errors="replace").strip().rpartition("\n")[2]
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else "ended"
        return f"{how}: {said}" if said else how


def _life() -> tuple[int, int]:
    """A descriptor that is readable once this process is gone; one that must stay open till then.

    The first is of the process itself: no child that inherited it keeps it silent, as with a pipe.
    """
    try:
        return os.pidfd_open(os.getpid()), -1
    except OSError:
        return os.pipe2(os.O_CLOEXEC)
